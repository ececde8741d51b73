"""Maps raw columns to canonical tables with declared SQL expressions, run by DuckDB over the landed Parquet."""
