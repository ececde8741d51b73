"""The data dictionary: every table, view and column of the warehouse, from the table metadata and the marts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table, types

from cxflow.publish import views
from cxflow.warehouse import tables

_KINDS = (
    ("canonical", "Canonical tables", "Mappings fill these. Each also has the provenance columns below."),
    ("derived", "Derived tables", "cxflow computes these."),
    ("system", "System tables", "The ledger, the cursors, the quarantine, the registry of records."),
)

_TYPES: tuple[tuple[type[Any], str], ...] = (
    (types.String, "text"),
    (types.DateTime, "time"),
    (types.Date, "date"),
    (types.Boolean, "yes/no"),
    (types.Integer, "whole number"),
    (types.Double, "number"),
    (types.Numeric, "money"),
    (types.Uuid, "hash"),
)


def data_dictionary() -> str:
    """The dictionary as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "<!-- Made by `make docs` from cxflow/warehouse/tables.py and warehouse/marts; do not edit. -->",
        "",
        "Times are UTC. Ids that come from a source are stored as `system:id`. A column marked **personal** "
        "may hold personal data; **key** columns are unique together; a mapping must fill **required** ones.",
    ]
    for kind, title, description in _KINDS:
        lines += ["", f"## {title}", "", description]
        for table in sorted(tables.metadata.tables.values(), key=lambda table: table.name):
            if table.info["kind"] == kind:
                lines += ["", *_table(table)]
        if kind == "canonical":
            lines += [
                "",
                "### Provenance",
                "",
                *_rows([tables.touchpoint.c[name] for name in tables.PROVENANCE], ()),
            ]
    return "\n".join([*lines, *_views()]) + "\n"


def _views() -> list[str]:
    """What BI reads. The database has the same words as comments on views and columns."""
    lines = [
        "",
        "## Views",
        "",
        "What BI reads: [the warehouse](warehouse.md#what-bi-reads). They hold no personal data.",
    ]
    for name, description in views.descriptions().items():
        lines += ["", f"### {name}", "", _sentence(description.relation), "", "| column | |", "|---|---|"]
        lines += [f"| {column} | {text} |" for column, text in description.columns.items()]
    return lines


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _table(table: Table) -> list[str]:
    columns = [
        column
        for column in table.columns
        if table.info["kind"] != "canonical" or column.name not in tables.PROVENANCE
    ]
    return [
        f"### {table.name}",
        "",
        _sentence(str(table.comment)),
        "",
        *_rows(columns, table.info["key"]),
    ]


def _rows(columns: list[Column[Any]], key: tuple[str, ...]) -> list[str]:
    lines = ["| column | type | |", "|---|---|---|"]
    for column in columns:
        marks = ["**key**"] if column.name in key else []
        marks += ["**required**"] if _is_required(column) else []
        marks += ["**personal**"] if column.info.get("pii") else []
        description = ", ".join([*marks, str(column.comment)])
        lines.append(f"| {column.name} | {_type(column)} | {description} |")
    return lines


_FILLED = frozenset({"touchpoint_id", "currency_code"})
"""Columns that cxflow fills where a mapping does not."""


def _is_required(column: Column[Any]) -> bool:
    """Whether a mapping onto the column's table must map it."""
    table = column.table
    assert isinstance(table, Table)
    is_mapped = table.info["kind"] == "canonical" and column.name not in tables.PROVENANCE
    own = column.name not in _FILLED or (table is tables.signal and column.name == "touchpoint_id")
    return is_mapped and own and (not column.nullable or column.name in table.info["key"])


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, types.ARRAY):
        return f"{_kind(column.type.item_type)}s"
    return _kind(column.type)


def _kind(of: types.TypeEngine[Any]) -> str:
    return next(name for kind, name in _TYPES if isinstance(of, kind))
