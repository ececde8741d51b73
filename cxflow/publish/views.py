"""Updates the BI views, and the comment on each view and column. Called by `flow`.

The views are the marts from `warehouse/marts`, one `.sql` file each, and the masked views.

A mart selects, joins and renames; it never divides: formulas live in `kpis`.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.publish import grants, marts, masked
from cxflow.settings import Settings
from cxflow.warehouse import engines, revisions, view_comments
from cxflow.warehouse.view_comments import Description


def definitions(dialect: sa.Dialect, settings: Settings) -> dict[str, str]:
    """View name to its query."""
    zone = settings.project.timezone
    return {
        **{name: mart.query(zone) for name, mart in marts.read_all().items()},
        **masked.definitions(dialect),
    }


def descriptions() -> dict[str, Description]:
    """View name to what it and its columns mean."""
    return {
        **{name: Description(mart.description, mart.columns) for name, mart in marts.read_all().items()},
        **masked.descriptions(),
    }


def publish(connection: sa.Connection, settings: Settings) -> list[str]:
    """Create or replace every view, within the caller's transaction, and give `warehouse.bi_role`, if there is one, its
    grants. Returns the names of the views."""
    revisions.require_revision(connection)
    engines.of(connection).lock_definitions(connection)
    revisions.require(connection)
    found = definitions(connection.dialect, settings)
    engines.of(connection).replace_views(connection, found)
    view_comments.write(connection, descriptions())
    if role := settings.warehouse.bi_role:
        grants.apply(connection, role, list(found))
    return list(found)


def statements(connection: sa.Connection, settings: Settings) -> list[str]:
    """The SQL of `publish`, one statement per item. Nothing is changed."""
    found = definitions(connection.dialect, settings)
    made = [f"CREATE OR REPLACE VIEW {name} AS\n{query.strip()}" for name, query in found.items()]
    made += view_comments.statements(view_comments.places(descriptions()))
    role = settings.warehouse.bi_role
    return made + (grants.statements(connection, role, list(found)) if role else [])
