"""Estimators: from a fact to a value with its 95 % interval.

An estimator is the only place that defines which components the database aggregates for each cell (SQL), and how value
and interval follow from them (numpy, over all cells at once).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
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
from cxflow.kpis.cells import KEY, Cut, cells, cells_of_customers, kept, local_day
from cxflow.kpis.facts import Fact, Reach, Rows, newest
from cxflow.kpis.intervals import Array
from cxflow.warehouse.functions import sorted_array

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
    value: Array
    """In the unit of the KPI."""
    low: Array
    """The lower end of the 95 % interval."""
    high: Array
    """The upper end."""


class Estimator(ABC):
    """How a KPI is measured."""

    method: ClassVar[str]
    """How the interval is computed, for `kpi_definition`."""
    looks_back: ClassVar[bool] = False
    """Whether a period's value also needs the events of the previous period."""

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
    def tables(self) -> tuple[str, ...]:
        """The canonical tables without whose rows it has no events, as far as they are known."""
        return tuple(filter(None, (self.sliced.table,)))

    @abstractmethod
    def cells(self, cut: Cut) -> Rows:
        """One row per cell: its KEY and its components."""

    def kept(self, cuts: Sequence[Cut]) -> Rows | None:  # noqa: ARG002 - used by subclasses
        """The events of several cuts, for `Cut.kept`; None if each cut reads its own."""
        return None

    def sizes(self, cut: Cut) -> Rows:
        """The size of each slice of a cut of all periods: `dimension`, `dimension_value` and `n` over all time."""
        cell = self.cells(replace(cut, grain="all")).subquery()
        return select(cell.c.dimension, cell.c.dimension_value, cell.c.n).where(cell.c.dimension != "")

    @abstractmethod
    def estimate(self, components: Components) -> Estimate:
        """Values and intervals from the components."""


class Additive(Estimator):
    """Measured by sums over events, so that the value of several days follows from their components.

    The components are `n`, `numerator` (a sum over the events) and, if the interval needs it, `squared_deviation`. They
    are published, and `days.summed` adds them up.
    """


@dataclass(frozen=True)
class _OfFact(Estimator):
    of: Fact

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
    """The mean of a measure, in the measure's unit; events without it do not count."""

    measure: ColumnElement[Any]
    """What is averaged: an expression over the columns of the fact."""
    method = "Student's t"

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_VALUE, self.measure.is_not(None))

    def cells(self, cut: Cut) -> Rows:
        measure = cast(self.measure, Double)
        total, spread = func.sum(measure), _spread(measure)
        return cells(self.counted, cut, n=func.count(), numerator=total, squared_deviation=spread)

    def estimate(self, components: Components) -> Estimate:
        n, total, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        variance = spread / np.where(n > 1, n - 1, np.nan)
        low, high = intervals.student(total / n, variance, n)
        return Estimate(n, total, n, spread, total / n, low, high)


@dataclass(frozen=True)
class Rate(Additive):
    """`times` × events ÷ events of another fact, `per`. n counts the events of `per`; no value if there are none."""

    of: Fact
    per: Fact
    times: float = 100
    method = "Garwood's exact Poisson, of the numerator"

    @property
    def reach(self) -> Mapping[str, Reach]:
        return self.sliced.reach

    @property
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
        scale = self.times / np.where(n > 0, n, np.nan)
        low, high = intervals.garwood(hits)
        return Estimate(n, hits, n, _none(n), hits * scale, low * scale, high * scale)


@dataclass(frozen=True)
class Quantile(_OfFact):
    """The q-quantile of a measure, interpolated between the two nearest; events without the measure do not count.

    Its interval runs between two ordered observations, whose ranks come from the binomial: exactly up to 1,000
    observations, above that from its normal approximation, rounded outwards (at most one rank wider). An end is null if
    there are too few observations to bound that side.
    """

    measure: ColumnElement[Any]
    """What is ordered: an expression over the columns of the fact."""
    q: float
    """0 to 1; 0.5 is the median."""
    beside: tuple[float, ...] = ()
    """Quantiles that other KPIs take of the same fact and measure, so that the observations are sorted once for all."""
    method = "order statistics, ranks from the binomial"

    @property
    def _quantiles(self) -> list[float]:
        return sorted({self.q, *self.beside})

    @property
    def family(self) -> Hashable:
        return (id(self.of), id(self.measure), *self._quantiles)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_VALUE, self.measure.is_not(None))

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, measure=cast(self.measure, Double))

    def cells(self, cut: Cut) -> Rows:
        ordered = sorted_array(column("measure", Double))
        measure = cast(self.measure, Double)
        cell = cells(self.counted, cut, measure=measure, n=func.count(), ordered=ordered).subquery()
        ranks = select(
            *(
                literal(found, ARRAY(Integer)).label(f"{end}_{i}")
                for i, q in enumerate(self._quantiles)
                for end, found in zip(("low", "high"), intervals.tabulated_ranks(q), strict=True)
            )
        ).subquery()
        found: list[ColumnElement[Any]] = []
        for i, q in enumerate(self._quantiles):
            numbers = _order_statistics(
                cell.c.ordered, cell.c.n, q, ranks.c[f"low_{i}"], ranks.c[f"high_{i}"]
            )
            found += (number.label(f"{name}_{i}") for name, number in numbers.items())
        return select(*(cell.c[name] for name in KEY), cell.c.n, *found).join_from(cell, ranks, literal(True))

    def estimate(self, components: Components) -> Estimate:
        n, i = components["n"], self._quantiles.index(self.q)
        value, low, high = (components[f"{name}_{i}"] for name in ("value", "low", "high"))
        return Estimate(n, _none(n), _none(n), _none(n), value, low, high)


