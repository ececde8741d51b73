"""Raw columns to canonical tables by declared SQL expressions, run by DuckDB over the landed Parquet."""
