"""Estimators: from a fact to a value with its 95 % interval.

An estimator is the only place that defines which components the database aggregates for each cell (SQL), and how value
and interval follow from them (numpy, over all cells at once).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import ColumnElement, Double, Integer, case, cast, column, func, select

from cxflow.errors import ConfigError
from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind, as_period_began
from cxflow.kpis.cells import Cut, cells, cells_of_customers, kept, named
from cxflow.kpis.clusters import Clusters
from cxflow.kpis.facts import Fact, Reach, Rows
from cxflow.kpis.intervals import Array, Notes

NO_VALUE, NO_CUSTOMER = "without a value", "without a customer"
"""Why estimators leave events out."""

Components = Mapping[str, Array]
"""Component to its values, one element per cell."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Values of many cells, one element per cell; NaN for no value."""

    n: Array
    """Observations."""
    numerator: Array
    """Additive, like the denominator: summed over cells, they give the value of the whole. NaN for quantiles."""
    denominator: Array
    """What the value divides by. NaN for quantiles."""
    squared_deviation: Array
    """Sum of squared deviations of the observations from their mean. NaN if the interval does not need it."""
    cubed_deviation: Array
    """The same of their cubes."""
    value: Array
    """In the unit of the KPI."""
    low: Array
    """The lower end of the 95 % interval."""
    high: Array
    """The upper end."""
    notes: Notes | None = None
    """For each cell, why its value has no interval, in a few words, or None; None: no cell has a note."""
    clusters: Clusters | None = None
    """The customers of the observations; None: nobody counted them."""
    effect: Array | None = None
    """The design effect of several observations of one customer; None: it is not known."""


class Estimator(ABC):
    """How a KPI is measured."""

    looks_back: ClassVar[bool] = False
    """Whether a period's value also needs the events of the previous period."""
    factor: float = 1
    """The value is this × numerator ÷ denominator, where it has both."""
    divides: ClassVar[bool] = True
    """Whether the value has a denominator; else it is the numerator."""
    indivisible: str = "how it follows from its slices is not declared"
    """Why the value of the whole does not follow from the numerators and denominators of its slices; empty: it does."""

    @property
    def behind(self) -> Behind | None:
        """The events behind a value; None: they cannot be listed one by one."""
        return None

    @property
    @abstractmethod
    def method(self) -> str:
        """How the interval is computed, for `kpi_definition`. If this text changes, all periods are recomputed."""

    @property
    @abstractmethod
    def reach(self) -> Mapping[str, Reach]:
        """Canonical table to the reach of a change in it."""

    @property
    def family(self) -> Hashable:
        """Equal for estimators that have the same cells for the same cut, while both exist; None: shared with none."""
        return None

    @property
    @abstractmethod
    def sliced(self) -> Fact:
        """The fact whose dimensions it may be sliced by."""

    @property
    def left_out(self) -> Mapping[str, Fact]:
        """Reason to the events that it leaves out for it."""
        return {}

    @property
    def look_ahead(self) -> timedelta:
        """How long after its period a value may change because of what follows its events."""
        before = (reach.before for reach in self.reach.values() if reach.is_bounded)
        return timedelta(days=max([self.sliced.followed_days, *before]))

    @property
    def tables(self) -> tuple[str, ...]:
        """The canonical tables without whose rows it has no events, as far as they are known."""
        return tuple(filter(None, (self.sliced.table,)))

    @abstractmethod
    def cells(self, cut: Cut) -> Rows:
        """One row per cell: its KEY, with the value as the events have it, and its components."""

    def kept(self, cuts: Sequence[Cut]) -> Rows | None:  # noqa: ARG002 - used by subclasses
        """The events of several cuts, for `Cut.kept`; None if each cut reads its own."""
        return None

    def sizes(self, cut: Cut) -> Rows:
        """The size of each slice of a cut of all periods: `dimension`, `dimension_value` and `n` over all time."""
        cell = named(self.cells(replace(cut, grain="all")), cut).subquery()
        return select(cell.c.dimension, cell.c.dimension_value, cell.c.n).where(cell.c.dimension != "")

    @abstractmethod
    def estimate(self, components: Components) -> Estimate:
        """Values and intervals from the components."""


