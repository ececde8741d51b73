"""Orders and what came after an experience of them: the facts of churn and repurchase. SQL over kept orders.

Two guards are here. *Complete follow-up*: whose 90 days are not over yet, measured up to the newest order of the same
source, is left out. *Landmark*: compared orders are followed from 14 days after the order on, and only evidence of
those 14 days counts; or who stays long would have more time for an experience.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from cxflow.kpis.estimators import NO_CUSTOMER
from cxflow.kpis.experience.judgement import NAME
from cxflow.kpis.experience.moments import epoch
from cxflow.kpis.facts import EVERYWHERE, Fact, Rows, seconds_between
from cxflow.kpis.order_facts import is_cancelled, kept_orders
from cxflow.warehouse.tables import order_header, touchpoint_judgement

FOLLOWED = timedelta(days=90)
"""How long customers are followed."""
LANDMARK = timedelta(days=14)
"""How long after the order its experiences count and, after which, customers are followed."""
NOT_OVER = "90 days not over"

_ORDERS = ((1, "first"), (3, "2nd or 3rd"))
"""The last of a customer's orders in each band, and the band's name."""
_LATER = "4th or later"
_GAPS = ((30, "≤ 30 days"), (90, "≤ 90 days"))
"""The most days since the order before in each band, and the band's name."""
_LONGER_AGO = "longer ago"
STRATA = (
    "first, ",
    *(
        f"{which}, {gap}"
        for which in ("2nd or 3rd", _LATER)
        for gap in ("≤ 30 days", "≤ 90 days", _LONGER_AGO)
    ),
)
"""Customers are compared within these."""

_o = order_header.c
_j = touchpoint_judgement.c

_orders = kept_orders(order_id=_o.order_id, order_source=_o.source_system).needing(
    NO_CUSTOMER, column("customer_id").is_not(None)
)


def after_experience(polarity: int) -> Fact:
    """Orders whose worst (best) counted experience has this polarity, by the time of the first such: `is_followed` is
    whether the customer placed another order in the 90 days after it."""

    def lived(rows: Rows) -> Rows:
        order, experience = rows.subquery(), _experiences(polarity).subquery()
        return select(*_renamed(order, {"at": experience.c.lived_at})).where(
            experience.c.order_id == order.c.order_id
        )

    experienced = _orders.derived(lived)
    return _over(experienced.derived(_followed), FOLLOWED).reaching(
        {NAME: EVERYWHERE, "order_header": EVERYWHERE}
    )


def compared(polarity: int) -> Fact:
    """Judged orders, by the time of the order: `is_exposed` is whether there was an experience of this polarity within
    14 days, `is_followed` whether the customer ordered again in the 90 days after these; `stratum` is the order's
    number among the customer's, with the days since the one before.

    An experience that names no order belongs to the customer's last order before it.
    """
    followed = _orders.derived(lambda rows: _followed(_placed(rows), LANDMARK))
    judged = followed.derived(lambda rows: _exposed(rows, polarity))
    return _over(judged, LANDMARK + FOLLOWED).reaching({NAME: EVERYWHERE, "order_header": EVERYWHERE})


def _experiences(polarity: int) -> Rows:
    return (
        select(_j.order_id, func.min(_j.occurred_at).label("lived_at"))
        .where(_j.is_counted, _j.polarity == polarity, _j.order_id.is_not(None))
        .group_by(_j.order_id)
    )


def _followed(rows: Rows, wait: timedelta = timedelta(0)) -> Rows:
    """The rows, each with whether its customer placed an order in the 90 days that begin `wait` after it."""
    row = rows.subquery()
    since = epoch(row.c.at) + wait.total_seconds()
    number = func.row_number().over(order_by=(row.c.at, row.c.order_id)).label("number")
    numbered = select(row, since.label("since"), number).cte("followed")
    orders = select(
        _o.customer_id, epoch(_o.created_at).label("since"), cast(null(), Integer).label("number")
    ).where(~_o.is_deleted, ~is_cancelled)
    event = union_all(
        orders, select(numbered.c.customer_id, numbered.c.since, cast(numbered.c.number, Integer))
    ).subquery()
    is_order = event.c.number.is_(None)
    # Backwards in time: what is strictly later comes first.
    next_order = func.min(case((is_order, event.c.since), else_=null())).over(
        partition_by=event.c.customer_id,
        order_by=(event.c.since.desc(), case((is_order, 1), else_=0)),
        rows=(None, 0),
    )
    following = select(event.c.number, next_order.label("next_order")).subquery()
    is_followed = following.c.next_order - numbered.c.since <= FOLLOWED.total_seconds()
    columns = [each for each in numbered.c if each.name not in ("since", "number")]
    return select(*columns, func.coalesce(is_followed, False).label("is_followed")).where(
        following.c.number == numbered.c.number
    )


def _placed(rows: Rows) -> Rows:
    """The orders, each with its stratum, and `until`: when the customer's next order was placed."""
    order = rows.subquery()
    of_customer: dict[str, Any] = {
        "partition_by": order.c.customer_id,
        "order_by": (order.c.at, order.c.order_id.collate("C")),
    }
    number = func.row_number().over(**of_customer)
    days = seconds_between(func.lag(order.c.at).over(**of_customer), order.c.at) / 86_400
    which = case(*((number <= last, name) for last, name in _ORDERS), else_=_LATER)
    gap = case((days.is_(None), ""), *((days <= most, name) for most, name in _GAPS), else_=_LONGER_AGO)
    return select(
        order,
        (which + literal(", ") + gap).label("stratum"),
        func.lead(order.c.at).over(**of_customer).label("until"),
    )


def _exposed(rows: Rows, polarity: int) -> Rows:
    """The orders of which something was judged by the landmark."""
    order = rows.cte("placed")
    by_then = and_(
        _j.polarity.is_not(None),
        _j.occurred_at >= order.c.at,
        seconds_between(order.c.at, _j.occurred_at) <= LANDMARK.total_seconds(),
    )
    named = select(order.c.order_id, _j.polarity).where(by_then, _j.order_id == order.c.order_id)
    unnamed = select(order.c.order_id, _j.polarity).where(
        by_then,
        _j.order_id.is_(None),
        _j.customer_id == order.c.customer_id,
        or_(order.c.until.is_(None), _j.occurred_at < order.c.until),
    )
    evidence = union_all(named, unnamed).subquery()
    judged = (
        select(evidence.c.order_id, func.bool_or(evidence.c.polarity == polarity).label("is_exposed"))
        .group_by(evidence.c.order_id)
        .subquery()
    )
    return select(order, judged.c.is_exposed).where(judged.c.order_id == order.c.order_id)


def _over(followed: Fact, wait: timedelta) -> Fact:
    """Only events whose follow-up is over: the source's newest order is that much later."""
    newest = (
        select(_o.source_system, func.max(_o.created_at).label("newest"))
        .where(~_o.is_deleted, ~is_cancelled)
        .group_by(_o.source_system)
        .subquery()
    )

    def with_horizon(rows: Rows) -> Rows:
        row = rows.subquery()
        is_over = seconds_between(row.c.at, newest.c.newest) >= wait.total_seconds()
        return select(row, is_over.label("is_over")).where(newest.c.source_system == row.c.order_source)

    over = followed.derived(with_horizon).needing(NOT_OVER, column("is_over", Boolean))
    return replace(over, followed_days=wait.days)


def _renamed(rows: Any, changed: dict[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [changed.get(each.name, each).label(each.name) for each in rows.c]
