"""Customers in the time from their first touchpoint: the channels that they used, and what they bought after.

`omnichannel` compares them with each other; `lived` has what they did, one by one.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Double,
    String,
    and_,
    cast,
    column,
    func,
    null,
    select,
    union_all,
)

from cxflow.kpis.customers_then import with_customers
from cxflow.kpis.facts import (
    EVERYWHERE,
    FROM_RECORD,
    FROM_STREAM,
    Fact,
    Rows,
    newest,
    origin,
    seconds_between,
)
from cxflow.kpis.order_facts import is_cancelled, net_orders, with_origin
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, order_line, refund, touchpoint

EXPOSED = timedelta(days=90)
"""How long from a customer's first touchpoint channels are counted."""
FOLLOWED = timedelta(days=180)
"""How long after that their net revenue is counted."""
MOST_TOUCHPOINTS = 10
"""Customers with as many touchpoints or more are one stratum."""
NOT_OVER = "270 days not over"
NO_VALUE = "with an order without a value"

_t = touchpoint.c
_IS_OWN: tuple[ColumnElement[bool], ...] = (
    ~_t.is_deleted,
    _t.customer_id.is_not(None),
    # What the brand sends is no channel that the customer uses.
    func.coalesce(_t.direction, "") != "outbound",
)


def first_days(settings: Settings) -> Fact:
    """Customers with at least two touchpoints in the 90 days from their first one, by its time: `touchpoints` (10
    stands for more), `is_multichannel`, and `revenue`, net, of the 180 days after."""
    o = order_header.c
    first = func.min(_t.occurred_at).over(partition_by=_t.customer_id)
    met = select(_t.customer_id, _t.occurred_at, _t.channel, first.label("at")).where(*_IS_OWN).subquery()
    exposed = (
        select(
            met.c.customer_id,
            met.c.at,
            func.least(func.count(), MOST_TOUCHPOINTS).label("touchpoints"),
            # Not `count(DISTINCT …)`, which takes a database several times as long.
            (func.min(met.c.channel) != func.max(met.c.channel)).label("is_multichannel"),
        )
        .where(_is_exposed(seconds_between(met.c.at, met.c.occurred_at)))
        .group_by(met.c.customer_id, met.c.at)
        .having(func.count() > 1)
        .cte("exposed", nesting=True)
    )
    order = net_orders(settings).subquery()
    since = seconds_between(exposed.c.at, order.c.at)
    bought = (
        select(
            order.c.customer_id,
            func.sum(order.c.net).label("revenue"),
            func.bool_or(order.c.net.is_(None)).label("is_unknown"),
        )
        .join_from(order, exposed, exposed.c.customer_id == order.c.customer_id)
        .where(_is_after(since))
        .group_by(order.c.customer_id)
        .subquery()
    )
    last = newest(select(o.created_at.label("at")).where(~o.is_deleted, ~is_cancelled))
    who = exposed.outerjoin(bought, bought.c.customer_id == exposed.c.customer_id)
    joined, was = with_customers(who, exposed.c.customer_id, exposed.c.at)
    rows = select(
        exposed,
        func.coalesce(bought.c.revenue, 0.0).label("revenue"),
        func.coalesce(~bought.c.is_unknown, True).label("is_known"),
        (seconds_between(exposed.c.at, last) >= (EXPOSED + FOLLOWED).total_seconds()).label("is_over"),
        was["segment"].label("segment"),
        was["country"].label("by_country"),
        was["consent"].label("by_consent"),
    ).select_from(joined)
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


def lived(customers: Fact, orders: Rows) -> Rows:
    """What customers of `first_days` did: the touchpoints of their first 90 days and the orders of the 180 days after,
    by `at`, with `customer_id`, the record that each comes from, `net`, null for touchpoints, and the customer's
    `touchpoints` and `is_multichannel`. `orders`: those of `net_orders`."""
    who, order = customers.rows.cte("who"), with_origin(orders).subquery()
    of_customer = (who.c.customer_id, who.c.touchpoints, who.c.is_multichannel)
    met = (
        select(
            *of_customer,
            _t.occurred_at.label("at"),
            _t.source_system.label("source"),
            *origin(touchpoint),
            cast(null(), Double).label("net"),
        )
        .join_from(who, touchpoint, _t.customer_id == who.c.customer_id)
        .where(*_IS_OWN, _is_exposed(seconds_between(who.c.at, _t.occurred_at)))
    )
    bought = (
        select(*of_customer, *(order.c[name] for name in ("at", "source", FROM_STREAM, FROM_RECORD, "net")))
        .join_from(who, order, order.c.customer_id == who.c.customer_id)
        .where(_is_after(seconds_between(who.c.at, order.c.at)))
    )
    return select(union_all(met, bought).subquery())


def _is_exposed(since: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether so many seconds from the first touchpoint lie in the time whose channels are counted."""
    return since < EXPOSED.total_seconds()


def _is_after(since: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether they lie in the time whose revenue is counted."""
    begin, end = EXPOSED.total_seconds(), (EXPOSED + FOLLOWED).total_seconds()
    return and_(since >= begin, since < end)
