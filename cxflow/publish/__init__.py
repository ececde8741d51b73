"""What BI may read."""
