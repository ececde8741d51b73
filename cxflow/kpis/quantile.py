"""The estimator of quantiles, which are not sums: the database ranks the observations of each cell."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ARRAY, ColumnElement, Double, Integer, case, cast, func, literal, select

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import KEY, Cut, cells, kept
from cxflow.kpis.estimators import NO_VALUE, Components, Estimate, OfFact
from cxflow.kpis.facts import Fact, Rows


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
        # Equal observations are counted, not listed: a list of ten million takes more memory than there may be, and a
        # wait in whole seconds has few values.
        measure = cast(self.measure, Double)
        found = cells(self.counted, cut, measure=measure, per_measure=True, times=func.count()).subquery()
        key = [found.c[name] for name in KEY]
        count_of = cast(func.sum(found.c.times).over(partition_by=key), Integer)
        up_to = func.sum(found.c.times).over(partition_by=key, order_by=found.c.measure, rows=(None, 0))
        tabulated = {
            f"{end}_{i}": literal(ranks, ARRAY(Integer)).label(f"{end}_{i}")
            for i, q in enumerate(self._quantiles)
            for end, ranks in zip(("low", "high"), intervals.tabulated_ranks(q), strict=True)
        }
        ranks = select(*tabulated.values()).subquery()
        point = select(*key, found.c.measure, count_of.label("n"), up_to.label("up_to")).subquery()
        wanted: dict[str, ColumnElement[Any]] = {}
        for i, q in enumerate(self._quantiles):
            named = _ranks(point.c.n, q, ranks.c[f"low_{i}"], ranks.c[f"high_{i}"])
            wanted.update((f"{name}_{i}", rank) for name, rank in named.items())
        ranked = (
            select(point, *(rank.label(name) for name, rank in wanted.items()))
            .join_from(point, ranks, literal(True))
            .subquery()
        )
        key, n = [ranked.c[name] for name in KEY], func.max(ranked.c.n)

        def at(rank: ColumnElement[Any]) -> ColumnElement[Any]:
            """The observation of a rank from 1; null if there is none."""
            return func.min(ranked.c.measure).filter(rank >= 1, ranked.c.up_to >= rank)

        numbers: list[ColumnElement[Any]] = []
        for i, q in enumerate(self._quantiles):
            below, above = at(ranked.c[f"below_{i}"]), at(ranked.c[f"above_{i}"])
            # The same as `percentile_cont`, which would sort the observations again.
            place = (n - 1) * q + 1
            value = below + (above - below) * (place - func.floor(place))
            numbers += [
                value.label(f"value_{i}"),
                at(ranked.c[f"first_{i}"]).label(f"low_{i}"),
                at(ranked.c[f"last_{i}"]).label(f"high_{i}"),
            ]
        return select(*key, n.label("n"), *numbers).group_by(*key)

    def estimate(self, components: Components) -> Estimate:
        n, i = components["n"], self._quantiles.index(self.q)
        value, low, high = (components[f"{name}_{i}"] for name in ("value", "low", "high"))
        none = np.full_like(n, np.nan)
        return Estimate(n, none, none, none, none, value, low, high)


def _ranks(
    n: ColumnElement[Any], q: float, low_ranks: ColumnElement[Any], high_ranks: ColumnElement[Any]
) -> dict[str, ColumnElement[Any]]:
    """The ranks, from 1, of the two observations around the q-quantile of `n`, and of the ends of its interval."""
    nearest = cast(func.floor((n - 1) * q + 1), Integer)
    row = func.least(n, intervals.EXACT_RANKS)
    middle, spread = n * q, intervals.Z * func.sqrt(n * q * (1 - q))
    many = n > intervals.EXACT_RANKS
    return {
        "below": nearest,
        "above": func.least(nearest + 1, n),
        "first": case((many, cast(func.ceil(middle - spread), Integer) - 1), else_=low_ranks[row]),
        "last": case((many, cast(func.ceil(middle + spread), Integer) + 1), else_=high_ranks[row]),
    }
