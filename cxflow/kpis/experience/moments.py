"""Touchpoints with the person who lived through them: what `evidence` and `journey` judge. SQL only."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, literal, select

from cxflow.kpis.facts import Rows
from cxflow.kpis.facts import epoch as epoch  # re-exported for callers of this module
from cxflow.warehouse.tables import order_header, review, support_case, touchpoint

Text = ColumnElement[str]


def person(customer_id: Text, order_id: Text, case_id: Text, key: Text) -> Text:
    """Who lived through it. Of an unknown customer, the order, the case or the thing itself stands for them."""
    order, case_ = literal("order ") + order_id, literal("case ") + case_id
    return func.coalesce(customer_id, order, case_, key)


def touchpoints(*conditions: ColumnElement[bool]) -> Rows:
    """The touchpoints that meet conditions on `touchpoint`: one row each, with `person`, and with the customer, the
    order and the case that they, their case or their review name."""
    t, case_, order = touchpoint, support_case, order_header
    reviewed = (
        select(review.c.touchpoint_id, func.min(review.c.order_id).label("order_id"))
        .where(~review.c.is_deleted, review.c.order_id.is_not(None))
        .group_by(review.c.touchpoint_id)
        .subquery()
    )
    order_id = func.coalesce(t.c.order_id, case_.c.order_id, reviewed.c.order_id)
    customer_id = func.coalesce(t.c.customer_id, order.c.customer_id, case_.c.customer_id)
    return (
        select(
            t.c.touchpoint_id.label("judgement_id"),
            t.c.occurred_at,
            customer_id.label("customer_id"),
            order_id.label("order_id"),
            t.c.case_id,
            t.c.conversation_id,
            t.c.activity,
            t.c.channel,
            t.c.direction,
            t.c.reason,
            t.c.source_system,
            t.c.journey_stage,
            t.c.control,
            person(customer_id, order_id, t.c.case_id, t.c.touchpoint_id).label("person"),
        )
        .select_from(t)
        .outerjoin(case_, and_(case_.c.case_id == t.c.case_id, ~case_.c.is_deleted))
        .outerjoin(reviewed, reviewed.c.touchpoint_id == t.c.touchpoint_id)
        .outerjoin(order, and_(order.c.order_id == order_id, ~order.c.is_deleted))
        .where(~t.c.is_deleted, *conditions)
    )
