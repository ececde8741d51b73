"""The temporary tables of a resolution."""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.warehouse import engines

TABLES = (
    "pending",
    "reached",
    "touched",
    "affected",
    "seen",
    "node",
    "apart",
    "record",
    "link",
    "component",
    "oversized",
    "named",
    "assigned",
    "former",
    "changed",
    "owner",
    "retired",
    "owned",
    "profile",
    "moved",
    "told",
    "span",
    "described",
    "past",
)
"""Every one that a resolution may make."""


def make(connection: sa.Connection, name: str, sql: str) -> None:
    """Create a temporary table and update its statistics."""
    run(connection, f"CREATE TEMP TABLE {name} AS {sql}")
    engines.of(connection).analyze(connection, name)


def run(connection: sa.Connection, sql: str) -> None:
    """Run a statement."""
    connection.execute(sa.text(sql))


def count(connection: sa.Connection, sql: str) -> int:
    """The number that a query gives; 0 for none."""
    return int(connection.scalar(sa.text(sql)) or 0)


def drop(connection: sa.Connection) -> None:
    """Drop the temporary tables that were made."""
    for name in TABLES:
        run(connection, f"DROP TABLE IF EXISTS {name}")
