"""Publishes what BI tools may read: views, grants and the data dictionary."""
