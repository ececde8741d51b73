"""The algebra of the KPIs: from a fact to a value with its 95 % interval.

An estimator says two things, and is the only place that says them: which components the database aggregates
for each cell (SQL), and how value and interval follow from them (numpy, over all cells at once).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Integer,
    case,
    cast,
    column,
    func,
    literal,
    select,
)

from cxflow.kpis import intervals
from cxflow.kpis.cells import KEY, Cut, cells, cells_of_customers, local_day
from cxflow.kpis.facts import Fact, Reach, Rows, newest
from cxflow.kpis.intervals import Array

Components = Mapping[str, Array]
"""Component to its values, an element per cell."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Values of many cells; NaN where there is none."""

    n: Array
    """Observations."""
    numerator: Array
    denominator: Array
    """Additive components: summed over cells, they give the value of the whole. NaN for quantiles."""
    squared_deviation: Array
    """Squared distances of the observations from their mean, summed. NaN where the interval needs none."""
    value: Array
    low: Array
    high: Array
    """The ends of the 95 % interval."""


class Estimator(ABC):
    """How a KPI is measured."""

    method: ClassVar[str]
    """How the interval is computed, for `kpi_definition`."""
    looks_back: ClassVar[bool] = False
    """Whether a period's value also needs the events of the period before it."""

    @property
    @abstractmethod
    def reach(self) -> Mapping[str, Reach]:
        """Canonical table to the reach of a change in it."""

    @abstractmethod
    def cells(self, cut: Cut) -> Rows:
        """One row per cell: its KEY and its components."""

    @abstractmethod
    def estimate(self, components: Components) -> Estimate:
        """Values and intervals from the components."""


class Additive(Estimator):
    """Measured by sums over events, so that what holds for some days follows from each of them.

    Its components are `n`, `numerator` (a sum over the events) and, where the interval needs it,
    `squared_deviation`; they are what is published, and what `days.summed` adds up.
    """


@dataclass(frozen=True)
class _OfFact(Estimator):
    of: Fact

    @property
    def reach(self) -> Mapping[str, Reach]:
        return self.of.reach


@dataclass(frozen=True)
class Share(_OfFact, Additive):
    """Events for which `where` holds ÷ events: 0 to 1."""

    where: ColumnElement[bool]
    method = "Wilson score"

    def cells(self, cut: Cut) -> Rows:
        return cells(self.of, cut, n=func.count(), numerator=func.count().filter(self.where))

    def estimate(self, components: Components) -> Estimate:
        return _share(components)


@dataclass(frozen=True)
class Net(_OfFact, Additive):
    """100 × (share of `plus` − share of `minus`): −100 to 100."""

    plus: ColumnElement[bool]
    minus: ColumnElement[bool]
    method = "normal, with the variance of a ternary variable; percentile bootstrap under n = 30"

    def cells(self, cut: Cut) -> Rows:
        sign = cast(case((self.plus, 1), (self.minus, -1), else_=0), Double)
        return cells(self.of, cut, n=func.count(), numerator=func.sum(sign), squared_deviation=_spread(sign))

    def estimate(self, components: Components) -> Estimate:
        n, net, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        # Of −1, 0 and 1, the squares count those that are not 0.
        either = np.rint(spread + net * net / n)
        low, high = intervals.net((either + net) / 2, (either - net) / 2, n)
        return Estimate(n, net, n, spread, 100 * net / n, 100 * low, 100 * high)


@dataclass(frozen=True)
class Mean(_OfFact, Additive):
    """The mean of a measure, in its own unit; events without it do not count."""

    measure: ColumnElement[Any]
    method = "Student's t"

    def cells(self, cut: Cut) -> Rows:
        measure = cast(self.measure, Double)
        known = self.of.where(self.measure.is_not(None))
        total, spread = func.sum(measure), _spread(measure)
        return cells(known, cut, n=func.count(), numerator=total, squared_deviation=spread)

    def estimate(self, components: Components) -> Estimate:
        n, total, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        variance = spread / np.where(n > 1, n - 1, np.nan)
        low, high = intervals.student(total / n, variance, n)
        return Estimate(n, total, n, spread, total / n, low, high)


@dataclass(frozen=True)
class Rate(Additive):
    """`times` × events ÷ events of another fact, `per`, of which n counts; none where `per` has none."""

    of: Fact
    per: Fact
    times: float = 100
    method = "Garwood's exact Poisson, of the numerator"

    @property
    def reach(self) -> Mapping[str, Reach]:
        return self.of.against(self.per).reach

    def cells(self, cut: Cut) -> Rows:
        hits, n = func.sum(column("hit", Integer)), func.sum(column("base", Integer))
        return cells(self.of.against(self.per), cut, n=n, numerator=hits)

    def estimate(self, components: Components) -> Estimate:
        hits, n = components["numerator"], components["n"]
        scale = self.times / np.where(n > 0, n, np.nan)
        low, high = intervals.garwood(hits)
        return Estimate(n, hits, n, _none(n), hits * scale, low * scale, high * scale)


