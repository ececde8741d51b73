"""Brings the BI views up to date from `warehouse/marts`, one `.sql` file each. Called by `flow`.

A mart selects, joins and renames; it never divides: formulas live in `kpis`.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.store import schema


def publish(connection: sa.Connection) -> list[str]:
    """Create or replace every mart's view, within the caller's transaction; returns their names."""
    schema.require(connection)
    names = []
    for path in sorted((schema.resources() / "marts").glob("*.sql")):
        connection.exec_driver_sql(
            f"CREATE OR REPLACE VIEW {path.stem} AS\n{path.read_text(encoding='utf-8')}"
        )
        names.append(path.stem)
    return names
