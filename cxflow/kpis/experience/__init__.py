"""What customers live through, and what follows from it: judgements of touchpoints, and the KPIs that stand on them."""
