"""Brings the BI views up to date: the marts from `warehouse/marts`, one `.sql` file each, and the masked views.
Called by `flow`.

A mart selects, joins and renames; it never divides: formulas live in `kpis`.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.publish import masked
from cxflow.store import dialect, dialect_locks, schema


def definitions(connection: sa.Connection) -> dict[str, str]:
    """Every view's query, by name."""
    marts = sorted((schema.resources() / "marts").glob("*.sql"))
    return {
        **{path.stem: path.read_text(encoding="utf-8") for path in marts},
        **masked.definitions(connection.dialect),
    }


def publish(connection: sa.Connection) -> list[str]:
    """Bring every view to its definition, within the caller's transaction; returns their names."""
    schema.require_revision(connection)
    dialect_locks.definitions(connection)
    schema.require(connection)
    found = definitions(connection)
    dialect.replace_views(connection, found)
    return list(found)
