"""Writes `customer_id` on canonical rows, and notes the days that this changes for the KPIs. Called by `resolve`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.identity.temporary import count, make, run
from cxflow.warehouse import engines, pending, tables

_OWNED = sa.table(
    "owned",
    *(
        sa.column(name, sa.String)
        for name in ("source_system", "source_object", "source_record_id", "customer_id")
    ),
)
"""Records with their present customer."""
_MANY_RECORDS = 1_000_000
"""Records whose rows an engine can update with little memory, even one that holds all changes in it."""
_MOVED = sa.select(sa.table("moved", sa.column("customer_id", sa.String)).c.customer_id)
"""Customers whose segment, country or consent changed, now or before."""
_CAUSE = "customers linked or described anew"
"""Why rows changed, for who asks why a KPI was published again."""


def assign(connection: sa.Connection) -> None:
    """Update `customer_id` on the rows of the records in `record` where it changed. All identifiers of a record that
    link belong to one customer: the first stands for them."""
    make(
        connection,
        "owned",
        "SELECT r.source_system, r.source_object, r.source_record_id, a.customer_id FROM record r "
        "LEFT JOIN assigned a ON a.node = r.node AND a.match_rule = 'exact'",
    )
    engine = engines.of(connection)
    records = count(connection, "SELECT count(*) FROM owned")
    for table in tables.CANONICAL.values():
        if "customer_id" not in table.columns or _is_empty(connection, table):
            continue
        moved = _moved(table)
        if table.info["event_time"]:
            pending.note_days(connection, table, sa.select(table).join_from(table, _OWNED, moved), _CAUSE)
        if table is tables.touchpoint:
            for satellite in _satellites(connection):
                rows = _with_touchpoint(satellite).join(_OWNED, moved)
                pending.note_days(connection, satellite, rows, _CAUSE)
        if not engine.holds_updates_in_memory or records <= _MANY_RECORDS:
            connection.execute(sa.update(table).where(moved).values(customer_id=_OWNED.c.customer_id))
        else:
            _rewrite(connection, table, moved)


def _rewrite(connection: sa.Connection, table: sa.Table, moved: sa.ColumnElement[bool]) -> None:
    """As the update, by new rows instead of the old ones: these go to disk at once."""
    new = {column.name: column for column in table.columns} | {"customer_id": _OWNED.c.customer_id}
    rows = sa.select(*(value.label(name) for name, value in new.items())).join_from(table, _OWNED, moved)
    connection.execute(rows.into("rewritten", temporary=True))
    rewritten = sa.table("rewritten", *(sa.column(name) for name in new))
    key = tables.KEYS[table.name]
    connection.execute(
        sa.delete(table).where(sa.exists().where(*(table.c[name] == rewritten.c[name] for name in key)))
    )
    connection.execute(sa.insert(table).from_select(list(new), sa.select(rewritten)))
    run(connection, "DROP TABLE rewritten")


def note_moved(connection: sa.Connection) -> None:
    """Note the days of all rows of the customers in `moved`: they count in another slice of the KPIs now."""
    if not connection.execute(sa.select(_MOVED.exists())).scalar():
        return
    for table in tables.CANONICAL.values():
        if "customer_id" in table.columns and table.info["event_time"]:
            rows = sa.select(table).where(table.c.customer_id.in_(_MOVED))
            pending.note_days(connection, table, rows, _CAUSE)
    for satellite in _satellites(connection):
        rows = _with_touchpoint(satellite).where(tables.touchpoint.c.customer_id.in_(_MOVED))
        pending.note_days(connection, satellite, rows, _CAUSE)


def _is_empty(connection: sa.Connection, table: sa.Table) -> bool:
    return not connection.execute(sa.select(sa.select(table.c.source_system).exists())).scalar()


def _moved(table: sa.Table) -> sa.ColumnElement[bool]:
    """The condition for the rows of a table whose customer changed."""
    key = ("source_system", "source_object", "source_record_id")
    same_record = [table.c[name] == _OWNED.c[name] for name in key]
    return sa.and_(*same_record, table.c.customer_id.is_distinct_from(_OWNED.c.customer_id))


def _satellites(connection: sa.Connection) -> list[sa.Table]:
    """Tables with rows and an event time that get their customer only through the touchpoint."""
    return [
        table
        for table in tables.CANONICAL.values()
        if "touchpoint_id" in table.columns
        and "customer_id" not in table.columns
        and table.info["event_time"]
        and not _is_empty(connection, table)
    ]


def _with_touchpoint(satellite: sa.Table) -> sa.Select[Any]:
    """The rows of a satellite, joined to their touchpoints."""
    touchpoint = tables.touchpoint
    return sa.select(satellite).join_from(
        satellite, touchpoint, touchpoint.c.touchpoint_id == satellite.c.touchpoint_id
    )
