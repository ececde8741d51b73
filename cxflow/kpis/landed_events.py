"""The events behind a value, each with the raw record that its row was made from. Used by `trace`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
)

from cxflow.kpis.behind import Behind, By, Side
from cxflow.kpis.facts import FROM_RECORD, FROM_STREAM, Rows
from cxflow.kpis.periods import Period
from cxflow.kpis.slices import Slices
from cxflow.warehouse.tables import order_header, source_record, support_case, touchpoint


@dataclass(frozen=True, slots=True)
class Event:
    """One event behind a value: a row of a canonical table, and the raw record that it was made from."""

    at: datetime
    """When it happened, as the KPI dates it."""
    gives: float | str | None
    """Its part of the numerator or, of a quantile, its measure; None: nothing but that it is there."""
    side: str | None
    """On which side of a comparison it stands, in words; None: its KPI compares none."""
    customer_id: str | None
    """Of whom; None: nobody known."""
    connection: str | None
    """The connection that it came through."""
    stream: str | None
    """None, like all below: the registry of source records does not know it."""
    record: str | None
    """The record's key."""
    batch: str | None
    """The landed batch with the raw record."""
    file: str | None
    """The file, table or request that it came from."""
    row: int | None
    """Its row in that batch, from 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Raw records of one file in one landed batch, and the events that they became."""

    connection: str | None
    """The connection that they came through."""
    stream: str | None
    """None, like batch and file: the registry of source records does not know it."""
    batch: str | None
    """The landed batch."""
    file: str | None
    """The file, table or request."""
    records: int
    """Raw records."""
    events: int
    """What they became."""


def traced(behind: Behind, period: Period, by: By, slices: Slices, zone: ZoneInfo) -> Rows:
    """The events of a cell: `at`, `gives`, `side`, `is_counted` (1 or 0), `customer_id`, `connection`, `stream`,
    `record`, `batch`, `file` and `row`."""
    fact = behind.fact
    if by is not None and behind.described is not None:
        fact = behind.described(fact, period, zone)
    row = behind.narrowed(behind.sliced(fact, by, slices), period, zone).rows.subquery()
    gives: ColumnElement[Any] = cast(null(), Double) if behind.gives is None else behind.gives
    counts: ColumnElement[Any] = literal(1) if behind.counts is None else case((behind.counts, 1), else_=0)
    side: ColumnElement[Any] = cast(null(), String) if behind.side is None else behind.side
    event = select(
        row, gives.label("event_gives"), counts.label("event_counts"), side.label("event_side")
    ).subquery()
    made: Any = touchpoint.c
    joined: Any = event
    nothing = cast(null(), String)
    place: tuple[ColumnElement[Any], ...]
    if FROM_RECORD in event.c:
        place = event.c.source, event.c[FROM_STREAM], event.c[FROM_RECORD]
    elif "touchpoint_id" in event.c:
        # What happened without a touchpoint, a late delivery that is judged, comes from its order or case.
        joined = joined.outerjoin(touchpoint, made.touchpoint_id == event.c.touchpoint_id)
        origins = [made]
        for table, name in ((order_header, "order_id"), (support_case, "case_id")):
            if name in event.c:
                is_its = and_(table.c[name] == event.c[name], made.touchpoint_id.is_(None))
                joined = joined.outerjoin(table, is_its)
                origins.append(table.c)
        place = tuple(
            func.coalesce(*(each[name] for each in origins), nothing)
            for name in ("source_system", "source_object", "source_record_id")
        )
    else:
        place = nothing, nothing, nothing
    known = source_record.c
    joined = joined.outerjoin(
        source_record,
        and_(
            known.source_system == place[0],
            known.source_object == place[1],
            known.source_record_id == place[2],
        ),
    )
    return select(
        event.c.at,
        event.c.event_gives.label("gives"),
        event.c.event_side.label("side"),
        event.c.event_counts.label("is_counted"),
        event.c.customer_id,
        place[0].label("connection"),
        place[1].label("stream"),
        place[2].label("record"),
        known.batch_id.label("batch"),
        known.origin.label("file"),
        known.row_number.label("row"),
    ).select_from(joined)


class Totals(NamedTuple):
    """What all events of a cell come to."""

    customers: int
    """Different ones; of unknown ones, none."""
    counted: int
    """Events that n counts."""
    given: float
    """The sum of what they give, where that is the numerator."""


def totals(connection: Connection, events: Any, behind: Behind) -> Totals:
    """What the events come to."""
    t = events.c
    given = func.sum(t.gives) if behind.is_sum else null()
    row = connection.execute(
        select(func.count(t.customer_id.distinct()), func.sum(t.is_counted), given)
    ).one()
    return Totals(int(row[0]), int(row[1] or 0), float(row[2] or 0))


def sides(connection: Connection, events: Any) -> dict[str, Side]:
    """Each side to what its events come to, by name."""
    t = events.c
    rows = connection.execute(
        select(t.side, func.count(t.customer_id.distinct()), func.count(), func.sum(t.gives))
        .where(t.side.is_not(None))
        .group_by(t.side)
        .order_by(t.side)
    )
    return {side: Side(customers, events, float(given or 0)) for side, customers, events, given in rows}


def places(connection: Connection, events: Any) -> list[Place]:
    """Where they come from, the most events first."""
    t = events.c
    place = (t.connection, t.stream, t.batch, t.file)
    events = func.count().label("events")
    rows = connection.execute(
        select(*place, func.count(t.row.distinct()), events)
        .group_by(*place)
        .order_by(events.desc(), *(each.nulls_last() for each in place))
    )
    return [Place(*row) for row in rows]


def listed(connection: Connection, events: Any, rows: int) -> list[Event]:
    """The first of them, in order of time."""
    t = events.c
    columns = [t[name] for name in Event.__dataclass_fields__]
    found = connection.execute(select(*columns).order_by(t.at, t.record, t.customer_id).limit(rows))
    return [Event(*row) for row in found]
