"""The estimator of quantiles, which are not sums: the database orders the observations of each cell."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ARRAY, ColumnElement, Double, Integer, case, cast, column, func, literal, select

from cxflow.kpis import intervals
from cxflow.kpis.cells import KEY, Cut, cells, kept
from cxflow.kpis.estimators import NO_VALUE, Behind, Components, Estimate, OfFact
from cxflow.kpis.facts import Fact, Rows
from cxflow.warehouse.functions import sorted_array


@dataclass(frozen=True)
class Quantile(OfFact):
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
    indivisible = "the quantile of the whole does not follow from those of its slices"

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self.measure)

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
        measure = cast(self.measure, Double)
        ordered = sorted_array(column("measure", Double))
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
        none = np.full_like(n, np.nan)
        return Estimate(n, none, none, none, none, value, low, high)


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
