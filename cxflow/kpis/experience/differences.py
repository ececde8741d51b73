"""The difference that goes with an experience, between customers who are alike in their orders (Mantel–Haenszel)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import (
    BigInteger,
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

from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import KEY, Cut, cells, cells_of_customers, kept
from cxflow.kpis.estimators import Components, Estimate, OfFact
from cxflow.kpis.experience.later_orders import STRATA
from cxflow.kpis.experience.moments import epoch
from cxflow.kpis.facts import Rows
from cxflow.kpis.intervals import ALIKE, Z
from cxflow.warehouse.columns import TIME

FEWEST = 10
"""Customers on either side that an interval needs."""
_CODES = 64
"""More than there are codes of an event."""
TOO_FEW = "too few customers on one side for an interval"
NOTHING_TO_COMPARE = "no two customers to compare"


@dataclass(frozen=True)
class RiskDifference(OfFact):
    """Share of hits among the exposed − share among the others, over strata of customers who are alike: −1 to 1.

    The fact has `is_exposed` and `stratum`, one of STRATA. Of each customer, only the first event in the period counts.
    Weighted by Mantel and Haenszel, n1·n0 ÷ (n1 + n0); the variance is Sato's (1989), which holds for many small strata
    as well as for few large ones. The numerator is the weighted sum of differences, the denominator that of weights.
    """

    hit: ColumnElement[bool]
    method = "Mantel–Haenszel risk difference, Sato's variance; none under 10 customers on either side"
    indivisible = "it compares customers within strata, and weighs the strata anew in each slice"

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, case((self.hit, 1), else_=0), is_per_customer=True)

    def _coded(self) -> ColumnElement[float]:
        """An event's stratum, exposure and outcome as one number, to keep them together."""
        places = {name: 4 * place for place, name in enumerate(STRATA)}
        stratum = case(places, value=column("stratum"))
        exposed = case((column("is_exposed", Boolean), 2), else_=0)
        return cast(stratum + exposed + case((self.hit, 1), else_=0), Double)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True, measure=self._coded())

    def cells(self, cut: Cut) -> Rows:
        # The first event is the smallest number in which time and code are packed: an ordered list of each customer
        # would take kilobytes.
        instant = cast(func.floor(epoch(column("at", TIME)) * 1_000_000), BigInteger)
        packed = instant * _CODES + cast(column("measure", Double), BigInteger)
        of_customers = cells(
            self.counted, cut, per_customer=True, measure=self._coded(), first=func.min(packed)
        ).subquery()
        its_code = cast(of_customers.c.first % literal(_CODES, BigInteger), Integer).label("code")
        first = select(*(of_customers.c[name] for name in KEY), its_code).subquery()
        code = first.c.code
        key = [first.c[name] for name in KEY]
        stratum = func.floor(code / literal(4.0, Double))
        is_exposed, is_hit = code % 4 >= 2, code % 2 == 1
        counts = {
            "exposed": func.count().filter(is_exposed),
            "exposed_hits": func.count().filter(is_exposed, is_hit),
            "others": func.count().filter(~is_exposed),
            "other_hits": func.count().filter(~is_exposed, is_hit),
        }
        strata = select(*key, *(cast(count, Double).label(name) for name, count in counts.items())).group_by(
            *key, stratum
        )
        n1, a, n0, c = (column(name, Double) for name in counts)
        n = n1 + n0
        return cells_of_customers(
            strata,
            n=func.sum(n),
            exposed=func.sum(n1),
            difference=func.sum((a * n0 - c * n1) / n),
            weight=func.sum(n1 * n0 / n),
            spread_by_difference=func.sum((n1 * n1 * c - n0 * n0 * a + n1 * n0 * (n0 - n1) / 2) / (n * n)),
            spread=func.sum((a * (n0 - c) + c * (n1 - a)) / (2 * n)),
        )

    def estimate(self, components: Components) -> Estimate:
        names = ("n", "exposed", "difference", "weight", "spread_by_difference", "spread")
        n, exposed, difference, weight, by_difference, rest = (components[name] for name in names)
        some = np.where(weight > 0, weight, np.nan)
        value = difference / some
        variance = np.maximum(value * by_difference + rest, 0) / some**2
        notes = np.full(n.shape, None, dtype=object)
        notes[variance <= 0] = ALIKE
        notes[np.minimum(exposed, n - exposed) < FEWEST] = TOO_FEW
        notes[weight <= 0] = NOTHING_TO_COMPARE
        half = np.where([note is None for note in notes], Z * np.sqrt(variance), np.nan)
        none = np.full_like(n, np.nan)
        return Estimate(n, difference, some, none, none, value, value - half, value + half, notes)
