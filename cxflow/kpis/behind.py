"""The events behind a value: which there are, and what each is counted with. Estimators declare it for `trace`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, column

from cxflow.kpis.facts import Fact
from cxflow.kpis.periods import Period
from cxflow.warehouse.columns import TIME

Narrowing = Callable[[Fact, Period, ZoneInfo], Fact]
"""Gives those of a fact's events that belong to a period, whose days begin in the time zone."""


def of_period(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of a period."""
    return fact if period.grain == "all" else fact.between(*period.instants(zone))


def of_period_before(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of the period before."""
    return of_period(fact, period.before, zone)


def up_to_period(fact: Fact, period: Period, zone: ZoneInfo) -> Fact:
    """The events of a period, and all before them."""
    return fact if period.grain == "all" else fact.where(column("at", TIME) < period.instants(zone)[1])


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
    narrowed: Narrowing = of_period
    """Which of them belong to a period."""