class Additive(Estimator):
    """Measured by sums over events, so that the value of several days follows from their components.

    The components are `n`, `numerator` (a sum over the events) and, if the interval needs them, `squared_deviation` and
    `cubed_deviation`. They are published, and `days.summed` adds them up, with what `Clusters` needs.
    """

    over_customers: ClassVar[bool] = True
    """Whether the interval needs to know which events are of one customer."""
    indivisible = ""

    @property
    def counted(self) -> Fact:
        """The events whose columns `cells` aggregates."""
        return self.sliced


EXACT = "exact binomial"
OF_CUSTOMERS = "it counts customers, and one customer may be in several slices"
"""Why a value of customers does not follow from its slices."""
_OVER_CUSTOMERS = ", over customers"


@dataclass(frozen=True)
class OfFact(Estimator):
    """An estimator of one fact."""

    of: Fact
    """The events."""

    @property
    def reach(self) -> Mapping[str, Reach]:
        return self.of.reach

    @property
    def sliced(self) -> Fact:
        return self.of

    @property
    def counted(self) -> Fact:
        """The events that it counts."""
        return self.of

    @property
    def left_out(self) -> Mapping[str, Fact]:
        return self.counted.left_out


@dataclass(frozen=True)
class Share(OfFact, Additive):
    """Events for which `where` holds ÷ events: 0 to 1."""

    where: ColumnElement[bool]
    method = EXACT + _OVER_CUSTOMERS

    @property
    def behind(self) -> Behind:
        return Behind(self.of, case((self.where, 1), else_=0), is_sum=True)

    def cells(self, cut: Cut) -> Rows:
        return cells(self.of, cut, n=func.count(), numerator=func.count().filter(self.where))

    def estimate(self, components: Components) -> Estimate:
        return share_of(components)


@dataclass(frozen=True)
class Net(OfFact, Additive):
    """100 × (share of `plus` − share of `minus`): −100 to 100."""

    plus: ColumnElement[bool]
    minus: ColumnElement[bool]
    method = "MOVER of the exact binomial intervals of the two shares" + _OVER_CUSTOMERS
    factor = 100

    @property
    def behind(self) -> Behind:
        return Behind(self.of, self._sign, is_sum=True)

    @property
    def _sign(self) -> ColumnElement[int]:
        return case((self.plus, 1), (self.minus, -1), else_=0)

    def cells(self, cut: Cut) -> Rows:
        sign = cast(self._sign, Double)
        return cells(self.of, cut, n=func.count(), numerator=func.sum(sign), squared_deviation=_spread(sign))

    def estimate(self, components: Components) -> Estimate:
        n, net, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        # Of −1, 0 and 1, the squares count those that are not 0.
        either = np.rint(spread + net * net / n)
        clusters = Clusters.of(components)
        effect = clusters.effect(spread, 1 + np.abs(net / n))
        plus, minus = (either + net) / 2, (either - net) / 2
        low, high = intervals.net(plus / effect, minus / effect, n / effect)
        value = 100 * net / n
        return Estimate(n, net, n, spread, _none(n), value, 100 * low, 100 * high, None, clusters, effect)


@dataclass(frozen=True)
class Mean(OfFact, Additive):
    """The mean of a measure, in the measure's unit; events without it do not count.

    Declare the `scale` of a rating: few ratings, nearly all alike, then have an interval that allows for others.
    Without it, the measure is taken for an amount or a duration, which may be skewed; a value that one event decides
    has no interval.
    """

    measure: ColumnElement[Any]
    """What is averaged: an expression over the columns of the fact."""
    scale: tuple[float, float] | None = None
    """The lowest and the highest possible measure; None: it has no known ends."""

    def __post_init__(self) -> None:
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ConfigError(
                f"the scale of a mean goes from {self.scale[0]} to {self.scale[1]}",
                value=str(self.scale),
                fix="name its lowest point first: scale=(1, 5)",
            )

    @property
    def method(self) -> str:
        """How the interval is computed."""
        if self.scale is not None:
            return f"Student's t, with half an observation added at either end of the scale{_OVER_CUSTOMERS}"
        return f"the wider of Hall's transformation and Student's t; none if one decides{_OVER_CUSTOMERS}"

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_VALUE, self.measure.is_not(None))

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self.measure, is_sum=True)

    def cells(self, cut: Cut) -> Rows:
        measure = cast(self.measure, Double)
        n, total, spread = func.count(), func.sum(measure), _spread(measure)
        if self.scale is not None:
            return cells(self.counted, cut, n=n, numerator=total, squared_deviation=spread)
        skew = _skew(measure)
        return cells(self.counted, cut, n=n, numerator=total, squared_deviation=spread, cubed_deviation=skew)

    def estimate(self, components: Components) -> Estimate:
        n, total, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        mean, clusters = total / n, Clusters.of(components)
        if self.scale is not None:
            lowest, highest = self.scale
            effect = clusters.effect(spread, np.maximum(mean - lowest, highest - mean))
            low, high = intervals.rating(total / effect, spread / effect, n / effect, self.scale)
            return Estimate(n, total, n, spread, _none(n), mean, low, high, None, clusters, effect)
        skew = components["cubed_deviation"]
        low, high, notes = clusters.skewed(mean, spread, skew)
        effect = clusters.effect_of_mean(spread)
        return Estimate(n, total, n, spread, skew, mean, low, high, notes, clusters, effect)


