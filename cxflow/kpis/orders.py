"""KPIs of orders: returns, value, repeat purchases and retention."""

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
from cxflow.kpis.estimators import Mean, RepeatShare, Retained, Share
from cxflow.kpis.facts import Fact, Rows, fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.ratio import Ratio
from cxflow.kpis.totals import Total
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, order_line, refund

_t = order_header.c
is_cancelled = func.coalesce(_t.is_cancelled, _t.cancelled_at.is_not(None))
"""Whether an order was cancelled: what the source says, else whether there is a time of it."""
_kept = column("is_cancelled", Boolean).is_(False)


def kept_orders(**measures: ColumnElement[Any]) -> Fact:
    """Orders that are not cancelled, by `created_at`, with these measures."""
    return fact(order_header, None, None, is_cancelled=is_cancelled, **measures).where(_kept)


kept = kept_orders()
"""Orders that are not cancelled, by `created_at`."""

_returns = select(refund.c.order_id).where(
    refund.c.order_id.is_not(None), ~refund.c.is_deleted, func.coalesce(refund.c.is_return, True)
)

return_rate = Kpi(
    name="return_rate",
    title="Return rate",
    title_es="Tasa de devolución",
    description="The share of orders of which goods came back. Recent periods will still rise.",
    description_es="La proporción de pedidos con mercancía devuelta. Los periodos recientes aún subirán.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="orders placed in the period with goods returned so far ÷ orders placed in it",
    of=Share(
        kept_orders(is_returned=_t.order_id.in_(_returns)),
        where=column("is_returned", Boolean),
    ),
    needs=select(refund.c.order_id),
)


def rate(currency: ColumnElement[Any], settings: Settings) -> ColumnElement[Any]:
    """What one unit of a currency is worth in the project's; null where no rate is known."""
    rates = {**settings.kpis.rates, settings.project.currency: 1.0}
    return case({code: literal(rate, Double) for code, rate in rates.items()}, value=currency)


def valued(settings: Settings) -> Fact:
    """Orders that are not cancelled, by `created_at`: `value` in the project's currency.

    The value is `price_total` or, if that is null, the sum of the order's lines; null if there is neither.
    """
    price = cast(_t.price_total, Double) * rate(_t.currency_code, settings)
    orders = kept_orders(order_id=_t.order_id, price=price)
    line_price = cast(order_line.c.line_total, Double) * rate(order_line.c.currency_code, settings)
    lines = (
        select(order_line.c.order_id, func.sum(line_price).label("price"))
        .where(~order_line.c.is_deleted)
        .group_by(order_line.c.order_id)
        .subquery()
    )

    def with_value(rows: Rows) -> Rows:
        order = rows.subquery()
        value = func.coalesce(order.c.price, lines.c.price).label("value")
        return select(order, value).join_from(
            order, lines, lines.c.order_id == order.c.order_id, isouter=True
        )

    return orders.derived(with_value)


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


def refuse_unknown(used: Set[str], what: str, settings: Settings) -> None:
    """Raise ConfigError for a currency without a rate."""
    unknown = sorted(used - set(settings.kpis.rates) - {settings.project.currency})
    if unknown:
        raise ConfigError(
            f"{what} in {', '.join(unknown)}, which has no rate to {settings.project.currency}",
            value=unknown[0],
            fix=f"add {unknown[0]} = <{settings.project.currency} for one {unknown[0]}> under [kpis.rates]",
        )


average_order_value = Kpi(
    name="average_order_value",
    title="Average order value",
    title_es="Valor medio del pedido",
    description="What an order is worth on average.",
    description_es="Lo que vale un pedido de media.",
    decimals=2,
    unit="project currency",
    better="higher",
    formula="value of the orders placed in the period ÷ those orders; the value is price_total, or the sum of the "
    "lines if that is missing, converted with [kpis.rates]",
    of=lambda settings: Mean(valued(settings), column("value", Double)),
    check=every_currency_has_a_rate,
)

repeat_purchase_rate = Kpi(
    name="repeat_purchase_rate",
    title="Repeat purchase rate",
    title_es="Tasa de recompra",
    description="The share of a period's customers who ordered more than once in it.",
    description_es="La proporción de clientes de un periodo que pidieron más de una vez en él.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="customers with 2 or more orders in the period ÷ customers with 1 or more",
    of=RepeatShare(kept),
)

retention_rate = Kpi(
    name="retention_rate",
    title="Retention rate",
    title_es="Tasa de retención",
    description="The share of the previous period's customers who ordered again in this one.",
    description_es="La proporción de clientes del periodo anterior que volvieron a pedir en este.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="customers of the previous period who ordered again in this one ÷ customers of the previous period",
    of=Retained(kept),
    grains=("week", "month", "quarter", "year"),
)


def _returned(settings: Settings) -> Fact:
    """Orders with their `value`, and what was `returned` of it, 0 for most; in the project's currency."""
    r = refund.c
    price = cast(r.refund_total, Double) * rate(r.currency_code, settings)
    refunds = (
        select(r.order_id, func.sum(price).label("price"))
        .where(r.order_id.is_not(None), ~r.is_deleted, func.coalesce(r.is_return, True))
        .group_by(r.order_id)
        .subquery()
    )

    def with_returns(rows: Rows) -> Rows:
        order = rows.subquery()
        # A return of unknown worth leaves its order out; an order without a return has none.
        returned = case((refunds.c.order_id.is_(None), 0.0), else_=refunds.c.price).label("returned")
        return select(order, returned).join_from(
            order, refunds, refunds.c.order_id == order.c.order_id, isouter=True
        )

    return valued(settings).derived(with_returns)


def _every_currency_of_returns_has_a_rate(connection: Connection, settings: Settings) -> None:
    """Check that `[kpis.rates]` converts every currency of orders and refunds. Raises ConfigError."""
    every_currency_has_a_rate(connection, settings)
    used = set(
        connection.scalars(
            select(refund.c.currency_code).where(~refund.c.is_deleted, refund.c.refund_total > 0)
        )
    )
    refuse_unknown(used, "refunds are", settings)


return_rate_by_revenue = Kpi(
    name="return_rate_by_revenue",
    title="Return rate by revenue",
    title_es="Tasa de devolución por importe",
    description="The share of the sold value that came back. Recent periods will still rise.",
    description_es="La proporción del importe vendido que se devolvió. Los periodos recientes aún subirán.",
    unit="share",
    better="lower",
    lowest=0,
    formula="value of the returns so far of the orders placed in the period ÷ value of those orders, both converted "
    "with [kpis.rates]",
    of=lambda settings: Ratio(_returned(settings), column("returned", Double), column("value", Double)),
    check=_every_currency_of_returns_has_a_rate,
    needs=select(refund.c.order_id),
)

revenue = Kpi(
    name="revenue",
    title="Revenue",
    title_es="Ingresos",
    description="What the orders of the period are worth together, before returns.",
    description_es="Lo que valen juntos los pedidos del periodo, antes de devoluciones.",
    unit="project currency",
    better="higher",
    decimals=0,
    formula="sum of the values of the orders placed in the period, as in average_order_value",
    of=lambda settings: Total(valued(settings), column("value", Double)),
    check=every_currency_has_a_rate,
)
