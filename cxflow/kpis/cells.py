"""Cuts a fact into cells (one period of one grain, for one slice) and aggregates each: one SELECT for all.

A slice is one value of a dimension, or everything (dimension and value are then empty). Events whose
dimension is null belong to no slice of it, but to everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.periods import BEGINNING, Grain
from cxflow.kpis.slices import OTHER, Slices, published_name
from cxflow.warehouse.dialect import utc

_LONGEST = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "quarter": timedelta(days=92),
    "year": timedelta(days=366),
}
"""Grain to its longest period: that much after the beginning of any, the next one has begun and no other."""

KEY = ("grain", "period_start", "dimension", "dimension_value")
"""The columns that name a cell."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How to cut: periods of one grain. Each grain by itself, for a day's load must not group a year's events by day,
    nor a database hold the groups of all grains at once."""

    grain: Grain
    """How long the periods are."""
    dimensions: tuple[str, ...]
    """What the events are sliced by, beside the whole."""
    zone: str
    """IANA name of the zone in which days begin."""
    starts: tuple[date, ...] | None = None
    """The first days of the periods; None: all there are."""
    spans: tuple[tuple[datetime, datetime], ...] | None = None
    """The half-open stretches of time in which their events are; None: all time."""
    slices: Slices = field(default_factory=dict)
    """Of dimensions with too many values, those that keep their name; the rest is one slice, `(other)`."""
    kept: FromClause | None = None
    """What `kept` gave, stored; None: the events are read from the fact."""


def local_day(at: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The date of an instant in a zone."""
    return cast(_local(at, zone), Date)


def _local(at: ColumnElement[Any], zone: str) -> ColumnElement[datetime]:
    """The wall clock of a zone at an instant."""
    return utc(at) if zone == "UTC" else func.timezone(zone, at, type_=DateTime)


def kept(
    fact: Fact,
    cuts: Sequence[Cut],
    per_customer: bool = False,
    measure: ColumnElement[Any] | None = None,
    last: ColumnElement[Any] | None = None,
) -> Rows:
    """The events of several cuts, to be stored and read by each of them: what `cells` needs, given the same."""
    event = _events(fact, cuts, per_customer, measure, last).subquery()
    columns = [event.c.at, *(event.c[_slice(i)] for i in range(len(cuts[0].dimensions)))]
    columns += [event.c[name] for name in ("measure", "last") if name in event.c]
    if per_customer:
        columns.append(event.c.customer_id)
    if any(cut.starts is None and cut.grain != "all" for cut in cuts):
        columns.append(_local(event.c.at, cuts[0].zone).label("local"))
    return select(*columns)


def cells(
    fact: Fact,
    cut: Cut,
    per_customer: bool = False,
    measure: ColumnElement[Any] | None = None,
    last: ColumnElement[Any] | None = None,
    **aggregates: ColumnElement[Any],
) -> Rows:
    """A row per cell that has events: its KEY, then the aggregates over the fact's columns, or over `measure`.

    With `per_customer`, a row per cell and customer, `customer_id` after the KEY; events without one are left out. With
    `last`, the last day that is known, an event counts in its period (`is_here`) and in the one after that
    (`was_here`), as far as those have begun.
    """
    if cut.kept is None:
        events = _events(fact, (cut,), per_customer, measure, last)
    else:
        events = select(cut.kept)
        if cut.spans is not None:
            events = events.where(_within(cut.kept.c.at, cut.spans))
    dated = _dated(events, cut) if last is None else _followed_up(events, cut)
    return _grouped(dated.subquery(), cut, per_customer, aggregates)


def _events(
    fact: Fact,
    cuts: Sequence[Cut],
    per_customer: bool,
    measure: ColumnElement[Any] | None,
    last: ColumnElement[Any] | None,
) -> Rows:
    """The events of all cuts, each with its slice of every dimension."""
    spans = [span for cut in cuts for span in cut.spans or ()]
    is_bounded = all(cut.spans is not None for cut in cuts)
    if is_bounded:
        fact = fact.between(min(start for start, _ in spans), max(end for _, end in spans))
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
    event = events.subquery()
    if cut.grain == "all":
        start: ColumnElement[Any] = literal(BEGINNING)
    elif cut.starts is not None and len(cut.starts) == 1:
        # They are all in this one: what the local clock said takes DuckDB long to find out.
        start = literal(cut.starts[0])
    else:
        start = _start(cut, event)
    return select(event, start.label("start"))


def _followed_up(events: Rows, cut: Cut) -> Rows:
    """The events twice: with their period, and with the one after it, as far as those began by the `last` day."""
    event = events.subquery()
    here = _start(cut, event)
    after = _cut_back(cut.grain, cast(here, DateTime) + _LONGEST[cut.grain])

    def copy(start: ColumnElement[Any], is_here: bool) -> Rows:
        is_wanted = start <= event.c.last
        if cut.starts is not None:
            is_wanted = and_(is_wanted, start.in_(cut.starts))
        flags = literal(is_here).label("is_here"), literal(not is_here).label("was_here")
        return select(event, start.label("start"), *flags).where(is_wanted)

    return select(union_all(copy(here, True), copy(after, False)).subquery())


def _start(cut: Cut, event: FromClause) -> ColumnElement[Any]:
    """The first day of the period that an event is in."""
    return _cut_back(cut.grain, event.c.local if "local" in event.c else _local(event.c.at, cut.zone))


def _cut_back(grain: Grain, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.date_trunc(grain, moment), Date)


def _grouped(
    event: FromClause, cut: Cut, per_customer: bool, aggregates: Mapping[str, ColumnElement[Any]]
) -> Rows:
    """The cells of dated events."""
    person = [event.c.customer_id] if per_customer else []
    slices = [event.c[_slice(i)] for i in range(len(cut.dimensions))]
    names = [
        each if name in cut.slices else published_name(each)
        for name, each in zip(cut.dimensions, slices, strict=True)
    ]
    sets = [tuple_(event.c.start, *one, *person) for one in ([], *([each] for each in slices))]
    return (
        select(
            literal(cut.grain).label("grain"),
            event.c.start.label("period_start"),
            _grouped_by(cut.dimensions, slices, "").label("dimension"),
            func.coalesce(*names, literal("")).label("dimension_value"),
            *person,
            *(aggregate.label(name) for name, aggregate in aggregates.items()),
        )
        .select_from(event)
        .group_by(func.grouping_sets(*sets))
        .having(*(or_(func.grouping(each) == 1, each.is_not(None)) for each in slices))
    )


def _slice(number: int) -> str:
    """What the column of a dimension is called among the events."""
    return f"slice_{number}"


def _within(at: ColumnElement[Any], spans: Iterable[tuple[datetime, datetime]]) -> ColumnElement[bool]:
    return or_(*(and_(at >= start, at < end) for start, end in spans))


def cells_of_customers(customers: Rows, **aggregates: ColumnElement[Any]) -> Rows:
    """The second step after `per_customer`: a row per cell, aggregated over its customers."""
    key: list[ColumnElement[Any]] = [column(name) for name in KEY]
    return (
        select(*key, *(aggregate.label(name) for name, aggregate in aggregates.items()))
        .select_from(customers.subquery())
        .group_by(*key)
    )


def _value(value: ColumnElement[str], names: Sequence[str] | None) -> ColumnElement[str]:
    """The slice of an event: the value itself or, where only some values keep their name, that name or `(other)`."""
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
