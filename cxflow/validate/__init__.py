"""Validates conformed batches with Great Expectations and decides what loads and what is quarantined. The only package
that imports great_expectations, and only inside functions."""
