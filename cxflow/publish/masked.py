"""Views of the canonical tables with personal data, which mask that data. Called by `views`.

The declaration of a column marks it as personal, and that is enough to mask it here.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.warehouse.tables import CANONICAL, PROVENANCE
from cxflow.warehouse.view_comments import Description

MASK = "***"
"""Replaces a personal value; null stays null."""

_SHOWN_PROVENANCE = ("source_system",)
"""Provenance columns in the views. `source_record_id` is not among them: a key may be an e-mail address."""


def definitions(dialect: sa.Dialect) -> dict[str, str]:
    """View to its query."""
    return {
        f"masked_{table.name}": str(
            _query(table).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        )
        for table in CANONICAL.values()
        if is_personal(table)
    }


def descriptions() -> dict[str, Description]:
    """View to what it and its columns mean."""
    return {
        f"masked_{table.name}": Description(
            f"{table.comment}; personal values are shown as {MASK}",
            {column.name: str(column.comment) for column in _shown(table)},
        )
        for table in CANONICAL.values()
        if is_personal(table)
    }


def is_personal(table: sa.Table) -> bool:
    """Whether any of its columns may hold personal data."""
    return any(column.info.get("pii") for column in table.columns)


def _query(table: sa.Table) -> sa.Select[Any]:
    return sa.select(*map(_masked, _shown(table))).where(sa.not_(table.c.is_deleted))


def _shown(table: sa.Table) -> list[sa.Column[Any]]:
    return [
        column
        for column in table.columns
        if column.name not in PROVENANCE or column.name in _SHOWN_PROVENANCE
    ]


def _masked(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if not column.info.get("pii"):
        return column
    return sa.case((column.is_not(None), sa.literal(MASK, sa.String))).label(column.name)
