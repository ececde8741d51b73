"""What a mapping says of every record alike. Called by `flow` for remarks on it."""

from __future__ import annotations

from cxflow import record_sql
from cxflow.duck import blank
from cxflow.model.stream import Stream
from cxflow.warehouse import tables


def activities(stream: Stream) -> list[str]:
    """The activities that a checked mapping writes as a constant."""
    found: dict[str, None] = {}
    for projection in stream.to.get(tables.touchpoint.name, ()):
        sql = projection.columns.get("activity", "NULL")
        if not any(record_sql.parse("activity", sql).columns()):
            with blank() as database:
                row = database.execute(f"SELECT (\n{sql}\n)::VARCHAR").fetchone()
            found |= {row[0]: None} if row and row[0] else {}
    return list(found)