def _order_statistics(
    ordered: ColumnElement[Any],
    n: ColumnElement[Any],
    q: float,
    low_ranks: ColumnElement[Any],
    high_ranks: ColumnElement[Any],
) -> dict[str, ColumnElement[Any]]:
    """The q-quantile of `n` ordered observations and the ends of its interval."""
    # The same as `percentile_cont`, which would sort the observations again.
    place = (n - 1) * q + 1
    nearest = cast(func.floor(place), Integer)
    below, above = ordered[nearest], ordered[func.least(nearest + 1, n)]
    row = func.least(n, intervals.EXACT_RANKS)
    middle, spread = n * q, intervals.Z * func.sqrt(n * q * (1 - q))
    many = n > intervals.EXACT_RANKS
    first = case((many, cast(func.ceil(middle - spread), Integer) - 1), else_=low_ranks[row])
    last = case((many, cast(func.ceil(middle + spread), Integer) + 1), else_=high_ranks[row])
    return {
        "value": below + (above - below) * (place - nearest),
        "low": ordered[first],
        "high": ordered[last],
    }


@dataclass(frozen=True)
class RepeatShare(_OfFact):
    """Customers with at least `times` events in the period ÷ customers with any (n): 0 to 1."""

    times: int = 2
    method = "Wilson score"

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True)

    def cells(self, cut: Cut) -> Rows:
        customers = cells(self.counted, cut, per_customer=True, events=func.count())
        often = func.count().filter(column("events") >= self.times)
        return cells_of_customers(customers, n=func.count(), numerator=often)

    def estimate(self, components: Components) -> Estimate:
        return _share(components)


@dataclass(frozen=True)
class Retained(_OfFact):
    """Customers with an event in the previous period and in this one ÷ customers with one in the previous (n): 0 to 1.

    A period that begins after the fact's newest event has no value: it has not happened yet.
    """

    method = "Wilson score"
    looks_back = True

    @property
    def reach(self) -> Mapping[str, Reach]:
        rows = self.counted.rows
        return {
            table: Reach(reach.before, reach.after, since_last=rows) for table, reach in self.of.reach.items()
        }

    def sizes(self, cut: Cut) -> Rows:
        """The sums of `n` over all periods, as there is no grain `all`."""
        cell = self.cells(cut).subquery()
        return (
            select(cell.c.dimension, cell.c.dimension_value, func.sum(cell.c.n).label("n"))
            .where(cell.c.dimension != "")
            .group_by(cell.c.dimension, cell.c.dimension_value)
        )

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    def _last(self, cut: Cut) -> ColumnElement[Any]:
        return local_day(newest(self.counted.rows), cut.zone)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True, last=self._last(cuts[0]))

    def cells(self, cut: Cut) -> Rows:
        was_here, is_here = column("was_here", Boolean), column("is_here", Boolean)
        followed = cells(
            self.counted,
            cut,
            per_customer=True,
            last=self._last(cut),
            was_here=func.bool_or(was_here),
            is_here=func.bool_or(is_here),
        )
        bases = select(followed.subquery()).where(was_here)
        return cells_of_customers(bases, n=func.count(), numerator=func.count().filter(is_here))

    def estimate(self, components: Components) -> Estimate:
        return _share(components)


def _share(components: Components) -> Estimate:
    n, hits = components["n"], components["numerator"]
    low, high = intervals.wilson(hits, n)
    return Estimate(n, hits, n, _none(n), hits / n, low, high)


def _spread(measure: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of squared deviations from the mean. From the database's variance: the difference of a sum of squares and
    a square would lose precision for a large mean with a small spread."""
    return func.var_pop(measure) * func.count()


def _none(like: Array) -> Array:
    return np.full_like(like, np.nan)
