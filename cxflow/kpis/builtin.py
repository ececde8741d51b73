"""The built-in plugin that declares the KPIs of this package, through the same hook as any plugin."""

from __future__ import annotations

from cxflow.hookspecs import hookimpl
from cxflow.kpis import (
    calls,
    cases,
    contact,
    deliveries,
    leads,
    orders,
    retention,
    reviews,
    survey,
    touchpoints,
)
from cxflow.kpis.experience import loyalty, memory, net, omnichannel, preventable
from cxflow.kpis.kpi import Kpi

KPIS: tuple[Kpi, ...] = (
    survey.nps,
    survey.nps_weighted,
    survey.csat,
    survey.csat_weighted,
    survey.ces,
    survey.ces_top,
    survey.ces_net,
    survey.fcr_survey,
    survey.response_rate,
    reviews.review_rating,
    reviews.review_rating_bayes,
    touchpoints.touchpoints,
    touchpoints.net_sentiment,
    contact.contact_rate,
    contact.first_contact_resolution,
    contact.repeat_contact_rate_7d,
    calls.average_handle_time,
    calls.average_speed_of_answer,
    calls.abandonment_rate,
    calls.abandonment_rate_excluding_short,
    calls.service_level_80_20,
    calls.service_level_of_offered,
    calls.service_level_of_queued,
    calls.transfer_rate,
    calls.wait_seconds_p90,
    cases.first_reply_minutes,
    cases.first_reply_minutes_p90,
    cases.resolution_minutes,
    cases.resolution_minutes_p90,
    cases.first_reply_minutes_of_opened,
    cases.resolution_minutes_of_opened,
    cases.reopen_rate,
    cases.fcr_one_touch,
    cases.backlog,
    deliveries.on_time_delivery_rate,
    deliveries.on_time_delivery_rate_of_due,
    deliveries.delivery_days,
    deliveries.delivery_days_p90,
    orders.return_rate,
    orders.return_rate_by_revenue,
    orders.refund_rate,
    orders.average_order_value,
    orders.revenue,
    orders.net_revenue,
    retention.repeat_purchase_rate,
    retention.retention_rate,
    retention.churn_rate,
    retention.net_revenue_retention,
    retention.gross_revenue_retention,
    leads.lead_conversion_rate,
    leads.win_rate,
    leads.sales_cycle_days,
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
