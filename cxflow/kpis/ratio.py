"""The estimator of a ratio of two sums over the same events: returned money ÷ sold money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, and_, cast, func

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import Cut, cells
from cxflow.kpis.estimators import NO_VALUE, Components, Estimate, OfFact
from cxflow.kpis.facts import Fact, Rows

POWERS = tuple((i, power - i) for power in (1, 2, 3) for i in range(power, -1, -1))
"""Exponents of part and whole in the sums that it needs: part, whole, part², part·whole, …"""


@dataclass(frozen=True)
class Ratio(OfFact):
    """Sum of `part` ÷ sum of `whole`; events without either do not count.

    Its interval is that of a mean: of the linearised ratio, part − ratio × whole, over the mean whole.
    """

    part: ColumnElement[Any]
    whole: ColumnElement[Any]
    method = (
        "of the linearised ratio: the wider of Hall's transformation and Student's t; "
        "none if one observation decides"
    )
    indivisible = ""

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self.part, is_sum=True)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_VALUE, and_(self.part.is_not(None), self.whole.is_not(None)))

    def cells(self, cut: Cut) -> Rows:
        part, whole = cast(self.part, Double), cast(self.whole, Double)
        sums: dict[str, Any] = {f"sum_{i}_{j}": func.sum(power(part, i) * power(whole, j)) for i, j in POWERS}
        return cells(self.counted, cut, n=func.count(), **sums)

    def estimate(self, components: Components) -> Estimate:
        return ratio_of(components["n"], {(i, j): components[f"sum_{i}_{j}"] for i, j in POWERS})


def ratio_of(n: intervals.Array, s: Mapping[tuple[int, int], intervals.Array]) -> Estimate:
    """The ratio of two sums over n observations, with its interval; `s`: the exponents of part and whole to the sum of
    their products, for all POWERS."""
    whole = np.where(s[0, 1] > 0, s[0, 1], np.nan)
    ratio = s[1, 0] / whole
    mean = whole / n
    squares = s[2, 0] - 2 * ratio * s[1, 1] + ratio**2 * s[0, 2]
    cubes = s[3, 0] - 3 * ratio * s[2, 1] + 3 * ratio**2 * s[1, 2] - ratio**3 * s[0, 3]
    low, high, notes = intervals.skewed(ratio, squares / mean**2, cubes / mean**3, n)
    none = np.full_like(n, np.nan)
    return Estimate(n, s[1, 0], s[0, 1], none, none, ratio, low, high, notes)


def power(of: ColumnElement[Any], exponent: int) -> ColumnElement[Any]:
    """`of` to a small whole exponent."""
    result: ColumnElement[Any] = cast(1, Double)
    for _ in range(exponent):
        result = result * of
    return result
