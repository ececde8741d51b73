"""Updates the BI views: the marts from `warehouse/marts`, one `.sql` file each, and the masked views. Called by `flow`.

A mart selects, joins and renames; it never divides: formulas live in `kpis`.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.publish import grants, masked
from cxflow.warehouse import engines, revisions


def definitions(connection: sa.Connection) -> dict[str, str]:
    """View name to its query."""
    marts = sorted((revisions.resources() / "marts").glob("*.sql"))
    return {
        **{path.stem: path.read_text(encoding="utf-8") for path in marts},
        **masked.definitions(connection.dialect),
    }


def publish(connection: sa.Connection, bi_role: str | None) -> list[str]:
    """Create or replace every view, within the caller's transaction, and give `bi_role`, if there is one, its grants.
    Returns the names of the views."""
    revisions.require_revision(connection)
    engines.of(connection).lock_definitions(connection)
    revisions.require(connection)
    found = definitions(connection)
    engines.of(connection).replace_views(connection, found)
    if bi_role:
        grants.apply(connection, bi_role, list(found))
    return list(found)


def statements(connection: sa.Connection, bi_role: str | None) -> list[str]:
    """The SQL of `publish`, one statement per item. Nothing is changed."""
    found = definitions(connection)
    made = [f"CREATE OR REPLACE VIEW {name} AS\n{query.strip()}" for name, query in found.items()]
    return made + (grants.statements(connection, bi_role, list(found)) if bi_role else [])
