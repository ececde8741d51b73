"""What a mapping says of every record alike. Called by `flow` for remarks on it."""

from __future__ import annotations

import duckdb

from cxflow import record_sql
from cxflow.model.stream import Stream
from cxflow.warehouse import tables


def activities(stream: Stream, database: duckdb.DuckDBPyConnection) -> list[str]:
    """The activities that a checked mapping writes as a constant. Any DuckDB database will do."""
    found: dict[str, None] = {}
    for projection in stream.to.get(tables.touchpoint.name, ()):
        sql = projection.columns.get("activity", "NULL")
        if not any(record_sql.parse(database, "activity", sql).columns()):
            row = database.execute(f"SELECT (\n{sql}\n)::VARCHAR").fetchone()
            found |= {row[0]: None} if row and row[0] else {}
    return list(found)
