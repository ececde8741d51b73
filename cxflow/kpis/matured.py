"""KPIs of cohorts whose window is over: returns and conversions that no later one can change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Double, case, column, func, select

from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import Fact, Reach, Rows, epoch, fact
from cxflow.kpis.horizons import Horizon
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import kept_orders
from cxflow.warehouse.tables import lead, opportunity, order_header, refund

_o, _r, _l, _d = order_header.c, refund.c, lead.c, opportunity.c
NOT_OVER = "window not over"
_DAY = 86400

_orders_known = Horizon(
    "orders_and_returns",
    select(
        _o.source_system.label("source"),
        func.greatest(_o.created_at, _o.approved_at, _o.shipped_at, _o.delivered_at, _o.cancelled_at).label(
            "at"
        ),
    )
    .where(~_o.is_deleted)
    .union_all(select(_r.source_system, _r.refunded_at).where(~_r.is_deleted)),  # type: ignore[arg-type]
    (order_header.name, refund.name),
)
_leads_known = Horizon(
    "leads_and_deals",
    select(_l.source_system.label("source"), _l.created_at.label("at"))
    .where(~_l.is_deleted)
    .union_all(  # type: ignore[arg-type]
        select(_d.source_system, func.greatest(_d.created_at, _d.closed_at)).where(~_d.is_deleted)
    ),
    (lead.name, opportunity.name),
)


def _first(at: ColumnElement[Any], of: ColumnElement[str], *conditions: ColumnElement[bool]) -> Rows:
    """For each order or lead, the first time of what is waited for."""
    return (
        select(of.label("id"), func.min(at).label("first_at"))
        .where(of.is_not(None), *conditions)
        .group_by(of)
    )


def _followed(begun: Fact, first: Rows, days: float, horizon: Horizon) -> Fact:
    """Events with `id` whose window of so many days is over, as far as their source is known, with the seconds `taken`
    until what is waited for, null if it has not come."""
    longest = days * _DAY

    def with_end(rows: Rows) -> Rows:
        row, end, known = rows.subquery(), first.subquery(), horizon.known().subquery()
        taken = (epoch(end.c.first_at) - epoch(row.c.at)).label("taken")
        watched = (epoch(known.c.known_until) - epoch(row.c.at)).label("watched")
        return (
            select(row, taken, watched)
            .outerjoin_from(row, end, end.c.id == row.c.id)
            .outerjoin(known, known.c.source == row.c.source)
        )

    reach = {begun.table: Reach(before=days, horizon=horizon)}
    return begun.derived(with_end).needing(NOT_OVER, column("watched", Double) >= longest).reaching(reach)


def _within(days: float) -> ColumnElement[bool]:
    return case((column("taken", Double) <= days * _DAY, True), else_=False)


_returned = _first(_r.refunded_at, _r.order_id, ~_r.is_deleted, func.coalesce(_r.is_return, True))
_won = _first(_d.closed_at, _d.lead_id, ~_d.is_deleted, _d.is_won.is_(True))

matured_return_rate = Kpi(
    name="matured_return_rate",
    title="Return rate within the return window",
    title_es="Tasa de devolución dentro del plazo",
    description="The share of orders of which goods came back within the window. Only orders whose window is over: it "
    "does not rise any more.",
    description_es="La proporción de pedidos con mercancía devuelta dentro del plazo. Solo pedidos cuyo plazo terminó: "
    "ya no sube.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="orders placed in the period with goods returned within return_days (default 30) ÷ orders placed in it "
    "whose return_days are over, as far as their source is known",
    formula_es="pedidos hechos en el periodo con mercancía devuelta en return_days días (por defecto, 30) ÷ "
    "pedidos hechos en él cuyos return_days días ya pasaron, hasta donde se conoce su fuente",
    counts="orders whose return_days are over",
    of=lambda settings: Share(
        _followed(kept_orders(id=_o.order_id), _returned, settings.kpis.return_days, _orders_known),
        where=_within(settings.kpis.return_days),
    ),
    needs=select(_r.order_id),
)

matured_lead_conversion_rate = Kpi(
    name="matured_lead_conversion_rate",
    title="Lead conversion rate within the window",
    title_es="Conversión de leads dentro del plazo",
    description="The share of leads that became a won deal within the window. Only leads whose window is over: it does "
    "not rise any more.",
    description_es="La proporción de leads que fueron una venta ganada dentro del plazo. Solo leads cuyo plazo "
    "terminó: ya no sube.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="leads created in the period with an opportunity won within conversion_days (default 90) ÷ leads created "
    "in it whose conversion_days are over, as far as their source is known",
    formula_es="leads creados en el periodo con una oportunidad ganada en conversion_days días (por defecto, 90) ÷ "
    "leads creados en él cuyos conversion_days días ya pasaron, hasta donde se conoce su fuente",
    counts="leads whose conversion_days are over",
    of=lambda settings: Share(
        _followed(fact(lead, id=_l.lead_id), _won, settings.kpis.conversion_days, _leads_known),
        where=_within(settings.kpis.conversion_days),
    ),
    needs=select(_d.opportunity_id),
)
