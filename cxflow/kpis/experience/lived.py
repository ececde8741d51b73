"""The facts of experiences: the rows of `touchpoint_judgement` as events."""

from __future__ import annotations

from sqlalchemy import Boolean, Integer, String, column, select

from cxflow.kpis.customers_then import with_customers
from cxflow.kpis.experience.judgement import NAME, READ
from cxflow.kpis.experience.verdicts import ONE_EXPERIENCE
from cxflow.kpis.facts import CUSTOMERS_NOW, SAME_DAY, USUAL, Fact, customers_now
from cxflow.warehouse.tables import touchpoint_judgement

polarity = column("polarity", Integer)


def _lived() -> Fact:
    j = touchpoint_judgement.c
    joined, was = with_customers(touchpoint_judgement, j.customer_id, j.occurred_at)
    offered = {
        "activity": j.activity,
        "consent": was["consent"],
        "control": j.control,
        "country": was["country"],
        "journey_stage": j.journey_stage,
        "rule": j.rule,
    }
    rows = select(
        j.occurred_at.label("at"),
        j.channel,
        j.source_system.label("source"),
        j.customer_id,
        was["segment"].label("segment"),
        *customers_now(),
        j.judgement_id,
        j.touchpoint_id,
        j.order_id,
        j.case_id,
        j.polarity,
        j.intensity,
        j.is_counted,
        *(each.label(f"by_{name}") for name, each in offered.items()),
    ).select_from(joined)
    sliced = {name: column(f"by_{name}", each.type) for name, each in offered.items()}
    # A change of a customer is noted under the days of what is theirs.
    reach = dict.fromkeys((NAME, *READ), SAME_DAY)
    dimensions = {**USUAL, **sliced}
    return Fact(
        rows, reach, dimensions=dimensions, customers=CUSTOMERS_NOW, followed_days=ONE_EXPERIENCE.days
    )


lived = _lived()
"""Touchpoints, and what happened without one, by the time at which it was lived through; judged or not."""

is_judged = polarity.is_not(None)
judged = lived.where(column("is_counted", Boolean))
"""Experiences: of one customer and thing, one in 14 days. `polarity` is −1, 0 or 1, `intensity` 0 to 1."""
of_order = column("order_id", String)
times_of_customers = select(touchpoint_judgement.c.occurred_at.label("at")).where(
    touchpoint_judgement.c.is_counted, touchpoint_judgement.c.customer_id.is_not(None)
)
"""When the experiences of known customers were: without their customers, the newest is found in no time."""
