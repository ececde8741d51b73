"""When customers first ordered, and what they did in the months since: what cohorts are made of. SQL only.

A customer belongs to the month of their first order that is not cancelled, in the project's time zone, and to the
source of that order. Two guards are here. *Left truncation*: whose first known order lies within `new_after_days` of
the first order of its source may have ordered before, and is in no cohort. *Complete months*: a month is over once the
source's newest order is of a later one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Double,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    column,
    extract,
    func,
    literal,
    null,
    or_,
    select,
)

from cxflow.kpis.cells import local_time
from cxflow.kpis.estimators import NO_CUSTOMER
from cxflow.kpis.facts import EVERYWHERE, FROM_RECORD, FROM_STREAM, Fact, Rows, seconds_between
from cxflow.kpis.order_facts import net_orders, with_origin
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header

AGE = "months_since_first"
"""The dimension of cohorts."""
NOT_NEW = "who may have ordered before the data begin"
NO_NET = "with an order without a value"

_DAY = 86_400
_SOURCES = 4096
"""More sources than there are."""
_o = order_header.c


def left_out(settings: Settings, *, needs_value: bool) -> dict[str, Fact]:
    """Reason to the orders and customers that no cohort holds for it."""
    is_new, is_valued = column("is_new", Boolean), column("is_valued", Boolean)
    order = net_orders(settings).subquery()
    found = {NO_CUSTOMER: _fact(select(order).where(order.c.customer_id.is_(None)))}
    found[NOT_NEW] = _customers(settings).where(~is_new)
    if needs_value:
        found[NO_NET] = _customers(settings).where(is_new, ~is_valued)
    return found


def every_customer(settings: Settings) -> Fact:
    """Known customers, whether or not a cohort holds them."""
    return _customers(settings)


def triangle(settings: Settings, zone: str, last: int) -> Rows:
    """What cohorts did in each month: one row per `cohort` (a month), `over` (so many months from it on are over) and
    `age` (months since the first order, up to `last`), for months that are over and, always, for age 0.

    `customers`: those who ordered in the month; `again`: those of them for whom it was not the first order only;
    `valued`: those whose orders all have a net value. `sum_1` to `sum_3`: by how much the sum of what these have spent
    so far, that of its squares and that of its cubes, grew in the month.
    """
    order = _placed_orders(settings).subquery()
    month = cast(func.date_trunc("month", local_time(order.c.at, zone)), Date).label("month")
    monthly = (
        select(
            order.c.customer_id,
            month,
            func.count().label("orders"),
            func.coalesce(func.sum(order.c.net), 0.0).label("net"),
            (func.count() > func.count(order.c.net)).label("is_unknown"),
            func.min(order.c.at).label("at"),
            func.min(order.c.place).label("place"),
        )
        .where(order.c.customer_id.is_not(None))
        .group_by(order.c.customer_id, month)
        .subquery()
    )
    m = monthly.c
    whole: dict[str, Any] = {"partition_by": m.customer_id}
    lived = select(
        m.month,
        m.orders,
        m.net,
        func.min(m.month).over(**whole).label("cohort"),
        func.min(m.at).over(**whole).label("at"),
        func.min(m.place).over(**whole).label("place"),
        func.bool_or(m.is_unknown).over(**whole).label("is_unknown"),
        func.sum(m.net).over(**whole, order_by=m.month, rows=(None, 0)).label("spent"),
    ).subquery()
    source = _sources().subquery()
    over = _number(local_time(source.c.newest, zone)) - _number(lived.c.cohort)
    aged = (
        select(lived, over.label("over"), (_number(lived.c.month) - _number(lived.c.cohort)).label("age"))
        .join_from(lived, source, source.c.rank == lived.c.place % _SOURCES)
        .where(_is_new(source, lived.c.at, settings))
        .subquery()
    )
    a = aged.c
    before = a.spent - a.net
    both = a.spent + before
    grown = (a.net, a.net * both, a.net * (both * both - a.spent * before))
    key = (a.cohort, a.over, a.age)
    return (
        select(
            *key,
            cast(func.count(), Double).label("customers"),
            cast(func.count().filter(or_(a.age > 0, a.orders > 1)), Double).label("again"),
            cast(func.count().filter(~a.is_unknown), Double).label("valued"),
            *(
                func.coalesce(func.sum(each).filter(~a.is_unknown), 0.0).label(f"sum_{power}")
                for power, each in enumerate(grown, 1)
            ),
        )
        .where(or_(a.age == 0, and_(a.age < a.over, a.age <= last)))
        .group_by(*key)
    )


def orders_of_cohorts(settings: Settings, zone: str) -> Rows:
    """What cohorts are made of, one by one: each order by a customer who is new, with the record that it comes from,
    its `number` among the customer's orders from 1, its `net` value, and `cohort`, `over` and `age` as in `triangle`.

    `is_valued`: whether all orders of its customer have a net value.
    """
    order = with_origin(_placed_orders(settings)).subquery()
    o = order.c
    month = cast(func.date_trunc("month", local_time(o.at, zone)), Date)
    whole: dict[str, Any] = {"partition_by": o.customer_id}
    lived = (
        select(
            order,
            month.label("month"),
            func.min(month).over(**whole).label("cohort"),
            func.min(o.at).over(**whole).label("first_at"),
            func.min(o.place).over(**whole).label("first_place"),
            func.bool_and(o.net.is_not(None)).over(**whole).label("is_valued"),
            func.row_number().over(**whole, order_by=(o.at, o.order_id)).label("number"),
        )
        .where(o.customer_id.is_not(None))
        .subquery()
    )
    source = _sources().subquery()
    each = lived.c
    over = _number(local_time(source.c.newest, zone)) - _number(each.cohort)
    kept = ("at", "customer_id", "source", FROM_STREAM, FROM_RECORD, "number", "net", "cohort", "is_valued")
    return (
        select(
            *(each[name] for name in kept),
            over.label("over"),
            (_number(each.month) - _number(each.cohort)).label("age"),
        )
        .join_from(lived, source, source.c.rank == each.first_place % _SOURCES)
        .where(_is_new(source, each.first_at, settings))
    )


def histories(settings: Settings, zone: str) -> Rows:
    """How each customer who is new has bought, on which days: `customer_id`; `repeats`, days with an order after the
    first; `recency_days`, from the first to the last of them; `age_days`, from the first to the newest order of their
    source; `valued`, the repeats with a net value above 0, and `spent`, the sum of these."""
    order = _placed_orders(settings).subquery()
    day = cast(local_time(order.c.at, zone), Date).label("day")
    daily = (
        select(
            order.c.customer_id,
            day,
            func.min(order.c.at).label("at"),
            func.min(order.c.place).label("place"),
            case((func.count() == func.count(order.c.net), func.sum(order.c.net))).label("net"),
        )
        .where(order.c.customer_id.is_not(None))
        .group_by(order.c.customer_id, day)
        .subquery()
    )
    first = func.min(daily.c.day).over(partition_by=daily.c.customer_id).label("first")
    each = select(daily, first).subquery()
    counts = and_(each.c.day > each.c.first, each.c.net > 0)
    bought = (
        select(
            each.c.customer_id,
            each.c.first,
            func.max(each.c.day).label("last"),
            func.min(each.c.at).label("at"),
            func.min(each.c.place).label("place"),
            (func.count() - 1).label("repeats"),
            func.count().filter(counts).label("valued"),
            func.coalesce(func.sum(each.c.net).filter(counts), 0.0).label("spent"),
        )
        .group_by(each.c.customer_id, each.c.first)
        .subquery()
    )
    source = _sources().subquery()
    b, newest = bought.c, cast(local_time(source.c.newest, zone), Date)
    return (
        select(
            b.customer_id,
            b.repeats,
            _days(b.first, b.last).label("recency_days"),
            _days(b.first, newest).label("age_days"),
            b.valued,
            b.spent,
        )
        .join_from(bought, source, source.c.rank == b.place % _SOURCES)
        .where(_is_new(source, b.at, settings))
    )


def _days(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(end.op("-", return_type=Integer())(start), Integer)


def _customers(settings: Settings) -> Fact:
    """Known customers by the time of their first order: `is_new`, whether no earlier one can be missing, and
    `is_valued`, whether all their orders have a net value."""
    order, source = _placed_orders(settings).subquery(), _sources().subquery()
    first = (
        select(
            order.c.customer_id,
            func.min(order.c.at).label("at"),
            func.min(order.c.place).label("place"),
            (func.count() == func.count(order.c.net)).label("is_valued"),
        )
        .where(order.c.customer_id.is_not(None))
        .group_by(order.c.customer_id)
        .subquery()
    )
    rows = select(first, _is_new(source, first.c.at, settings).label("is_new")).join_from(
        first, source, source.c.rank == first.c.place % _SOURCES
    )
    return _fact(rows)


def _fact(rows: Rows) -> Fact:
    """Orders or customers as events. Neither is of an age."""
    reach = {order_header.name: EVERYWHERE}
    return Fact(rows, reach, dimensions={AGE: cast(null(), String)}, table=order_header.name)


def _placed_orders(settings: Settings) -> Rows:
    """The orders, each with its `place`: when, to the second, then at which source, so that the least one of a
    customer's tells the source of the first order."""
    order, source = net_orders(settings).subquery(), _sources().subquery()
    second = cast(func.floor(extract("epoch", order.c.at)), BigInteger)
    place = second * literal(_SOURCES, BigInteger) + source.c.rank
    return select(order, place.label("place")).join_from(order, source, source.c.source == order.c.source)


def _sources() -> Rows:
    """Each source of orders: its `rank` by name, and when its first and its newest order was placed."""
    name = _o.source_system
    return (
        select(
            name.label("source"),
            cast(func.row_number().over(order_by=name.collate("C")), BigInteger).label("rank"),
            func.min(_o.created_at).label("begins"),
            func.max(_o.created_at).label("newest"),
        )
        .where(~_o.is_deleted)
        .group_by(name)
    )


def _is_new(source: FromClause, first_at: ColumnElement[Any], settings: Settings) -> ColumnElement[bool]:
    days = settings.kpis.new_after_days
    return seconds_between(source.c.begins, first_at) >= days * _DAY


def _number(at: ColumnElement[Any]) -> ColumnElement[int]:
    """The number of a month: one more than that of the month before."""
    return cast(12 * extract("year", at) + extract("month", at), Integer)
