"""How much more customers of several channels buy, compared with those of one channel who are as active.

Three guards. The channels are those of the 90 days from a customer's first touchpoint, and what they buy is counted in
the 180 days after these, so that buying cannot make the channels. Both must be observed in full. And customers are
compared within strata of the same number of touchpoints: who has more of them meets more channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    case,
    cast,
    column,
    func,
    select,
)

from cxflow.kpis.behind import NOBODY, Behind, Sides, of_period
from cxflow.kpis.cells import KEY, Cut, cells
from cxflow.kpis.estimators import Components, Estimate, OfFact
from cxflow.kpis.experience.first_days import MOST_TOUCHPOINTS, first_days, lived
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.intervals import LEVEL, Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import net_orders, refunds_have_a_rate_too
from cxflow.kpis.periods import Period
from cxflow.warehouse.tables import order_header

GROUPS = 400
"""The customers of a stratum and side are resampled in at most so many groups of equal size: one each, if they are
fewer. The spread of group means says the same as that of customers, at a bounded cost."""
RESAMPLES = 1000
SEED = 20_080_415
FEWEST = 30
"""Customers on either side, in strata that have both, that an interval needs."""

TOO_FEW = "too few customers on one side for an interval"
NO_COMPARISON = "no two customers to compare, or no revenue to compare with"


@dataclass(frozen=True)
class Uplift(OfFact):
    """Mean revenue of the customers of several channels ÷ that of one, minus 1, over strata of as many touchpoints.

    Each stratum's two means are weighted by n1·n0 ÷ (n1 + n0), as Mantel and Haenszel do, so that a stratum counts as
    much as it can tell; n counts the customers of strata that have both sides. The interval is the percentiles of the
    bootstrap within strata and sides, with a fixed seed.
    """

    orders: Rows
    """The orders that revenue is the sum of, for who looks at them one by one."""
    method = f"stratified bootstrap over customers, {RESAMPLES} resamples, fixed seed; none under {FEWEST} on a side"
    indivisible = "it compares customers within strata, and weighs the strata anew in each slice"

    @property
    def behind(self) -> Behind:
        sides = {_code(*side): words for side, words in _SIDES.items()}
        code = _code(column("touchpoints", Integer), case((column("is_multichannel", Boolean), 1), else_=0))
        return Behind(
            self.counted,
            column("net", Double),
            is_per_customer=True,
            narrowed=self._lived,
            side=case(sides, value=code),
            comes_to=_of_sides,
        )

    def _lived(self, customers: Fact, period: Period, zone: ZoneInfo) -> Fact:
        """What customers who first came in a period did, of strata that have both sides."""
        who = of_period(customers, period, zone).rows.subquery()
        is_several = who.c.is_multichannel
        stratum: dict[str, Any] = {"partition_by": who.c.touchpoints}
        sided = select(
            who,
            func.bool_or(is_several).over(**stratum).label("has_several"),
            func.bool_or(~is_several).over(**stratum).label("has_one"),
        ).subquery()
        compared = replace(customers, rows=select(sided).where(sided.c.has_several, sided.c.has_one))
        return replace(compared, rows=lived(compared, self.orders))

    def cells(self, cut: Cut) -> Rows:
        customers = cells(
            self.counted,
            cut,
            per_customer=True,
            touchpoints=func.max(column("touchpoints", Integer)),
            is_multichannel=func.bool_or(column("is_multichannel", Boolean)),
            revenue=func.max(column("revenue", Double)),
        ).subquery()
        c = customers.c
        key = [c[name] for name in KEY]
        code = _code(c.touchpoints, case((c.is_multichannel, 1), else_=0))
        place = func.row_number().over(partition_by=(*key, code), order_by=c.customer_id.collate("C"))
        grouped = select(
            *key, code.label("code"), (cast(place, BigInteger) % GROUPS).label("place"), c.revenue
        ).subquery()
        g = grouped.c
        groups = (
            select(
                *(g[name] for name in KEY),
                cast(g.code, Double).label("code"),
                cast(func.count(), Double).label("size"),
                func.sum(g.revenue).label("total"),
                g.place,
            )
            .group_by(*(g[name] for name in KEY), g.code, g.place)
            .subquery()
        )
        s = groups.c

        def listed(value: ColumnElement[Any]) -> ColumnElement[Any]:
            return func.array_agg(value, type_=ARRAY(Double)).aggregate_order_by(s.code, s.place)

        return select(
            *(s[name] for name in KEY),
            cast(func.sum(s.size), Double).label("n"),
            listed(s.code).label("codes"),
            listed(s.size).label("sizes"),
            listed(s.total).label("totals"),
        ).group_by(*(s[name] for name in KEY))

    def estimate(self, components: Components) -> Estimate:
        names = ("codes", "sizes", "totals")
        found = [
            _uplift(*(np.asarray(each, dtype=float) for each in cell))
            for cell in zip(*(components[name] for name in names), strict=True)
        ]
        n, value, low, high, notes = (np.array(each) for each in zip(*found, strict=True))
        none = np.full(len(found), np.nan)
        return Estimate(n, none, none, none, none, value, low, high, notes.astype(object))


def _code(touchpoints: Any, side: Any) -> Any:
    """A stratum and a side, 1 of several channels and 0 of one, as one number."""
    return 2 * touchpoints + side


def _words(touchpoints: int, channels: str) -> str:
    more = " or more" if touchpoints == MOST_TOUCHPOINTS else ""
    return f"{channels}, {touchpoints}{more} touchpoints"


_SIDES = {
    (touchpoints, side): _words(touchpoints, channels)
    for touchpoints in range(2, MOST_TOUCHPOINTS + 1)
    for side, channels in enumerate(("one channel", "several channels"))
}
"""Stratum and side to its words."""


def _of_sides(sides: Sides) -> Mapping[str, float]:
    """The value, from the revenue of the customers of each side."""
    sums = [0.0, 0.0]
    for touchpoints in range(2, MOST_TOUCHPOINTS + 1):
        one, several = (sides.get(_SIDES[touchpoints, side], NOBODY) for side in (0, 1))
        if one.customers and several.customers:
            weight = one.customers * several.customers / (one.customers + several.customers)
            sums[0] += weight * one.given / one.customers
            sums[1] += weight * several.given / several.customers
    return {"value": sums[1] / sums[0] - 1} if sums[0] > 0 else {}


def _uplift(codes: Array, sizes: Array, totals: Array) -> tuple[float, float, float, float, str | None]:
    """A cell's n, value, interval and note, from groups of customers: twice their touchpoints (and one more if they are
    multichannel), how many they are, and their revenue together."""
    random = np.random.default_rng(SEED)
    sums = np.zeros((2, 1 + RESAMPLES))
    counts = np.zeros(2)
    for stratum in np.unique(codes // 2):
        sides = [codes == 2 * stratum + side for side in (0, 1)]
        n = np.array([sizes[is_it].sum() for is_it in sides])
        if n.min() == 0:
            continue
        counts += n
        weight = n.prod() / n.sum()
        for side, is_it in enumerate(sides):
            sums[side] += weight * _means(sizes[is_it], totals[is_it], random)
    if sums[0, 0] <= 0:
        return float(counts.sum()), np.nan, np.nan, np.nan, NO_COMPARISON
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(sums[0] > 0, sums[1] / sums[0] - 1, np.inf)
    if counts.min() < FEWEST:
        return float(counts.sum()), ratios[0], np.nan, np.nan, TOO_FEW
    low, high = np.quantile(ratios[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="nearest")
    return float(counts.sum()), ratios[0], low, high, None


def _means(sizes: Array, totals: Array, random: np.random.Generator) -> Array:
    """The mean of one side of a stratum, and those of its resamples, with the spread of a sample."""
    mean, groups = totals.sum() / sizes.sum(), len(sizes)
    drawn = random.integers(groups, size=(RESAMPLES, groups))
    resampled = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    unbiased = np.sqrt(groups / (groups - 1)) if groups > 1 else 1.0
    return np.concatenate([[mean], mean + (resampled - mean) * unbiased])


omnichannel_uplift = Kpi(
    name="omnichannel_uplift",
    title="Revenue with several channels, compared with one (association)",
    title_es="Ingresos con varios canales frente a uno (asociación)",
    description="How much more customers who used several channels buy later than equally active ones who "
    "used one. An association, not a cause.",
    description_es="Cuánto más compran después los clientes que usaron varios canales que otros igual de "
    "activos que usaron uno. Una asociación, no una causa.",
    unit="share",
    better="higher",
    formula="net revenue per customer who used 2 or more channels in the 90 days from their first touchpoint ÷ that of "
    "customers who used one, minus 1; of the 180 days after these, within strata of as many touchpoints (2 to 9, 10 "
    "or more), where all 270 days are over",
    formula_es="ingresos netos por cliente que usó 2 canales o más en los 90 días desde su primer punto de "
    "contacto ÷ los de quienes usaron uno, menos 1; ingresos de los 180 días siguientes, por estratos con el mismo "
    "número de puntos de contacto (de 2 a 9, y 10 o más), cuando los 270 días ya pasaron",
    counts="customers with two or more touchpoints in their first 90 days",
    version=2,
    grains=("year", "all"),
    of=lambda settings: Uplift(first_days(settings), net_orders(settings)),
    needs=select(order_header.c.order_id),
    check=refunds_have_a_rate_too,
)
