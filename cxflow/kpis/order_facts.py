"""Facts of orders: those that count, what they are worth, and what was refunded of them.

Amounts are in the project's currency, converted with `[kpis.rates]`.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Double,
    case,
    cast,
    column,
    func,
    literal,
    select,
)

from cxflow.errors import ConfigError
from cxflow.kpis.facts import Fact, Rows, fact, origin
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, order_line, refund

_t = order_header.c
_r = refund.c
is_cancelled = func.coalesce(_t.is_cancelled, _t.cancelled_at.is_not(None))
"""Whether an order was cancelled: what the source says, else whether there is a time of it."""
_kept = column("is_cancelled", Boolean).is_(False)


def kept_orders(**measures: ColumnElement[Any]) -> Fact:
    """Orders that are not cancelled, by `created_at`, with these measures."""
    return fact(order_header, None, None, is_cancelled=is_cancelled, **measures).where(_kept)


kept = kept_orders()
"""Orders that are not cancelled, by `created_at`."""


def rate(currency: ColumnElement[Any], settings: Settings) -> ColumnElement[Any]:
    """What one unit of a currency is worth in the project's; null where no rate is known."""
    rates = {**settings.kpis.rates, settings.project.currency: 1.0}
    return case({code: literal(rate, Double) for code, rate in rates.items()}, value=currency)


def valued(settings: Settings) -> Fact:
    """Orders that are not cancelled, by `created_at`: `value` in the project's currency.

    The value is `price_total` or, if that is null, the sum of the order's lines; null if there is neither.
    """
    orders = kept_orders(order_id=_t.order_id, **_own_amounts(settings))
    return orders.derived(lambda rows: _with_value(rows, settings))


def net_of_refunds(settings: Settings) -> Fact:
    """Orders as `valued`, with `net`: their value less what was refunded of them so far, with or without goods.

    What was refunded is the sum of the order's refunds or, if there are none or one of them has no amount, the order's
    own `refund_total`. Null if the value is, or if a refund has no amount and the order none either.
    """
    return valued(settings).derived(lambda rows: _with_net(rows, settings))


def net_orders(settings: Settings) -> Rows:
    """The same orders without what they may be sliced by, which costs joins: `order_id`, `customer_id`, `at`, `source`
    and `net`."""
    rows = select(
        _t.order_id,
        _t.customer_id,
        _t.created_at.label("at"),
        _t.source_system.label("source"),
        *(amount.label(name) for name, amount in _own_amounts(settings).items()),
    ).where(~_t.is_deleted, ~is_cancelled)
    order = _with_net(_with_value(rows, settings), settings).subquery()
    return select(*(order.c[name] for name in ("order_id", "customer_id", "at", "source", "net")))


def with_origin(orders: Rows) -> Rows:
    """Orders, each with the record that its row was made from: the columns FROM_STREAM and FROM_RECORD."""
    order = orders.subquery()
    return select(order, *origin(order_header)).join_from(
        order, order_header, _t.order_id == order.c.order_id
    )


def _own_amounts(settings: Settings) -> dict[str, ColumnElement[float]]:
    """What the order itself says: its `price`, and its `own_refund`."""
    converted = rate(_t.currency_code, settings)
    return {
        "price": cast(_t.price_total, Double) * converted,
        "own_refund": cast(_t.refund_total, Double) * converted,
    }


def _with_value(rows: Rows, settings: Settings) -> Rows:
    price = cast(order_line.c.line_total, Double) * rate(order_line.c.currency_code, settings)
    lines = (
        select(order_line.c.order_id, func.sum(price).label("price"))
        .where(~order_line.c.is_deleted)
        .group_by(order_line.c.order_id)
        .subquery()
    )
    order = rows.subquery()
    value = func.coalesce(order.c.price, lines.c.price).label("value")
    return select(order, value).join_from(order, lines, lines.c.order_id == order.c.order_id, isouter=True)


def _with_net(rows: Rows, settings: Settings) -> Rows:
    amount = cast(_r.refund_total, Double) * rate(_r.currency_code, settings)
    is_known = func.count() == func.count(amount)
    refunds = (
        select(_r.order_id, case((is_known, func.sum(amount))).label("refunded"))
        .where(~_r.is_deleted, _r.order_id.is_not(None))
        .group_by(_r.order_id)
        .subquery()
    )
    order = rows.subquery()
    nothing = case((refunds.c.order_id.is_(None), 0.0))
    refunded = func.coalesce(refunds.c.refunded, order.c.own_refund, nothing)
    return select(order, (order.c.value - refunded).label("net")).join_from(
        order, refunds, refunds.c.order_id == order.c.order_id, isouter=True
    )


def every_currency_has_a_rate(connection: Connection, settings: Settings) -> None:
    """Check that `[kpis.rates]` converts every currency of the orders' values. Raises ConfigError."""
    kept_orders = select(_t.order_id).where(~_t.is_deleted, ~is_cancelled)
    of_orders = select(_t.currency_code).where(~_t.is_deleted, ~is_cancelled, _t.price_total.is_not(None))
    of_lines = select(order_line.c.currency_code).where(
        ~order_line.c.is_deleted,
        order_line.c.line_total.is_not(None),
        order_line.c.order_id.in_(kept_orders.where(_t.price_total.is_(None))),
    )
    refuse_unknown(set(connection.scalars(of_orders.union(of_lines))), "orders are", settings)


def refunds_have_a_rate_too(connection: Connection, settings: Settings) -> None:
    """Check that `[kpis.rates]` converts what orders are worth and what was refunded. Raises ConfigError."""
    every_currency_has_a_rate(connection, settings)
    used = select(_r.currency_code).where(~_r.is_deleted, _r.refund_total.is_not(None))
    of_orders = select(_t.currency_code).where(~_t.is_deleted, ~is_cancelled, _t.refund_total.is_not(None))
    refuse_unknown(set(connection.scalars(used.union(of_orders))), "refunds are", settings)


def refuse_unknown(used: Set[str], what: str, settings: Settings) -> None:
    """Raise ConfigError for a currency without a rate."""
    unknown = sorted(used - set(settings.kpis.rates) - {settings.project.currency})
    if unknown:
        raise ConfigError(
            f"{what} in {', '.join(unknown)}, which has no rate to {settings.project.currency}",
            value=unknown[0],
            fix=f"add {unknown[0]} = <{settings.project.currency} for one {unknown[0]}> under [kpis.rates]",
        )
