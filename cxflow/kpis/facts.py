"""What the KPIs count: SELECTs over the canonical tables, one row per event, all of one shape.

Every fact has `at` (when, timestamptz), `channel`, `source` (the connection), `customer_id`, `segment` (the
customer's) and its own measures. Rows that their source has deleted are not there. Conditions and estimators
name a fact's columns with bare `column("…")`, so that one condition fits any fact that has the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    Table,
    and_,
    cast,
    extract,
    literal,
    select,
    union_all,
)

from cxflow.store.tables import customer, touchpoint

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which days' values can change when a row of a table changes: from `before` to `after` its own day."""

    before: float = 0
    """Days before it."""
    after: float = 0
    """Days after it."""
    since_last: Rows | None = None
    """A fact whose newest event is a horizon of the KPI: `before` then counts from the last event that is
    earlier than the changed day, since a first event after a quiet week moves the horizon by that week."""

    @property
    def is_bounded(self) -> bool:
        """Whether the changed day says anything about the days of the values."""
        return math.isfinite(self.before) and math.isfinite(self.after)


SAME_DAY = Reach()
EVERYWHERE = Reach(math.inf, math.inf)
"""For tables whose day says nothing about the day of the value. Those that belong to a counted row (a refund to
its order) need nothing: loads book the change under that row, too."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Events to count, and which tables they come from."""

    rows: Rows
    reach: Mapping[str, Reach]
    """Canonical table to the reach of a change in it."""
    narrowed: Callable[[datetime, datetime], Rows] | None = None
    """The same events, right at least for those of a stretch of time. For rows that come from windows over others:
    there, the database cannot see by itself which of them a stretch needs."""

    def between(self, start: datetime, end: datetime) -> Fact:
        """Only the events of a half-open stretch of time."""
        rows = (self.narrowed(start, end) if self.narrowed else self.rows).subquery()
        return Fact(select(rows).where(rows.c.at >= start, rows.c.at < end), self.reach)

    def where(self, *conditions: ColumnElement[bool]) -> Fact:
        """Only the events for which the conditions hold."""

        def of(rows: Rows) -> Rows:
            return select(rows.subquery()).where(*conditions)

        narrowed = self.narrowed
        return Fact(of(self.rows), self.reach, narrowed and (lambda start, end: of(narrowed(start, end))))

    def reaching(self, reach: Mapping[str, Reach]) -> Fact:
        """The same events, depending on further tables or with another reach."""
        return replace(self, reach={**self.reach, **reach})

    def against(self, base: Fact) -> Fact:
        """These events and those of the base as one fact: `hit` is 1 for these, `base` is 1 for those."""
        sides = (
            select(
                *(rows.c[name] for name in ("at", "channel", "source", "customer_id", "segment")),
                literal(hit).label("hit"),
                literal(1 - hit).label("base"),
            )
            for rows, hit in ((self.rows.subquery(), 1), (base.rows.subquery(), 0))
        )
        return Fact(select(union_all(*sides).subquery()), {**base.reach, **self.reach})


def fact(table: Table, at: ColumnElement[Any] | None = None, **measures: ColumnElement[Any]) -> Fact:
    """The rows of a canonical table as events.

    `at` is the table's event time unless given. The channel, and the customer where the table does not carry
    one itself, come through the touchpoint. A change of a row is booked under each of its times, so that an
    event may be counted under any of them.
    """
    at = table.c[table.info["event_time"]] if at is None else at
    who = table.c.get("customer_id", touchpoint.c.customer_id)
    joined: FromClause = table
    if table is not touchpoint:
        is_its = and_(touchpoint.c.touchpoint_id == table.c.touchpoint_id, ~touchpoint.c.is_deleted)
        joined = joined.outerjoin(touchpoint, is_its)
    rows = (
        select(
            at.label("at"),
            touchpoint.c.channel,
            table.c.source_system.label("source"),
            who.label("customer_id"),
            customer.c.segment,
            *(measure.label(name) for name, measure in measures.items()),
        )
        .select_from(joined.outerjoin(customer, customer.c.customer_id == who))
        .where(~table.c.is_deleted, at.is_not(None))
    )
    return Fact(rows, {table.name: SAME_DAY, touchpoint.name: SAME_DAY})


def newest(rows: Rows) -> ColumnElement[Any]:
    """When the newest of a fact's events was: a scalar. Not `max(at)`, which reads all of them: the first in reverse
    order is found where the newest rows lie."""
    events = rows.subquery()
    return select(events.c.at).order_by(events.c.at.desc()).limit(1).scalar_subquery()


def seconds_between(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
    """Elapsed seconds; null where either time is.

    Not `end - start`: a day of an interval has 23 or 25 hours where the session's time zone changes clocks,
    and DuckDB takes many times as long for it.
    """
    return cast(extract("epoch", end) - extract("epoch", start), Double)
