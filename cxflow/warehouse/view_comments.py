"""The database's own comments on views and their columns: what a BI tool shows beside a name. Called by `publish`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from cxflow.duck import identifier, literal
from cxflow.warehouse import engines
from cxflow.warehouse.engines.base import VERBATIM

Place = tuple[str, str]
"""A relation and a column of it; an empty column: the relation itself."""


class Description(NamedTuple):
    """What a relation shows."""

    relation: str
    columns: Mapping[str, str]
    """Column to what it means."""


def write(connection: sa.Connection, described: Mapping[str, Description]) -> None:
    """Comment the views as described. Changes nothing where the comments are there already."""
    live = {
        (row[0], row[1]): row[2] for row in connection.exec_driver_sql(engines.of(connection).comments_sql)
    }
    changed = {place: text for place, text in places(described).items() if live.get(place) != text}
    for statement in statements(changed):
        connection.exec_driver_sql(statement, execution_options=VERBATIM)


def places(described: Mapping[str, Description]) -> dict[Place, str]:
    """Each relation and each column to its description."""
    found: dict[Place, str] = {}
    for name, description in described.items():
        found[name, ""] = description.relation
        found |= {(name, column): text for column, text in description.columns.items()}
    return found


def statements(comments: Mapping[Place, str], kind: str = "VIEW", schema: str = "") -> list[str]:
    """The SQL that comments relations of a kind (VIEW, TABLE) and their columns."""
    return [
        f"COMMENT ON {'COLUMN' if column else kind} {_named(schema, relation, column)} IS {literal(text)}"
        for (relation, column), text in comments.items()
    ]


def _named(*parts: str) -> str:
    return ".".join(identifier(part) for part in parts if part)
