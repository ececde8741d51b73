"""Facts, the events that KPIs count: SELECTs over the canonical tables, one row per event, with common columns.

Every fact has `at` (timestamptz), `channel`, `source` (the connection), `customer_id`, `segment` (the customer's at
that time), its own measures and its dimensions. Rows deleted at their source are left out. Conditions and estimators
name a fact's columns with bare `column("…")`, so that one condition fits any fact that has the column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    String,
    Table,
    and_,
    cast,
    column,
    extract,
    func,
    literal,
    not_,
    select,
    true,
    union_all,
)

from cxflow.errors import ConfigError
from cxflow.kpis.customers_then import then, with_customers, with_history
from cxflow.kpis.dimensions import SIGNAL, of_table, personal_among, signal_of, text
from cxflow.kpis.horizons import Horizon, HorizonOfAll
from cxflow.warehouse.customer_tables import DESCRIBED
from cxflow.warehouse.tables import customer, customer_history, touchpoint

Rows = Select[*tuple[Any, ...]]
Dimensions = Mapping[str, ColumnElement[Any]]
"""Dimension to an expression."""

FROM_STREAM, FROM_RECORD = "from_stream", "from_record"
"""The columns that say, beside `source`, from which record an event's row was made."""

_DIMENSION = "by_"
"""Begins the names of columns that are nothing but dimensions."""

USUAL: Dimensions = {name: column(name, String) for name in ("channel", "source", "segment")}
"""The dimensions of every fact."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The days whose values can change if a row changes: from `before` to `after` the row's own day."""

    before: float = 0
    """Days before it."""
    after: float = 0
    """Days after it."""
    since_last: Rows | None = None
    """A fact whose newest event is a horizon of the KPI. `before` then counts from the last event before the changed
    day, because a first event after a quiet week moves the horizon by that week."""
    horizon: Horizon | HorizonOfAll | None = None
    """How far sources are known, where the KPI looks ahead in each or in all. If the horizon of one moves, the days
    from `before` its earlier to its later place can change."""
    waiting: Rows | None = None
    """Instead of these days: events with the time that each waits for, `at`, `source` and `until`. The days of those
    whose time lies between the two places can change."""

    @property
    def is_bounded(self) -> bool:
        """Whether the changed day limits the days of the values."""
        return math.isfinite(self.before) and math.isfinite(self.after)


SAME_DAY = Reach()
EVERYWHERE = Reach(math.inf, math.inf)
"""For tables whose day does not limit the day of the value. Child rows of a counted row (a refund of its order) do not
need it: loads note the change under the parent row, too."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the events of a fact."""

    whole: Fact
    condition: ColumnElement[bool]
    """Holds for these, over the columns of the whole's rows."""
    rows: Rows
    """The same events, as a SELECT."""

    def describes(self, fact: Fact) -> bool:
        """Whether a fact is still this part, with nothing of it replaced."""
        return fact.rows is self.rows and fact.dimensions is self.whole.dimensions


