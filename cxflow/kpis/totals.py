"""Estimators of totals: how many, how much, and how many there are at the end of a period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, and_, cast, column, func, literal, select

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind, up_to_period
from cxflow.kpis.cells import KEY, Cut, cells, kept
from cxflow.kpis.estimators import Additive, Components, Estimate, Mean, OfFact
from cxflow.kpis.facts import EVERYWHERE, Reach, Rows

ALL_COUNTED = "all counted: no interval"


@dataclass(frozen=True)
class Volume(OfFact, Additive):
    """How many events there are. Its interval is that of the number to expect in such a period."""

    over_customers = False
    divides = False
    method = "Garwood's exact Poisson"

    @property
    def behind(self) -> Behind:
        return Behind(self.of, literal(1), is_sum=True)

    def cells(self, cut: Cut) -> Rows:
        return cells(self.of, cut, n=func.count(), numerator=func.count())

    def estimate(self, components: Components) -> Estimate:
        n = components["n"]
        none = np.full_like(n, np.nan)
        low, high = intervals.garwood(n)
        return Estimate(n, n, none, none, none, n, low, high)


@dataclass(frozen=True)
class Total(Mean):
    """The sum of a measure; events without it do not count.

    Its interval is that of the sum to expect in such a period, whose number of events is a matter of chance, too
    (compound Poisson: the variance is the sum of squares), with the same transformation as the mean's.
    """

    over_customers = False
    divides = False

    @property
    def method(self) -> str:
        """How the interval is computed."""
        return "compound Poisson, the wider of Hall's transformation and Student's t; none if one observation decides"

    def estimate(self, components: Components) -> Estimate:
        n, total, spread, skew = (
            components[name] for name in ("n", "numerator", "squared_deviation", "cubed_deviation")
        )
        mean = total / n
        squares = spread + n * mean**2
        cubes = skew + 3 * mean * spread + n * mean**3
        low, high, notes = intervals.skewed(mean, squares, cubes, n)
        return Estimate(n, total, np.full_like(n, np.nan), spread, skew, total, n * low, n * high, notes)


@dataclass(frozen=True)
class Stock(OfFact):
    """What is there at the end of a period: the sum of a change over all events up to then. n is the number of events
    that added to it. A period without an event has no value: it is that of the period before.

    It has no interval: it is no sample, everything is counted.
    """

    change: ColumnElement[Any]
    """What an event adds; negative if it takes away."""
    method = "none: everything is counted"
    indivisible = "it is what is there at the end of a period, not a sum over its events"

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self.change, self.change > 0, is_sum=True, narrowed=up_to_period)

    @property
    def reach(self) -> Mapping[str, Reach]:
        return dict.fromkeys(self.of.reach, EVERYWHERE)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, measure=cast(self.change, Double))

    def cells(self, cut: Cut) -> Rows:
        every, change = replace(cut, starts=None, spans=None), column("measure", Double)
        in_period = cells(
            self.counted,
            every,
            measure=cast(self.change, Double),
            change=func.sum(change),
            added=func.count().filter(change > 0),
        ).subquery()
        key = [in_period.c[name] for name in KEY]
        of_slice = [in_period.c[name] for name in KEY if name != "period_start"]

        def so_far(name: str) -> ColumnElement[Any]:
            return func.sum(in_period.c[name]).over(
                partition_by=of_slice, order_by=in_period.c.period_start, rows=(None, 0)
            )

        stock = select(*key, so_far("added").label("n"), so_far("change").label("numerator")).subquery()
        wanted = [] if cut.starts is None else [stock.c.period_start.in_(cut.starts)]
        return select(stock).where(and_(True, *wanted))

    def estimate(self, components: Components) -> Estimate:
        n, stock = components["n"], components["numerator"]
        none = np.full_like(n, np.nan)
        notes = np.full(n.shape, ALL_COUNTED, dtype=object)
        return Estimate(n, none, none, none, none, stock, none, none, notes)
