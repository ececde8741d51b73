"""The report: one self-contained HTML page of published values, small aggregates and a few masked texts."""
