"""The dimensions of a fact: text and boolean columns of the canonical tables behind it, and their signals.

A dimension is an expression over the columns of a fact's rows, cast to text. The names are those of `[kpis] dimensions`
in `cxflow.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnClause,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Join,
    Select,
    String,
    Table,
    cast,
    select,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping, SelectStatementGrouping

from cxflow.warehouse.tables import CANONICAL, PROVENANCE, signal

SIGNAL = "signal."
"""The prefix of signals: `signal.topic` is the text value of the touchpoint's signal `topic`."""

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
"""Column to its shorter name as a dimension."""


def of_table(table: Table) -> dict[str, Column[Any]]:
    """Dimension to its column: texts and booleans that are neither personal data nor ids."""
    found = {}
    for each in table.columns:
        name = _RENAMED.get(each.name, each.name)
        is_word = isinstance(each.type, (String, Boolean)) and not each.info.get("pii")
        if is_word and not name.endswith("_id") and name not in PROVENANCE:
            found[name] = each
    return found


def text(expression: ColumnElement[Any]) -> ColumnElement[str]:
    """A value as text, as `kpi_value` stores it."""
    return expression if isinstance(expression.type, String) else cast(expression, String)


def signal_of(touchpoint_id: ColumnElement[Any], name: str) -> ColumnElement[str]:
    """The text value of a touchpoint's signal, from the newest model version that has one; null if none has."""
    t = signal.c
    return (
        select(t.string_value)
        .where(t.touchpoint_id == touchpoint_id, t.name == name, ~t.is_deleted, t.string_value.is_not(None))
        .order_by(t.model_version.collate("C").desc())
        .limit(1)
        .scalar_subquery()
    )


def personal(name: str) -> Column[Any] | None:
    """A canonical column of this name that is personal data, if there is one."""
    for table in CANONICAL.values():
        if name in table.columns and table.columns[name].info.get("pii"):
            return table.columns[name]
    return None


def personal_among(
    dimensions: Mapping[str, ColumnElement[Any]], rows: Select[*tuple[Any, ...]]
) -> Iterator[tuple[str, Column[Any]]]:
    """The dimensions over the columns of `rows` that derive from personal data, each with such a column."""
    named: dict[str, list[ColumnElement[Any]]] = {}
    for query in _queries(rows):
        for each in query.selected_columns:
            named.setdefault(str(each.key), []).append(each)
    for name, expression in dimensions.items():
        yield from ((name, origin) for origin in _origins(expression, named, set()) if origin.info.get("pii"))


def _queries(rows: Any) -> Iterator[Select[*tuple[Any, ...]]]:
    """A SELECT and those that it reads from. Not those within its expressions: nobody names their columns, and a fact
    has thousands of expressions."""
    met: set[int] = set()
    open_ = [rows]
    while open_:
        found = open_.pop()
        if id(found) in met:
            continue
        met.add(id(found))
        if isinstance(found, Select):
            yield found
            open_ += (each for each in found.get_children() if isinstance(each, FromClause))
        elif isinstance(found, CompoundSelect):
            open_ += found.selects
        elif isinstance(found, Join):
            open_ += (found.left, found.right)
        elif isinstance(found, AliasedReturnsRows | FromGrouping | SelectStatementGrouping):
            open_.append(found.element)


def _origins(
    expression: ColumnElement[Any], named: Mapping[str, Sequence[ColumnElement[Any]]], seen: set[Any]
) -> Iterator[Column[Any]]:
    """The table columns behind an expression. A bare `column("…")` may be any column of that name in a subquery."""
    for element in visitors.iterate(expression):
        if not isinstance(element, ColumnElement) or element in seen:
            continue
        seen.add(element)
        if isinstance(element, Column) and isinstance(element.table, Table):
            yield element
        is_bare = isinstance(element, ColumnClause) and element.table is None
        for origin in named.get(element.name, ()) if is_bare else element.base_columns - {element}:
            yield from _origins(origin, named, seen)
