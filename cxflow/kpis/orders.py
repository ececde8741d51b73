"""KPIs of orders: what they are worth, and what came back of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Connection, Double, case, cast, column, func, or_, select, union_all

from cxflow.kpis.estimators import Mean, Share
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import (
    every_currency_has_a_rate,
    kept_orders,
    net_of_refunds,
    rate,
    refunds_have_a_rate_too,
    refuse_unknown,
    valued,
)
from cxflow.kpis.ratio import Ratio
from cxflow.kpis.totals import Total
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, refund

_t = order_header.c
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
    formula_es="pedidos hechos en el periodo con mercancía devuelta hasta ahora ÷ pedidos hechos en él",
    of=Share(
        kept_orders(is_returned=_t.order_id.in_(_returns)),
        where=column("is_returned", Boolean),
    ),
    needs=select(refund.c.order_id),
)

_refunds = select(refund.c.order_id).where(
    refund.c.order_id.is_not(None), ~refund.c.is_deleted, func.coalesce(refund.c.refund_total, 1) > 0
)
_refunded = or_(func.coalesce(_t.refund_total, 0) > 0, _t.order_id.in_(_refunds))
_any_refund = select(
    union_all(select(refund.c.order_id), select(_t.order_id).where(_t.refund_total.is_not(None))).subquery()
)
"""Rows if any source tells what was refunded."""

refund_rate = Kpi(
    name="refund_rate",
    title="Refund rate",
    title_es="Tasa de reembolso",
    description="The share of orders of which money was given back, with or without goods. Recent periods will still "
    "rise.",
    description_es="La proporción de pedidos de los que se reembolsó dinero, con o sin mercancía devuelta. Los "
    "periodos recientes aún subirán.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="orders placed in the period with money refunded so far ÷ orders placed in it",
    formula_es="pedidos hechos en el periodo con dinero reembolsado hasta ahora ÷ pedidos hechos en él",
    of=Share(kept_orders(is_refunded=_refunded), where=column("is_refunded", Boolean)),
    needs=_any_refund,
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
    formula_es="importe de los pedidos hechos en el periodo ÷ esos pedidos; el importe es price_total o, si falta, "
    "la suma de las líneas, convertido con [kpis.rates]",
    of=lambda settings: Mean(valued(settings), column("value", Double)),
    check=every_currency_has_a_rate,
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
    formula_es="importe de las devoluciones hasta ahora de los pedidos hechos en el periodo ÷ importe de esos "
    "pedidos, ambos convertidos con [kpis.rates]",
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
    formula_es="suma de los importes de los pedidos hechos en el periodo, como en «Valor medio del pedido»",
    of=lambda settings: Total(valued(settings), column("value", Double)),
    check=every_currency_has_a_rate,
)

net_revenue = Kpi(
    name="net_revenue",
    title="Net revenue",
    title_es="Ingresos netos",
    description="What the orders of the period are worth together, less what was refunded of them. Recent periods "
    "will still fall.",
    description_es="Lo que valen juntos los pedidos del periodo, menos lo reembolsado de ellos. Los periodos "
    "recientes aún bajarán.",
    unit="project currency",
    better="higher",
    decimals=0,
    formula="sum of the values of the orders placed in the period, as in average_order_value, less what was refunded "
    "of these orders so far, both converted with [kpis.rates]",
    formula_es="suma de los importes de los pedidos hechos en el periodo, como en «Valor medio del pedido», menos "
    "lo reembolsado de ellos hasta ahora, ambos convertidos con [kpis.rates]",
    of=lambda settings: Total(net_of_refunds(settings), column("net", Double)),
    check=refunds_have_a_rate_too,
    needs=_any_refund,
)
