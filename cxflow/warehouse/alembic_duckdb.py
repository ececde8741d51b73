"""Teaches Alembic the DuckDB dialect. Imported by `schema` for its effect."""

from __future__ import annotations

from alembic.ddl.impl import DefaultImpl


class DuckDBImpl(DefaultImpl):
    """DuckDB runs DDL within transactions; nothing else about it is special here."""

    __dialect__ = "duckdb"
    transactional_ddl = True
