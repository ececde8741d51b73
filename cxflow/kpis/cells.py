"""Cuts a fact into cells (one period of one grain, for one slice) and aggregates each, in one SELECT.

A slice is one value of a dimension, or everything (dimension and value are then empty). Events whose dimension is null
belong to no slice of it; they count only in everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from cxflow.kpis.customers_then import then, with_history
from cxflow.kpis.dimensions import text
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.periods import BEGINNING, Grain
from cxflow.kpis.slices import OTHER, Slices, published_name
from cxflow.warehouse.customer_tables import BEFORE_ALL
from cxflow.warehouse.functions import hashed, utc
from cxflow.warehouse.tables import TIME, customer_history

LONGEST = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "quarter": timedelta(days=92),
    "year": timedelta(days=366),
}
"""Grain to the length of its longest period. That long after the start of any period, the next one has begun, but not
the one after it."""

GROUPS = 32
"""Random groups of customers, on days with too many to keep each."""

KEY = ("grain", "period_start", "dimension", "dimension_value")
"""The columns that identify a cell."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How to cut a fact into periods of one grain. One grain at a time: a day's load must not group a year's events by
    day, and the database must not hold the groups of all grains at once."""

    grain: Grain
    """How long the periods are."""
    dimensions: tuple[str, ...]
    """What the events are sliced by, beside the whole."""
    zone: str
    """IANA time zone of the days."""
    starts: tuple[date, ...] | None = None
    """The first days of the periods; None: all periods."""
    spans: tuple[tuple[datetime, datetime], ...] | None = None
    """The half-open time ranges of their events; None: all time."""
    slices: Slices = field(default_factory=dict)
    """For dimensions with too many values, the values with their own slice; the rest is one slice, `(other)`."""
    by_customer: bool = False
    """One row per cell and known customer: `customer`, a hash, after the KEY."""
    crowded: Rows | None = None
    """The days whose customers are dealt to groups, where there is one row per customer: `customer` is then the group's
    number, unless only one customer is in it."""
    kept: FromClause | None = None
    """The stored result of `kept`; None: the events are read from the fact."""

    def of_customers(self, crowded: Rows) -> Cut:
        """The same, with a row for each customer."""
        return replace(self, by_customer=True, crowded=crowded)


def local_day(at: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The local date of an instant in a time zone."""
    return cast(local_time(at, zone), Date)


def local_time(at: ColumnElement[Any], zone: str) -> ColumnElement[datetime]:
    """The local time of an instant in a time zone."""
    return utc(at) if zone == "UTC" else func.timezone(zone, at, type_=DateTime)


def kept(
    fact: Fact,
    cuts: Sequence[Cut],
    per_customer: bool = False,
    measure: ColumnElement[Any] | None = None,
    last: ColumnElement[Any] | None = None,
    columns: Collection[str] = (),
    is_followed: bool = False,
    with_hashes: bool = False,
) -> Rows:
    """The events of several cuts, to store once and read for each. `cells` takes the same arguments; `per_customer`,
    their `customer_id` is a hash. `columns`: those of the fact's own that conditions and aggregates read.
    `with_hashes`: for cuts by customer, each event's customer as a hash, too."""
    event = _events(fact, cuts, per_customer, measure, last, is_followed).subquery()
    stored = [event.c.at, *(event.c[_slice(i)] for i in range(len(cuts[0].dimensions)))]
    stored += [event.c[each.name] for each in fact.own_columns if each.name in columns]
    stored += [event.c[name] for name in ("measure", "last") if name in event.c]
    if per_customer:
        # A hash of the customer is grouped by in half the time.
        stored.append(hashed(event.c.customer_id).label("customer_id"))
    if with_hashes:
        stored.append(hashed(event.c.customer_id).label("customer_hash"))
    if all(cut.grain == "day" for cut in cuts):
        stored.append(_start(cuts[0], event).label("start"))
    elif any(cut.starts is None and cut.grain != "all" for cut in cuts):
        stored.append(local_time(event.c.at, cuts[0].zone).label("local"))
    return select(*stored)


