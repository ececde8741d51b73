"""KPIs of leads."""

from __future__ import annotations

from sqlalchemy import Boolean, column, select

from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
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
    of=Share(
        fact(lead, is_won=lead.c.lead_id.in_(_won)),
        where=column("is_won", Boolean),
    ),
    needs=select(opportunity.c.opportunity_id),
)
