"""The events behind a value: which there are, and what each is counted with. Estimators declare it for `trace`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, column, literal, select

from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.periods import Period
from cxflow.kpis.slices import OTHER, Slices, published_name
from cxflow.warehouse.columns import TIME
from cxflow.warehouse.customer_tables import BEFORE_ALL

By = tuple[str, str] | None
"""A slice: a dimension and the name under which one of its values is published; None: everything."""

Narrowing = Callable[[Fact, Period, ZoneInfo], Fact]
"""Gives those of a fact's events that belong to a period, whose days begin in the time zone."""
Slicing = Callable[[Fact, By, Slices], Fact]
"""Gives those of a fact's events that belong to a slice."""


def of_period(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of a period."""
    return fact if period.grain == "all" else fact.between(*period.instants(zone))


def of_period_before(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of the period before."""
    return of_period(fact, period.before, zone)


def up_to_period(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of a period, and all before them."""
    return fact if period.grain == "all" else fact.where(column("at", TIME) < period.instants(zone)[1])


def as_period_began(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events, with their customers as they were when a period began; of all time, as they were first."""
    began = BEFORE_ALL if period.grain == "all" else period.instants(zone)[0]
    return fact.with_customers_at(literal(began, TIME))


def of_slice(fact: Fact, by: By, slices: Slices) -> Fact:
    """The events with a value of a dimension or, for `(other)`, with one that has no slice of its own."""
    if by is None:
        return fact
    dimension, wanted = by
    names = slices.get(dimension, ())
    own = [each for each in names if each != OTHER]
    is_shared = wanted == OTHER and OTHER in names
    name = published_name(fact.dimension(dimension)).label("event_slice")

    def sliced(rows: Rows) -> Rows:
        event = select(rows.subquery(), name).subquery()
        found = event.c.event_slice
        return select(event).where(found.not_in(own) if is_shared else found == wanted)

    return fact.derived(sliced)


class Side(NamedTuple):
    """What the events of one side come to."""

    customers: int
    """Different ones; of unknown ones, none."""
    events: int
    """How many there are."""
    given: float
    """The sum of what they are counted with."""


NOBODY = Side(0, 0, 0.0)
"""A side without events."""

Sides = Mapping[str, Side]
"""Side to what its events come to; only sides with events."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The events behind a value, for who looks at them one by one."""

    fact: Fact
    """The events."""
    gives: ColumnElement[Any] | None = None
    """What each is counted with: its part of the numerator, or what is ordered; None: nothing but that it is there."""
    counts: ColumnElement[bool] | None = None
    """Which of them n counts; None: all."""
    is_per_customer: bool = False
    """Whether n counts the customers of the events."""
    is_sum: bool = False
    """Whether the numerator, or without one the value, is the sum of what they give."""
    described: Narrowing | None = None
    """The events with their customers as they were when the period began or ended, if a slice counts them so. Applied
    first."""
    narrowed: Narrowing = of_period
    """Which of them belong to a period. Applied to those of the slice, whose customers alone count there."""
    sliced: Slicing = of_slice
    """Which of them belong to a slice."""
    side: ColumnElement[str] | None = None
    """Where a value compares events with each other: on which side each stands, in words. Over the columns of the
    events of a period. None: there are no sides."""
    comes_to: Callable[[Sides], Mapping[str, float]] | None = None
    """What the sides come to: `numerator`, `denominator` or `value` to the number it must be."""
