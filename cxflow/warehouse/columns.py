"""How tables and columns are declared: with a sentence each, and the facts that other modules ask for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, MetaData, Numeric, String, Table
from sqlalchemy.types import TypeEngine

metadata = MetaData()

TIME = DateTime(timezone=True)
MONEY = Numeric(18, 4)


def column(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], says: str, **options: Any
) -> Column[Any]:
    """A column that says what it holds, as the data dictionary shows it."""
    return Column(name, kind, comment=says, **options)


def source_id(name: str, says: str, *, pii: bool = False, **options: Any) -> Column[Any]:
    """An id issued by a source: conform qualifies it with the system's name. `pii`: it may name a person."""
    return column(name, String, says, info={"qualified": True, "pii": pii}, **options)


def key_id(name: str, says: str) -> Column[Any]:
    """A `source_id` that is never null: of a table's key."""
    return source_id(name, says, nullable=False)


PROVENANCE = ("source_system", "source_object", "source_record_id", "is_deleted", "run_id", "loaded_at")
"""The columns that cxflow itself fills in every canonical table."""


def provenance() -> list[Column[Any]]:
    """Which record, of which source, a canonical row comes from, and by which load: new columns for each table."""
    return [
        column("source_system", String, "the connection it came through", nullable=False),
        column("source_object", String, "the stream of that connection", nullable=False),
        column("source_record_id", String, "the record's key in its stream", nullable=False),
        column("is_deleted", Boolean, "whether the source has deleted the record", nullable=False),
        column("run_id", String, "the load that wrote this row", nullable=False),
        column("loaded_at", TIME, "when that was", nullable=False),
    ]


def canonical(
    name: str,
    says: str,
    key: tuple[str, ...],
    event_time: str | None,
    *columns: Column[Any],
    in_order: tuple[tuple[str, str], ...] = (),
    parent: tuple[str, str] | None = None,
) -> Table:
    """`in_order` are pairs of times of which the second is not before the first; `parent` is the table, and
    the shared id, in whose period a KPI counts the row (a refund counts in the order's)."""
    return Table(
        name,
        metadata,
        *columns,
        *provenance(),
        comment=says,
        info={
            "kind": "canonical",
            "key": key,
            "event_time": event_time,
            "in_order": in_order,
            "parent": parent,
        },
    )


def book(name: str, says: str, key: tuple[str, ...], *items: Any, kind: str = "book") -> Table:
    """A table of cxflow's own: its ledger, its registry, its KPIs."""
    return Table(name, metadata, *items, comment=says, info={"kind": kind, "key": key})