def cells(
    fact: Fact,
    cut: Cut,
    per_customer: bool = False,
    measure: ColumnElement[Any] | None = None,
    last: ColumnElement[Any] | None = None,
    per_measure: bool = False,
    is_followed: bool = False,
    **aggregates: ColumnElement[Any],
) -> Rows:
    """One row per cell with events: its KEY, with the value as the events have it (see `named`), then the aggregates
    over the fact's columns, or over `measure`.

    With `per_customer`, one row per cell and customer, with `customer_id` after the KEY; events without a customer are
    left out. With `per_measure`, one row per cell and value of the measure, with `measure` after the KEY. With `last`,
    the last known day, an event counts in its period (`is_here`) and in the next one (`was_here`), if these began by
    that day. `is_followed`: customers are sliced by what they were when the period began, instead of at each event.
    """
    if cut.kept is None:
        events = _events(fact, (cut,), per_customer, measure, last, is_followed)
    else:
        events = select(cut.kept)
        if cut.spans is not None:
            events = events.where(_within(cut.kept.c.at, cut.spans))
    if cut.by_customer:
        return _by_customer(_dated(events, cut), cut, aggregates)
    dated = _dated(events, cut) if last is None else _followed_up(events, cut)
    if is_followed:
        dated = _as_they_were(dated, cut, fact)
    event = dated.subquery()
    each = [event.c.customer_id] if per_customer else [event.c.measure] if per_measure else []
    return _grouped(event, cut, each, aggregates)


def _by_customer(events: Rows, cut: Cut, aggregates: Mapping[str, ColumnElement[Any]]) -> Rows:
    """The cells of dated events, a row for each customer or group of customers."""
    event = events.where(events.selected_columns.customer_id.is_not(None)).subquery()
    numbered = event
    if "customer_hash" not in event.c:
        numbered = select(event, hashed(event.c.customer_id).label("customer_hash")).subquery()
    group: ColumnElement[int] = numbered.c.customer_hash
    if cut.crowded is not None:
        group = case(
            (numbered.c.start.in_(cut.crowded), numbered.c.customer_hash % GROUPS),
            else_=numbered.c.customer_hash,
        )
    dealt = select(numbered, group.label("customer_group")).subquery()
    ends = {"least": func.min(dealt.c.customer_hash), "most": func.max(dealt.c.customer_hash)}
    cell = _grouped(dealt, cut, [dealt.c.customer_group], {**aggregates, **ends}).subquery()
    customer = case((cell.c.least == cell.c.most, cell.c.least), else_=cell.c.customer_group).label(
        "customer"
    )
    return select(*(cell.c[name] for name in (*KEY, *aggregates)), customer)


def _events(
    fact: Fact,
    cuts: Sequence[Cut],
    per_customer: bool,
    measure: ColumnElement[Any] | None,
    last: ColumnElement[Any] | None,
    is_followed: bool,
) -> Rows:
    """The events of all cuts, each with its slice of every dimension."""
    spans = [span for cut in cuts for span in cut.spans or ()]
    is_bounded = all(cut.spans is not None for cut in cuts)
    if is_bounded:
        fact = fact.between(min(start for start, _ in spans), max(end for _, end in spans))
    if is_followed:
        fact = fact.with_customers_as_now()
    inner = fact.rows.subquery()
    values = (
        _value(fact.dimension(name), cuts[0].slices.get(name)).label(_slice(i))
        for i, name in enumerate(cuts[0].dimensions)
    )
    more = {"measure": measure, "last": last}
    events = select(
        inner,
        *values,
        *(expression.label(name) for name, expression in more.items() if expression is not None),
    )
    if is_bounded:
        events = events.where(_within(inner.c.at, spans))
    return events.where(inner.c.customer_id.is_not(None)) if per_customer else events


def _dated(events: Rows, cut: Cut) -> Rows:
    """The events, each with the `start` of its period."""
    if cut.kept is not None and "start" in cut.kept.c:
        return events
    event = events.subquery()
    if cut.grain == "all":
        start: ColumnElement[Any] = literal(BEGINNING)
    elif cut.starts is not None and len(cut.starts) == 1:
        # All are in this period. Computing the local time would take DuckDB long.
        start = literal(cut.starts[0])
    else:
        start = _start(cut, event)
    return select(event, start.label("start"))


def _followed_up(events: Rows, cut: Cut) -> Rows:
    """Each event twice, in its period and in the next one, if these began by the `last` day."""
    event = events.subquery()
    here = _start(cut, event)
    after = _cut_back(cut.grain, cast(here, DateTime) + LONGEST[cut.grain])

    def copy(start: ColumnElement[Any], is_here: bool) -> Rows:
        is_wanted = start <= event.c.last
        if cut.starts is not None:
            is_wanted = and_(is_wanted, start.in_(cut.starts))
        flags = literal(is_here).label("is_here"), literal(not is_here).label("was_here")
        return select(event, start.label("start"), *flags).where(is_wanted)

    return select(union_all(copy(here, True), copy(after, False)).subquery())


