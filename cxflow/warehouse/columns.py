"""Declares tables and columns, each with a description and the facts that other modules need."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, MetaData, Numeric, String, Table, Uuid
from sqlalchemy.types import TypeEngine

metadata = MetaData()

TIME = DateTime(timezone=True)
MONEY = Numeric(18, 4)
UUID = Uuid(as_uuid=False)


def column(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], description: str, **options: Any
) -> Column[Any]:
    """A column with its description for the data dictionary."""
    return Column(name, kind, comment=description, **options)


def source_id(name: str, description: str, *, pii: bool = False, **options: Any) -> Column[Any]:
    """An id issued by a source, which conform qualifies with the system's name. `pii`: it may identify a person."""
    return column(name, String, description, info={"qualified": True, "pii": pii}, **options)


def key_id(name: str, description: str) -> Column[Any]:
    """A `source_id` in a table's key: never null."""
    return source_id(name, description, nullable=False)


PROVENANCE = ("source_system", "source_object", "source_record_id", "is_deleted", "run_id", "loaded_at")
"""The columns that cxflow itself fills in every canonical table."""


def provenance() -> list[Column[Any]]:
    """New columns for the provenance of a row: its source, its record and its load."""
    return [
        column("source_system", String, "the connection it came through", nullable=False),
        column("source_object", String, "the stream of that connection", nullable=False),
        column("source_record_id", String, "the record's key in its stream", nullable=False),
        column("is_deleted", Boolean, "whether the source has deleted the record", nullable=False),
        column("run_id", String, "the load that wrote this row", nullable=False),
        column("loaded_at", TIME, "when the load wrote it", nullable=False),
    ]


def canonical(
    name: str,
    description: str,
    key: tuple[str, ...],
    event_time: str | None,
    *columns: Column[Any],
    in_order: tuple[tuple[str, str], ...] = (),
    parent: tuple[str, str] | None = None,
) -> Table:
    """A canonical table, with its provenance columns.

    `in_order`: pairs of times, the second never before the first. `parent`: the table in whose period a KPI counts the
    row, and the id that they share (a refund counts in the period of its order).
    """
    return Table(
        name,
        metadata,
        *columns,
        *provenance(),
        comment=description,
        info={
            "kind": "canonical",
            "key": key,
            "event_time": event_time,
            "in_order": in_order,
            "parent": parent,
        },
    )


def derived_table(name: str, description: str, key: tuple[str, ...], *items: Any) -> Table:
    """A table that cxflow computes: customers, KPI values."""
    return Table(name, metadata, *items, comment=description, info={"kind": "derived", "key": key})


def system_table(name: str, description: str, key: tuple[str, ...], *items: Any) -> Table:
    """A table for cxflow itself: ledger, cursors, quarantine, registry."""
    return Table(name, metadata, *items, comment=description, info={"kind": "system", "key": key})
