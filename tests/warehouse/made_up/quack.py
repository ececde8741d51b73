"""A made-up engine: DuckDB under another name. If a line of cxflow asked for DuckDB by name, this one would miss it."""

from __future__ import annotations

from duckdb_sqlalchemy import Dialect
from sqlalchemy.dialects import registry

from cxflow.warehouse.engines.duckdb import DuckDB


class QuackDialect(Dialect):  # type: ignore[misc]  # it has no types
    """DuckDB's dialect, which no longer answers to its name."""

    name = "quack"
    supports_statement_cache = True


registry.register("quack", __name__, QuackDialect.__name__)


class Quack(DuckDB):
    """DuckDB by another name."""

    name = "quack"
    title = "Quack"


ENGINE = Quack()