@dataclass(frozen=True, slots=True)
class Fact:
    """Events to count, and the tables they come from."""

    rows: Rows
    reach: Mapping[str, Reach]
    """Canonical table to the reach of a change in it."""
    narrowed: Callable[[datetime, datetime], Rows] | None = None
    """The same events, correct at least for a time range (start, end). For rows from window functions over other rows:
    the database cannot tell which of these a time range needs."""
    among: Rows | None = None
    """Those other rows, where there is `narrowed`: how many there are on a day says how much is read for it."""
    dimensions: Dimensions = field(default_factory=lambda: USUAL)
    """Dimension to an expression over the columns of `rows`. The expression of `signal.` is the touchpoint's id, and
    stands for every signal of it."""
    customers: Dimensions = field(default_factory=dict)
    """Of the dimensions, those that say what the customer was at the event; each to what the customer is now."""
    table: str = ""
    """The canonical table whose rows the events are, if there is one."""
    shared: Rows | None = None
    """What its rows and those that it leaves out are all made of, if computing that takes long."""
    followed_days: float = 0
    """Days after an event until all is known that it counts for, where `reach` does not say so."""
    left_out: Mapping[str, Fact] = field(default_factory=dict)
    """Reason to the events that belong here and cannot be counted for it; each event has one reason."""
    part: Part | None = None
    """What `where` and `needing` chose of another fact; None: this is none, or it was changed since."""

    @property
    def whole(self) -> Fact:
        """The fact of which these events are some; itself if it is no part of another. Facts with the same whole can
        be counted from one reading of it: see `condition`."""
        return self.part.whole if self.part is not None and self.part.describes(self) else self

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which events of `whole` these are."""
        return true() if self.whole is self or self.part is None else self.part.condition

    def dimension(self, name: str) -> ColumnElement[str]:
        """The value of a dimension as text, over the columns of `rows`. Raises KeyError if it is not offered."""
        if name not in self.dimensions and name.startswith(SIGNAL):
            return signal_of(self.dimensions[SIGNAL], name.removeprefix(SIGNAL))
        return text(self.dimensions[name])

    @property
    def looks_around(self) -> bool:
        """Whether an event's row depends on other events: to find it takes long."""
        return self.narrowed is not None

    @property
    def own_columns(self) -> list[ColumnElement[Any]]:
        """The columns of `rows` that conditions and measures may name, beside `at`."""
        others = ("at", FROM_STREAM, FROM_RECORD)
        columns = self.rows.selected_columns
        return [each for each in columns if each.name not in others and not each.name.startswith(_DIMENSION)]

    def between(self, start: datetime, end: datetime) -> Fact:
        """Only the events of a half-open time range."""
        rows = (self.narrowed(start, end) if self.narrowed else self.rows).subquery()
        return replace(
            self, rows=select(rows).where(rows.c.at >= start, rows.c.at < end), narrowed=None, among=None
        )

    def where(self, *conditions: ColumnElement[bool]) -> Fact:
        """Only the events for which the conditions hold. The others are none of those that it is about; if they are,
        and cannot be counted, use `needing`."""
        left_out = {reason: left.where(*conditions) for reason, left in self.left_out.items()}
        return replace(self._chosen(and_(true(), *conditions)), left_out=left_out)

    def needing(self, reason: str, condition: ColumnElement[bool]) -> Fact:
        """Only the events for which the condition holds. The others are counted as left out, for this reason: a few
        words such as `without a value`. Raises ConfigError if the fact has that reason already."""
        if reason in self.left_out:
            raise ConfigError(f"a fact leaves events out twice for {reason!r}", value=reason)
        holds = func.coalesce(condition, False)
        left = replace(self._chosen(not_(holds)), left_out={})
        return replace(self._chosen(holds), left_out={**self.left_out, reason: left})

    def _chosen(self, condition: ColumnElement[bool]) -> Fact:
        """The events for which a condition holds."""
        # Of the whole at once: a query within a query for each condition would be planned for each of them.
        whole, holds = self.whole, and_(self.condition, condition)
        chosen = whole._changed(lambda rows: select(rows.subquery()).where(holds))
        part = Part(whole, holds, chosen.rows)
        return replace(self, rows=chosen.rows, narrowed=chosen.narrowed, part=part)

    def derived(self, change: Callable[[Rows], Rows]) -> Fact:
        """These events after a change of their query that keeps all columns: it may drop events or add columns. It must
        treat each event by itself; if it looks at other events, set `narrowed` to say which ones a range needs."""
        left_out = {reason: left.derived(change) for reason, left in self.left_out.items()}
        return replace(self._changed(change), left_out=left_out)

    def widened(self, change: Callable[[Rows], Rows]) -> Fact:
        """As `derived`, for a change that only adds columns: the events that are left out do without them."""
        return self._changed(change)

    def _changed(self, change: Callable[[Rows], Rows]) -> Fact:
        """As `derived`, without the events that are left out."""
        narrowed = self.narrowed
        return replace(
            self,
            rows=change(self.rows),
            narrowed=narrowed and (lambda start, end: change(narrowed(start, end))),
            part=None,
        )

    def with_customers_as_now(self) -> Fact:
        """The same events, sliced by what their customers are now."""
        return replace(self, dimensions={**self.dimensions, **self.customers})

    def with_customers_at(
        self, at: ColumnElement[Any], of: ColumnElement[Any] = customer_history.c.customer_id
    ) -> Fact:
        """The same events, sliced by what their customers were at a time: an expression over the columns of `rows`.
        `of`: what `customer_id` is there of a customer's id, if it is not the id."""

        def change(rows: Rows) -> Rows:
            event = rows.subquery()
            told = {
                _label(name): then(customer_history.c[name], event.c[_now(name)]) for name in self.customers
            }
            kept = [each for each in event.c if each.name not in told]
            joined = with_history(event, event.c.customer_id, at, of)
            return select(*kept, *(each.label(name) for name, each in told.items())).select_from(joined)

        return self.derived(change)

    def reaching(self, reach: Mapping[str, Reach]) -> Fact:
        """The same events, depending on further tables or with a different reach."""
        return replace(self, reach={**self.reach, **reach})

    def against(self, base: Fact) -> Fact:
        """These events and those of the base as one fact: `hit` is 1 for these, `base` is 1 for those. Its dimensions
        are those that both have."""
        common = [name for name in self.dimensions if name in base.dimensions and name != SIGNAL]
        both_have = self.rows.selected_columns, base.rows.selected_columns
        traced = [
            name
            for name in ("source", FROM_STREAM, FROM_RECORD)
            if all(name in each for each in both_have) and name not in common
        ]

        def both(hits: Fact, bases: Fact) -> Rows:
            sides: Iterable[Rows] = (
                select(
                    *(column(name) for name in ("at", "customer_id", *traced)),
                    *(of.dimension(name).label(_label(name)) for name in common),
                    literal(hit).label("hit"),
                    literal(1 - hit).label("base"),
                ).select_from(of.rows.subquery())
                for of, hit in ((hits, 1), (bases, 0))
            )
            return select(union_all(*sides).subquery())

        return Fact(
            both(self, base),
            {**base.reach, **self.reach},
            (lambda start, end: both(self.between(start, end), base.between(start, end)))
            if self.looks_around or base.looks_around
            else None,
            followed_days=max(base.followed_days, self.followed_days),
            dimensions={name: column(_label(name), String) for name in common},
        )


