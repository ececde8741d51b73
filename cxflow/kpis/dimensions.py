"""What a fact may be sliced by: the words and flags of the canonical tables behind it, and what their signals say.

A dimension is an expression over the columns of a fact's rows, cast to text. The names here are those of `[kpis]
dimensions` in `cxflow.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, ColumnClause, ColumnElement, Select, String, Table, cast, select
from sqlalchemy.sql import visitors

from cxflow.warehouse.tables import CANONICAL, PROVENANCE, signal

SIGNAL = "signal."
"""What the names of signals begin with: `signal.topic` is the word that the touchpoint's signal `topic` says."""

_RENAMED = {
    "source_system": "source",
    "source_object": "stream",
    "agent_id": "agent",
    "queue_id": "queue",
    "question_id": "question",
    "item_reviewed_id": "item",
    "product_id": "product",
    "seller_id": "seller",
    "currency_code": "currency",
}
"""Columns that are dimensions under a shorter name."""


def of_table(table: Table) -> dict[str, Column[Any]]:
    """Dimension to its column: what is a word or a flag, no personal data, and not the id of one single thing."""
    found = {}
    for each in table.columns:
        name = _RENAMED.get(each.name, each.name)
        is_word = isinstance(each.type, (String, Boolean)) and not each.info.get("pii")
        if is_word and not name.endswith("_id") and name not in PROVENANCE:
            found[name] = each
    return found


def text(expression: ColumnElement[Any]) -> ColumnElement[str]:
    """A value as `kpi_value` holds it."""
    return expression if isinstance(expression.type, String) else cast(expression, String)


def signal_of(touchpoint_id: ColumnElement[Any], name: str) -> ColumnElement[str]:
    """The word that a touchpoint's signal says, by the newest model that said one; null where none does."""
    t = signal.c
    return (
        select(t.string_value)
        .where(t.touchpoint_id == touchpoint_id, t.name == name, ~t.is_deleted, t.string_value.is_not(None))
        .order_by(t.model_version.collate("C").desc())
        .limit(1)
        .scalar_subquery()
    )


def personal(name: str) -> Column[Any] | None:
    """The canonical column of a name that is personal data, if there is one."""
    for table in CANONICAL.values():
        if name in table.columns and table.columns[name].info.get("pii"):
            return table.columns[name]
    return None


def personal_among(
    dimensions: Mapping[str, ColumnElement[Any]], rows: Select[*tuple[Any, ...]]
) -> Iterator[tuple[str, Column[Any]]]:
    """The dimensions over the columns of `rows` that are made of personal data, each with such a column."""
    named: dict[str, list[ColumnElement[Any]]] = {}
    for query in (each for each in visitors.iterate(rows) if isinstance(each, Select)):
        for each in query.selected_columns:
            named.setdefault(str(each.key), []).append(each)
    for name, expression in dimensions.items():
        yield from ((name, origin) for origin in _origins(expression, named, set()) if origin.info.get("pii"))


def _origins(
    expression: ColumnElement[Any], named: Mapping[str, Sequence[ColumnElement[Any]]], seen: set[Any]
) -> Iterator[Column[Any]]:
    """The columns of tables behind an expression. A bare `column("…")` may be any that a query in it calls so."""
    for element in visitors.iterate(expression):
        if not isinstance(element, ColumnElement) or element in seen:
            continue
        seen.add(element)
        if isinstance(element, Column) and isinstance(element.table, Table):
            yield element
        is_bare = isinstance(element, ColumnClause) and element.table is None
        for origin in named.get(element.name, ()) if is_bare else element.base_columns - {element}:
            yield from _origins(origin, named, seen)
