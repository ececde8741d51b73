"""Estimators of weighted surveys, and of a mean that begins with a prior.

An answer with the weight 3 stands for three people, but it is one answer: the interval is that of Kish's effective
number of answers, (Σw)² ÷ Σw² (1965), as if so many had been given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, and_, case, cast, func

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import Cut, cells
from cxflow.kpis.estimators import Components, Estimate, Mean, OfFact
from cxflow.kpis.facts import Fact, Rows

_ROUNDING = 1e-12
NO_WEIGHT = "with a weight of 0 or less"


@dataclass(frozen=True)
class Weighted(OfFact):
    """What weighted estimators have in common: the sums of the weights and of their squares."""

    weight: ColumnElement[Any]
    """How many people an event stands for; null: one."""
    indivisible = ""

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self._weight)

    @property
    def _weight(self) -> ColumnElement[Any]:
        return func.coalesce(cast(self.weight, Double), 1.0)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_WEIGHT, self._weight > 0)

    def _sums(self, cut: Cut, **hits: ColumnElement[bool]) -> Rows:
        weight = self._weight
        sums: dict[str, Any] = {name: func.sum(case((hit, weight), else_=0.0)) for name, hit in hits.items()}
        return cells(
            self.counted,
            cut,
            n=func.count(),
            weights=func.sum(weight),
            squares=func.sum(weight * weight),
            **sums,
        )


@dataclass(frozen=True)
class WeightedShare(Weighted):
    """Weights of the events for which `where` holds ÷ all weights: 0 to 1."""

    where: ColumnElement[bool]
    method = "exact binomial of the effective number of answers (Kish)"

    def cells(self, cut: Cut) -> Rows:
        return self._sums(cut, hits=self.where)

    def estimate(self, components: Components) -> Estimate:
        n, weights, squares, hits = (components[name] for name in ("n", "weights", "squares", "hits"))
        effective = weights**2 / squares
        low, high = intervals.share(_part(hits, weights) * effective, effective)
        none = np.full_like(n, np.nan)
        return Estimate(n, hits, weights, none, none, hits / weights, low, high)


@dataclass(frozen=True)
class WeightedNet(Weighted):
    """100 × (weights of `plus` − weights of `minus`) ÷ all weights: −100 to 100."""

    plus: ColumnElement[bool]
    minus: ColumnElement[bool]
    factor = 100
    method = "MOVER of the exact binomial intervals of the effective number of answers (Kish)"

    def cells(self, cut: Cut) -> Rows:
        return self._sums(cut, plus=self.plus, minus=and_(self.minus, ~self.plus))

    def estimate(self, components: Components) -> Estimate:
        n, weights, squares, plus, minus = (
            components[name] for name in ("n", "weights", "squares", "plus", "minus")
        )
        effective = weights**2 / squares
        above, below = (_part(hits, weights) * effective for hits in (plus, minus))
        low, high = intervals.net(above, below, effective)
        none = np.full_like(n, np.nan)
        value = 100 * (plus - minus) / weights
        return Estimate(n, plus - minus, weights, none, none, value, 100 * low, 100 * high)


@dataclass(frozen=True)
class MeanWithPrior(Mean):
    """The mean of a measure and of `prior` more observations, all of one value, so that few observations say little:
    (sum + prior × its value) ÷ (n + prior). The numerator and the denominator are those of the observations alone."""

    prior: float = 0
    """How many there are before the first."""
    prior_mean: float = 0
    """Their value."""
    indivisible = "its prior counts once in the whole, and once in each slice"

    @property
    def method(self) -> str:
        """How the interval is computed."""
        return f"{super().method}; drawn to the prior like the mean"

    def estimate(self, components: Components) -> Estimate:
        found = super().estimate(components)
        n = found.n

        def drawn(end: intervals.Array) -> intervals.Array:
            return (n * end + self.prior * self.prior_mean) / (n + self.prior)

        return replace(found, value=drawn(found.value), low=drawn(found.low), high=drawn(found.high))


def _part(hits: intervals.Array, weights: intervals.Array) -> intervals.Array:
    """The share of the weights; exactly none or all of them where only the rounding of a sum says otherwise."""
    part = hits / weights
    return np.where(part < _ROUNDING, 0.0, np.where(part > 1 - _ROUNDING, 1.0, part))
