"""How much more customers of several channels buy, compared with those of one channel who are as active.

Three guards. The channels are those of the 90 days from a customer's first touchpoint, and what they buy is counted in
the 180 days after these, so that buying cannot make the channels. Both must be observed in full. And customers are
compared within strata of the same number of touchpoints: who has more of them meets more channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    String,
    case,
    cast,
    column,
    func,
    select,
)

from cxflow.kpis.cells import KEY, Cut, cells
from cxflow.kpis.estimators import Components, Estimate, OfFact
from cxflow.kpis.facts import EVERYWHERE, Fact, Rows, newest, seconds_between
from cxflow.kpis.intervals import LEVEL, Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import is_cancelled, net_orders, refunds_have_a_rate_too
from cxflow.settings import Settings
from cxflow.warehouse.tables import customer, order_header, order_line, refund, touchpoint

EXPOSED = timedelta(days=90)
"""How long from a customer's first touchpoint channels are counted."""
FOLLOWED = timedelta(days=180)
"""How long after that their net revenue is counted."""
MOST_TOUCHPOINTS = 10
"""Customers with as many touchpoints or more are one stratum."""
GROUPS = 400
"""The customers of a stratum and side are resampled in at most so many groups of equal size: one each, if they are
fewer. The spread of group means says the same as that of customers, at a bounded cost."""
RESAMPLES = 1000
SEED = 20_080_415
FEWEST = 30
"""Customers on either side, in strata that have both, that an interval needs."""

NOT_OVER = "270 days not over"
NO_VALUE = "with an order without a value"
TOO_FEW = "too few customers on one side for an interval"
NO_COMPARISON = "no two customers to compare, or no revenue to compare with"


def first_days(settings: Settings) -> Fact:
    """Customers with at least two touchpoints in the 90 days from their first one, by its time: `touchpoints` (10
    stands for more), `is_multichannel`, and `revenue`, net, of the 180 days after."""
    t, o = touchpoint.c, order_header.c
    is_own = (
        ~t.is_deleted,
        t.customer_id.is_not(None),
        # What the brand sends is no channel that the customer uses.
        func.coalesce(t.direction, "") != "outbound",
    )
    first = func.min(t.occurred_at).over(partition_by=t.customer_id)
    met = select(t.customer_id, t.occurred_at, t.channel, first.label("at")).where(*is_own).subquery()
    channels = func.count(met.c.channel.distinct())
    exposed = (
        select(
            met.c.customer_id,
            met.c.at,
            func.least(func.count(), MOST_TOUCHPOINTS).label("touchpoints"),
            (channels > 1).label("is_multichannel"),
        )
        .where(seconds_between(met.c.at, met.c.occurred_at) < EXPOSED.total_seconds())
        .group_by(met.c.customer_id, met.c.at)
        .having(func.count() > 1)
        .cte("exposed", nesting=True)
    )
    order = net_orders(settings).subquery()
    since = seconds_between(exposed.c.at, order.c.at)
    begin, end = EXPOSED.total_seconds(), (EXPOSED + FOLLOWED).total_seconds()
    bought = (
        select(
            order.c.customer_id,
            func.sum(order.c.net).label("revenue"),
            func.bool_or(order.c.net.is_(None)).label("is_unknown"),
        )
        .join_from(order, exposed, exposed.c.customer_id == order.c.customer_id)
        .where(since >= begin, since < end)
        .group_by(order.c.customer_id)
        .subquery()
    )
    last = newest(select(o.created_at.label("at")).where(~o.is_deleted, ~is_cancelled))
    rows = (
        select(
            exposed,
            func.coalesce(bought.c.revenue, 0.0).label("revenue"),
            func.coalesce(~bought.c.is_unknown, True).label("is_known"),
            (seconds_between(exposed.c.at, last) >= end).label("is_over"),
            customer.c.segment,
            customer.c.country.label("by_country"),
            customer.c.consent.label("by_consent"),
        )
        .select_from(exposed)
        .outerjoin(bought, bought.c.customer_id == exposed.c.customer_id)
        .outerjoin(customer, customer.c.customer_id == exposed.c.customer_id)
    )
    fact = Fact(
        rows,
        {table.name: EVERYWHERE for table in (touchpoint, order_header, order_line, refund)},
        shared=rows,
        followed_days=(EXPOSED + FOLLOWED).days,
        dimensions={
            "segment": column("segment", String),
            "country": column("by_country", String),
            "consent": column("by_consent", Boolean),
        },
        table=touchpoint.name,
    )
    return fact.needing(NOT_OVER, column("is_over", Boolean)).needing(NO_VALUE, column("is_known", Boolean))


@dataclass(frozen=True)
class Uplift(OfFact):
    """Mean revenue of the customers of several channels ÷ that of one, minus 1, over strata of as many touchpoints.

    Each stratum's two means are weighted by n1·n0 ÷ (n1 + n0), as Mantel and Haenszel do, so that a stratum counts as
    much as it can tell; n counts the customers of strata that have both sides. The interval is the percentiles of the
    bootstrap within strata and sides, with a fixed seed.
    """

    method = f"stratified bootstrap over customers, {RESAMPLES} resamples, fixed seed; none under {FEWEST} on a side"
    indivisible = "it compares customers within strata, and weighs the strata anew in each slice"

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
        code = 2 * c.touchpoints + case((c.is_multichannel, 1), else_=0)
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
    counts="customers with two or more touchpoints in their first 90 days",
    version=2,
    grains=("year", "all"),
    of=lambda settings: Uplift(first_days(settings)),
    check=refunds_have_a_rate_too,
)