def _as_they_were(events: Rows, cut: Cut, fact: Fact) -> Rows:
    """Dated events, of customers as they were when the period began; of all time, as they were first."""
    slices = {_slice(i): name for i, name in enumerate(cut.dimensions) if name in fact.customers}
    if not slices:
        return events
    event = events.subquery()
    known = customer_history.c.customer_id
    began: ColumnElement[Any] = literal(BEFORE_ALL, TIME)
    if cut.grain != "all":
        began = func.timezone(cut.zone, cast(event.c.start, DateTime), type_=TIME)
    of = known if cut.kept is None else hashed(known)
    was = {
        place: then(_value(text(customer_history.c[name]), cut.slices.get(name)), event.c[place]).label(place)
        for place, name in slices.items()
    }
    others = [each for each in event.c if each.name not in was]
    return select(*others, *was.values()).select_from(with_history(event, event.c.customer_id, began, of))


def _start(cut: Cut, event: FromClause) -> ColumnElement[Any]:
    """The first day of an event's period."""
    return _cut_back(cut.grain, event.c.local if "local" in event.c else local_time(event.c.at, cut.zone))


def _cut_back(grain: Grain, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.date_trunc(grain, moment), Date)


def _grouped(
    event: FromClause,
    cut: Cut,
    per: Sequence[ColumnElement[Any]],
    aggregates: Mapping[str, ColumnElement[Any]],
) -> Rows:
    """The cells of dated events, each `per` further columns."""
    slices = [event.c[_slice(i)] for i in range(len(cut.dimensions))]
    sets = [tuple_(event.c.start, *one, *per) for one in ([], *([each] for each in slices))]
    return (
        select(
            literal(cut.grain).label("grain"),
            event.c.start.label("period_start"),
            _grouped_by(cut.dimensions, slices, "").label("dimension"),
            func.coalesce(*slices, literal("")).label("dimension_value"),
            *per,
            *(aggregate.label(name) for name, aggregate in aggregates.items()),
        )
        .select_from(event)
        .group_by(func.grouping_sets(*sets))
        .having(*(or_(func.grouping(each) == 1, each.is_not(None)) for each in slices))
    )


def _slice(number: int) -> str:
    """The name of a dimension's column in the events."""
    return f"slice_{number}"


def _within(at: ColumnElement[Any], spans: Iterable[tuple[datetime, datetime]]) -> ColumnElement[bool]:
    return or_(*(and_(at >= start, at < end) for start, end in spans))


def cells_of_customers(customers: Rows, **aggregates: ColumnElement[Any]) -> Rows:
    """The second step after `per_customer`: one row per cell, aggregated over its customers."""
    key: list[ColumnElement[Any]] = [column(name) for name in KEY]
    return (
        select(*key, *(aggregate.label(name) for name, aggregate in aggregates.items()))
        .select_from(customers.subquery())
        .group_by(*key)
    )


def named(cells: Rows, cut: Cut) -> Rows:
    """The cells of a cut under the names by which they are published. Cells have their values as they are, because
    `cells` may have a row for each customer of a cell: too many to name."""
    cell = cells.subquery()
    name: ColumnElement[str] = published_name(cell.c.dimension_value)
    if cut.slices:
        name = case((cell.c.dimension.in_(list(cut.slices)), cell.c.dimension_value), else_=name)
    return select(*(name.label(each.name) if each.name == "dimension_value" else each for each in cell.c))


def _value(value: ColumnElement[str], names: Sequence[str] | None) -> ColumnElement[str]:
    """The slice of an event: its value or, if only some values have their own slice, that slice or `(other)`."""
    if names is None:
        return value
    name = published_name(value)
    return case(
        (value.is_(None), null()), (name.in_([each for each in names if each != OTHER]), name), else_=OTHER
    )


def _grouped_by(names: Sequence[str], columns: Sequence[Any], otherwise: str) -> ColumnElement[str]:
    """The name of the column that a row of the grouping sets is grouped by."""
    whens = [(func.grouping(each) == 0, name) for name, each in zip(names, columns, strict=True)]
    return case(*whens, else_=otherwise) if whens else literal(otherwise)