@dataclass(frozen=True)
class Quantile(_OfFact):
    """The q-quantile of a measure, interpolated between the two nearest; events without it do not count.

    Its interval runs between two ordered observations, whose ranks come from the binomial: exactly up to
    1,000 observations, above that from its normal approximation, rounded outwards (at most one rank wider).
    An end is null where the observations are too few to bound that side.
    """

    measure: ColumnElement[Any]
    q: float
    method = "order statistics, ranks from the binomial"

    def cells(self, cut: Cut) -> Rows:
        measure = cast(self.measure, Double)
        known = self.of.where(self.measure.is_not(None))
        ordered = func.array_agg(measure, type_=ARRAY(Double)).aggregate_order_by(measure)
        value = func.percentile_cont(literal(self.q, literal_execute=True)).within_group(measure)
        cell = cells(known, cut, n=func.count(), value=value, ordered=ordered).subquery()

        low, high = intervals.tabulated_ranks(self.q)
        ranks = select(
            literal(low, ARRAY(Integer)).label("low"), literal(high, ARRAY(Integer)).label("high")
        ).subquery()
        n = cell.c.n
        row = func.least(n, intervals.EXACT_RANKS)
        middle, spread = n * self.q, intervals.Z * func.sqrt(n * self.q * (1 - self.q))
        many = n > intervals.EXACT_RANKS
        first = case((many, cast(func.ceil(middle - spread), Integer) - 1), else_=ranks.c.low[row])
        last = case((many, cast(func.ceil(middle + spread), Integer) + 1), else_=ranks.c.high[row])
        return select(
            *(cell.c[name] for name in KEY),
            n,
            cell.c.value,
            cell.c.ordered[first].label("low"),
            cell.c.ordered[last].label("high"),
        ).join_from(cell, ranks, literal(True))

    def estimate(self, components: Components) -> Estimate:
        none = _none(components["n"])
        low, high = components["low"], components["high"]
        return Estimate(components["n"], none, none, none, components["value"], low, high)


@dataclass(frozen=True)
class RepeatShare(_OfFact):
    """Customers with at least `times` events in the period ÷ customers with any (n): 0 to 1."""

    times: int = 2
    method = "Wilson score"

    def cells(self, cut: Cut) -> Rows:
        customers = cells(self.of, cut, per_customer=True, events=func.count())
        often = func.count().filter(column("events") >= self.times)
        return cells_of_customers(customers, n=func.count(), numerator=often)

    def estimate(self, components: Components) -> Estimate:
        return _share(components)


@dataclass(frozen=True)
class Retained(_OfFact):
    """Customers with an event in the period before and in this one ÷ customers with one before (n): 0 to 1.

    For weeks and months. A period after the fact's newest event has no value: it has not happened yet.
    """

    method = "Wilson score"
    looks_back = True

    @property
    def reach(self) -> Mapping[str, Reach]:
        rows = self.of.where(column("customer_id").is_not(None)).rows
        return {
            table: Reach(reach.before, reach.after, since_last=rows) for table, reach in self.of.reach.items()
        }

    def cells(self, cut: Cut) -> Rows:
        active = cells(self.of, cut, per_customer=True).subquery()
        same = [active.c[name] for name in ("grain", "dimension", "dimension_value", "customer_id")]
        again = func.lead(active.c.period_start).over(partition_by=same, order_by=active.c.period_start)
        before = select(
            active, again.label("again"), _next_period(active.c.grain, active.c.period_start).label("next")
        )
        customer = before.subquery()
        horizon = local_day(newest(self.of.where(column("customer_id").is_not(None)).rows), cut.zone)
        judged = select(
            customer.c.grain,
            customer.c.next.label("period_start"),
            customer.c.dimension,
            customer.c.dimension_value,
            func.coalesce(customer.c.again == customer.c.next, False).label("returned"),
        ).where(customer.c.next <= horizon)
        return cells_of_customers(
            judged, n=func.count(), numerator=func.count().filter(column("returned", Boolean))
        )

    def estimate(self, components: Components) -> Estimate:
        return _share(components)


def _share(components: Components) -> Estimate:
    n, hits = components["n"], components["numerator"]
    low, high = intervals.wilson(hits, n)
    return Estimate(n, hits, n, _none(n), hits / n, low, high)


def _spread(measure: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of the squared distances from the mean. From the database's variance: the difference of a sum of squares
    and a square would lose large means with a small spread."""
    return func.var_pop(measure) * func.count()


def _none(like: Array) -> Array:
    return np.full_like(like, np.nan)


def _next_period(grain: ColumnElement[Any], start: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first day of the next week or month; 31 days after the first of a month lie in the next one."""
    moment = cast(start, DateTime)
    month = func.date_trunc("month", moment + timedelta(days=31))
    return cast(case((grain == "week", moment + timedelta(days=7)), else_=month), Date)
