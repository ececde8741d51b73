"""Links identifiers of the same person into customers."""
