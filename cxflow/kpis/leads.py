"""KPIs of leads and deals."""

from __future__ import annotations

from sqlalchemy import Boolean, Double, String, column, select

from cxflow.kpis.customers_then import with_customers
from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import SAME_DAY, Fact, fact, origin, seconds_between
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.quantile import Quantile
from cxflow.warehouse.tables import lead, opportunity

_won = select(opportunity.c.lead_id).where(
    ~opportunity.c.is_deleted, opportunity.c.is_won.is_(True), opportunity.c.lead_id.is_not(None)
)

lead_conversion_rate = Kpi(
    name="lead_conversion_rate",
    title="Lead conversion rate",
    title_es="Conversión de leads",
    description="The share of leads that have become a won deal so far. Recent periods will still rise.",
    description_es="La proporción de leads que ya son una venta ganada. Los periodos recientes aún subirán.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="leads created in the period with a won opportunity so far ÷ leads created in it",
    formula_es="leads creados en el periodo con una oportunidad ganada hasta ahora ÷ leads creados en él",
    of=Share(
        fact(lead, is_won=lead.c.lead_id.in_(_won)),
        where=column("is_won", Boolean),
    ),
    needs=select(opportunity.c.opportunity_id),
)

_o = opportunity.c


def _closed_deals() -> Fact:
    """Deals by `closed_at` that were won or lost: `is_won`, and `days_taken` from opening to closing."""
    joined, was = with_customers(opportunity, _o.customer_id, _o.closed_at)
    rows = (
        select(
            _o.closed_at.label("at"),
            _o.source_system.label("source"),
            _o.customer_id,
            was["segment"].label("segment"),
            *origin(opportunity),
            _o.is_won,
            _o.stage.label("by_stage"),
            was["country"].label("by_country"),
            (seconds_between(_o.created_at, _o.closed_at) / 86400).label("days_taken"),
        )
        .select_from(joined)
        .where(~_o.is_deleted, _o.closed_at.is_not(None), _o.is_won.is_not(None))
    )
    dimensions = {
        "source": column("source", String),
        "segment": column("segment", String),
        "stage": column("by_stage", String),
        "country": column("by_country", String),
    }
    return Fact(rows, {opportunity.name: SAME_DAY}, dimensions=dimensions, table=opportunity.name)


closed_deals = _closed_deals()
"""A deal is no touchpoint, and has no channel."""
_days_taken = column("days_taken", Double)
_is_won = column("is_won", Boolean)

win_rate = Kpi(
    name="win_rate",
    title="Win rate",
    title_es="Tasa de cierre",
    description="The share of decided deals that were won.",
    description_es="La proporción de oportunidades decididas que se ganaron.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="deals won ÷ deals won or lost, closed in the period",
    formula_es="oportunidades ganadas ÷ oportunidades ganadas o perdidas, cerradas en el periodo",
    of=Share(closed_deals, where=_is_won),
)

sales_cycle_days = Kpi(
    name="sales_cycle_days",
    title="Sales cycle, median",
    title_es="Ciclo de venta, mediana",
    description="Half of the won deals took at most this long from opening to winning.",
    description_es="La mitad de las oportunidades ganadas tardaron como mucho este plazo desde su apertura.",
    unit="days",
    better="lower",
    lowest=0,
    decimals=1,
    formula="median days from opening to closing, deals won in the period",
    formula_es="mediana de los días desde la apertura hasta el cierre, de las oportunidades ganadas en el periodo",
    of=Quantile(closed_deals.where(_is_won), _days_taken, 0.5),
)
