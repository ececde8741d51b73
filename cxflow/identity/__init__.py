"""Which identifiers are one customer."""