def fact(
    table: Table,
    at: ColumnElement[Any] | None = None,
    dimensions: Dimensions | None = None,
    **measures: ColumnElement[Any],
) -> Fact:
    """The rows of a canonical table as events.

    `at` defaults to the table's event time. The channel comes from the touchpoint, and so does the customer if the
    table has none. A change of a row is noted under each of its times, so events may be counted by any of them.

    The events may be sliced by text and boolean columns of the table, its touchpoint and its customer, by the signals
    of the touchpoint, and by the given `dimensions`: name to an expression over the columns of these tables. Raises
    ConfigError for an invalid name, for a dimension that derives from personal data, and for a table without touchpoint
    or, unless `at` is given, without a time.
    """
    if "touchpoint_id" not in table.c:
        raise ConfigError(
            f"the rows of {table.name} are not events: they have no touchpoint",
            value=table.name,
            fix="count the rows they belong to, and ask about them in a measure or a dimension",
        )
    if at is None and table.info["event_time"] is None:
        raise ConfigError(
            f"the rows of {table.name} have no time",
            value=table.name,
            fix="give one: at=touchpoint.c.occurred_at",
        )
    at = table.c[table.info["event_time"]] if at is None else at
    who = table.c.get("customer_id", touchpoint.c.customer_id)
    joined: FromClause = table
    if table is not touchpoint:
        is_its = and_(touchpoint.c.touchpoint_id == table.c.touchpoint_id, ~touchpoint.c.is_deleted)
        joined = joined.outerjoin(touchpoint, is_its)
    joined, was = with_customers(joined, who, at)
    offered = {name: found for name, found in was.items() if name not in USUAL}
    for each in (touchpoint, table):
        offered |= {name: found for name, found in of_table(each).items() if name not in USUAL}
    offered |= _declared(dimensions or {})
    rows = (
        select(
            at.label("at"),
            touchpoint.c.channel,
            table.c.source_system.label("source"),
            who.label("customer_id"),
            was["segment"].label("segment"),
            *customers_now(),
            *origin(table),
            *(measure.label(name) for name, measure in measures.items()),
            *(found.label(f"{_DIMENSION}{name}") for name, found in offered.items()),
            touchpoint.c.touchpoint_id.label(f"{_DIMENSION}signal"),
        )
        .select_from(joined)
        .where(~table.c.is_deleted, at.is_not(None))
    )
    sliced = {name: column(f"{_DIMENSION}{name}", found.type) for name, found in offered.items()}
    return Fact(
        rows,
        {table.name: SAME_DAY, touchpoint.name: SAME_DAY},
        dimensions={**USUAL, **sliced, SIGNAL: column(f"{_DIMENSION}signal", String)},
        customers=CUSTOMERS_NOW,
        table=table.name,
    )