@dataclass(frozen=True)
class Rate(Additive):
    """`times` × events ÷ events of another fact, `per`. n counts the events of `per`; no value if there are none."""

    of: Fact
    per: Fact
    times: float = 100
    method = "Garwood's exact Poisson, of the numerator" + _OVER_CUSTOMERS

    @property
    def factor(self) -> float:  # type: ignore[override]
        """The value is this × numerator ÷ denominator."""
        return self.times

    @property
    def behind(self) -> Behind:
        hit, base = column("hit", Integer), column("base", Integer)
        return Behind(self.sliced, hit, counts=base == 1, is_sum=True)

    @property
    def reach(self) -> Mapping[str, Reach]:
        return self.sliced.reach

    @cached_property
    def sliced(self) -> Fact:
        return self.of.against(self.per)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.of.table, self.per.table)))

    def cells(self, cut: Cut) -> Rows:
        hits, n = func.sum(column("hit", Integer)), func.sum(column("base", Integer))
        return cells(self.sliced, cut, n=n, numerator=hits)

    def estimate(self, components: Components) -> Estimate:
        hits, n = components["numerator"], components["n"]
        clusters = Clusters.of({**components, "n": np.where(n > 0, n, np.nan)})
        low, high, effect = clusters.rate(hits)
        value = self.times * hits / clusters.n
        times = self.times
        return Estimate(
            n, hits, n, _none(n), _none(n), value, times * low, times * high, None, clusters, effect
        )


@dataclass(frozen=True)
class RepeatShare(OfFact):
    """Customers with at least `times` events in the period ÷ customers with any (n): 0 to 1.

    A segment, country or consent is the customer's when the period began: who changes is still one customer.
    """

    times: int = 2
    method = EXACT
    indivisible = OF_CUSTOMERS

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, is_per_customer=True, described=as_period_began)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True, is_followed=True)

    def cells(self, cut: Cut) -> Rows:
        customers = cells(self.counted, cut, per_customer=True, is_followed=True, events=func.count())
        often = func.count().filter(column("events") >= self.times)
        return cells_of_customers(customers, n=func.count(), numerator=often)

    def estimate(self, components: Components) -> Estimate:
        return share_of(components)


def share_of(components: Components) -> Estimate:
    """The share `numerator` ÷ `n`, 0 to 1, with its interval over customers."""
    n, hits = components["n"], components["numerator"]
    value, clusters = hits / n, Clusters.of(components)
    effect = clusters.effect(n * value * (1 - value), np.maximum(value, 1 - value))
    low, high = intervals.share(hits / effect, n / effect)
    return Estimate(n, hits, n, _none(n), _none(n), value, low, high, None, clusters, effect)


def _spread(measure: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of squared deviations from the mean. From the database's variance: the difference of a sum of squares and
    a square would lose precision for a large mean with a small spread."""
    return func.var_pop(measure) * func.count()


def _skew(measure: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of cubed deviations from the mean. From the covariance of the measure with its square, which is as exact
    as (mean ÷ spread)² times the precision of a float: sums of cubes would lose another such factor."""
    joint = func.covar_pop(measure * measure, measure)
    return (joint - 2 * func.avg(measure) * func.var_pop(measure)) * func.count()


def _none(like: Array) -> Array:
    return np.full_like(like, np.nan)
