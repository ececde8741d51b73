"""The built-in plugin that declares the KPIs of this package, through the same hook as any plugin."""

from __future__ import annotations

from cxflow.hookspecs import hookimpl
from cxflow.kpis import calls, cases, contact, leads, orders, reviews, survey
from cxflow.kpis.experience import loyalty, memory, net, omnichannel, preventable
from cxflow.kpis.kpi import Kpi

KPIS: tuple[Kpi, ...] = (
    survey.nps,
    survey.csat,
    survey.ces,
    reviews.review_rating,
    contact.contact_rate,
    contact.first_contact_resolution,
    calls.average_handle_time,
    calls.average_speed_of_answer,
    calls.abandonment_rate,
    calls.service_level_80_20,
    cases.first_reply_minutes,
    cases.first_reply_minutes_p90,
    cases.resolution_minutes,
    cases.resolution_minutes_p90,
    orders.on_time_delivery_rate,
    orders.return_rate,
    orders.average_order_value,
    orders.repeat_purchase_rate,
    orders.retention_rate,
    leads.lead_conversion_rate,
    net.net_experience,
    net.net_experience_per_customer,
    net.judged_share,
    memory.memory_index,
    memory.memory_index_1,
    memory.memory_index_2_3,
    memory.memory_index_4_or_more,
    loyalty.churn_after_bad_experience,
    loyalty.churn_after_bad_experience_difference,
    loyalty.repurchase_after_good_experience,
    loyalty.repurchase_after_good_experience_difference,
    omnichannel.omnichannel_uplift,
    preventable.preventable_contact_rate,
    preventable.preventable_share,
)


@hookimpl
def cxflow_kpis() -> tuple[Kpi, ...]:
    """The built-in KPIs."""
    return KPIS