def customers_now() -> Iterable[ColumnElement[Any]]:
    """The columns of a fact over `with_customers` that say what the customer is now."""
    return (customer.c[name].label(_now(name)) for name in DESCRIBED)


def origin(table: Table) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """The columns FROM_STREAM and FROM_RECORD of the events that are the rows of a canonical table."""
    return table.c.source_object.label(FROM_STREAM), table.c.source_record_id.label(FROM_RECORD)


def _now(dimension: str) -> str:
    return f"{_DIMENSION}{dimension}_now"


CUSTOMERS_NOW: Dimensions = {name: column(_now(name), customer.c[name].type) for name in DESCRIBED}
"""What customers are now, of a fact with the columns `customers_now`."""


def _label(dimension: str) -> str:
    """The column of a dimension. Only the usual ones keep their name, for conditions; the others get a prefix, because
    a measure may have the same name."""
    return dimension if dimension in USUAL else f"{_DIMENSION}{dimension}"


def _declared(dimensions: Dimensions) -> Dimensions:
    for name in dimensions:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ConfigError(
                f"{name!r} is not a valid name for a dimension",
                value=name,
                fix="use snake_case: letters, digits, _",
            )
    for name, found in personal_among(dimensions, select(*dimensions.values())) if dimensions else ():
        raise ConfigError(
            f"the dimension {name!r} derives from {found.table.name}.{found.name}, which is personal data",
            value=name,
            fix="slice by a column that is not personal data",
        )
    return dimensions


def newest(rows: Rows) -> ColumnElement[Any]:
    """The time of a fact's newest event, as a scalar subquery. Not `max(at)`, which reads all events: the first in
    descending order is found where the newest rows are stored."""
    events = rows.subquery()
    return select(events.c.at).order_by(events.c.at.desc()).limit(1).scalar_subquery()


def epoch(at: ColumnElement[Any]) -> ColumnElement[float]:
    """An instant in seconds since 1970: databases differ in what they may add to a time."""
    return cast(extract("epoch", at), Double)


def seconds_between(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
    """Elapsed seconds; null if either time is null.

    Not `end - start`: a day of an interval has 23 or 25 hours when the session's time zone changes clocks, and DuckDB
    takes many times as long for it.
    """
    return cast(extract("epoch", end) - extract("epoch", start), Double)
