"""The evidence by which touchpoints are judged: ratings, signals, and what happened. SQL only.

Each source gives rows of one form: `key` (kind and id of what happened), `touchpoint_id` (null without one), `at`,
`customer_id`, `order_id`, `case_id`, `source_system`, `rule` and `intensity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)

from cxflow.kpis.experience.seeds import PolarityRule, event_rules, rules_by_name
from cxflow.kpis.facts import Rows, seconds_between
from cxflow.kpis.order_facts import is_cancelled
from cxflow.kpis.source_zones import day_at_source
from cxflow.kpis.support_contacts import is_support
from cxflow.settings import Settings
from cxflow.warehouse.tables import (
    interaction,
    order_header,
    refund,
    review,
    signal,
    support_case,
    survey_response,
)

_ROUNDING = 1e-9
"""By which a place on a scale may differ from the edge of a rule."""
_DELIVERED, _GIVEN_BACK = ("received_delivery",), ("received_refund", "returned_order")
ORDER_ACTIVITIES = (*_DELIVERED, *_GIVEN_BACK)
"""The activities of touchpoints at which a delivery or a refund of their order was lived through."""
_MIDDLING = 0.5
"""The intensity of a signal without a confidence."""
_NOTHING: ColumnElement[Any] = null()


def sources(
    rules: Sequence[PolarityRule], settings: Settings, moments: FromClause, of_orders: FromClause
) -> list[Rows]:
    """All evidence for which there is a rule. `moments` holds the touchpoints of `moments.touchpoints`; `of_orders`
    those of any person at which an order was delivered or given back, `ORDER_ACTIVITIES`."""
    happened = {
        "abandoned_call": _abandoned_calls(),
        "late_delivery": _deliveries(settings, of_orders, is_late=True),
        "early_delivery": _deliveries(settings, of_orders, is_late=False),
        "refund": _refunds(of_orders),
        "reopened_case": _reopened_cases(),
        "repeated_contact": _repeated_contacts(settings, moments),
    }
    of_events = [_of_rule(happened[event], rule) for event, rule in event_rules(rules).items()]
    return [
        rows for rows in (_answers(rules), _reviews(rules), _signals(rules), *of_events) if rows is not None
    ]


def _row(
    key: ColumnElement[Any],
    touchpoint_id: ColumnElement[Any],
    at: ColumnElement[Any],
    source: ColumnElement[Any],
    customer_id: ColumnElement[Any] = _NOTHING,
    order_id: ColumnElement[Any] = _NOTHING,
    case_id: ColumnElement[Any] = _NOTHING,
) -> Rows:
    return select(
        key.label("key"),
        cast(touchpoint_id, String).label("touchpoint_id"),
        at.label("at"),
        cast(customer_id, String).label("customer_id"),
        cast(order_id, String).label("order_id"),
        cast(case_id, String).label("case_id"),
        source.label("source_system"),
    )


def _of_rule(rows: Rows, rule: PolarityRule) -> Rows:
    return rows.add_columns(
        literal(rule.rule).label("rule"), literal(rule.intensity, Double).label("intensity")
    )


def _judged(
    rows: Rows,
    cases: Sequence[tuple[ColumnElement[bool], PolarityRule]],
    intensity: ColumnElement[float],
) -> Rows | None:
    """The rows for which a rule holds, each by the first that does."""
    if not cases:
        return None
    rule = case(*((holds, rule.rule) for holds, rule in cases), else_=null())
    fixed = [(holds, rule.intensity) for holds, rule in cases]
    given = case(*((holds, literal(value, Double)) for holds, value in fixed), else_=null())
    return rows.add_columns(
        rule.label("rule"),
        func.coalesce(cast(given, Double), cast(intensity, Double)).label("intensity"),
    ).where(or_(*(holds for holds, _ in cases)))


def _rated(
    rows: Rows, t: Any, rules: Sequence[tuple[PolarityRule, ColumnElement[bool] | None]]
) -> Rows | None:
    """Rows with a rating, by its place on its own scale: 0 is the worst, 1 the best."""
    place = (t.rating_value - t.worst_rating) / func.nullif(t.best_rating - t.worst_rating, 0)
    cases = []
    for rule, is_about in rules:
        within = place.between(rule.first - _ROUNDING, rule.last + _ROUNDING)
        cases.append((within if is_about is None else and_(is_about, within), rule))
    return _judged(rows.where(t.rating_value.is_not(None)), cases, func.least(func.abs(2 * place - 1), 1.0))


def _answers(rules: Sequence[PolarityRule]) -> Rows | None:
    t = survey_response.c
    of_metrics = [
        (rule, t.metric_type == metric)
        for metric, some in rules_by_name(rules, "rating").items()
        if metric != "review"
        for rule in some
    ]
    key = literal("survey_response ") + t.response_id
    return _rated(
        _row(key, t.touchpoint_id, t.responded_at, t.source_system).where(~t.is_deleted), t, of_metrics
    )


def _reviews(rules: Sequence[PolarityRule]) -> Rows | None:
    t = review.c
    of_reviews = [(rule, None) for rule in rules_by_name(rules, "rating").get("review", ())]
    key = literal("review ") + t.review_id
    rows = _row(key, t.touchpoint_id, t.date_published, t.source_system, order_id=t.order_id)
    return _rated(rows.where(~t.is_deleted), t, of_reviews)


def _signals(rules: Sequence[PolarityRule]) -> Rows | None:
    """By the newest model version that has a word, as `signal.NAME` slices. They are of their touchpoint's time."""
    by_name = rules_by_name(rules, "signal")
    newest = func.row_number().over(
        partition_by=(signal.c.touchpoint_id, signal.c.name),
        order_by=signal.c.model_version.collate("C").desc(),
    )
    t = (
        select(signal, newest.label("newest"))
        .where(~signal.c.is_deleted, signal.c.string_value.is_not(None), signal.c.name.in_(list(by_name)))
        .subquery()
        .c
    )
    cases = [
        (and_(t.name == name, func.lower(t.string_value) == rule.value), rule)
        for name, some in by_name.items()
        for rule in some
    ]
    key = literal("signal ") + t.touchpoint_id
    rows = _row(key, t.touchpoint_id, cast(null(), order_header.c.created_at.type), t.source_system)
    return _judged(rows.where(t.newest == 1), cases, func.coalesce(t.confidence, _MIDDLING))


def _abandoned_calls() -> Rows:
    t = interaction.c
    return _row(
        literal("interaction ") + t.interaction_id, t.touchpoint_id, t.abandoned_at, t.source_system
    ).where(~t.is_deleted, t.abandoned_at.is_not(None), t.answered_at.is_(None))


def _deliveries(settings: Settings, of_orders: FromClause, is_late: bool) -> Rows:
    """Orders delivered after, or before, the promised day, in the zone of their source."""
    t = order_header.c
    arrived, promised = (
        day_at_source(moment, t.source_system, settings) for moment in (t.delivered_at, t.promised_at)
    )
    of_order = _touchpoint_of_order(of_orders, *_DELIVERED)
    key = literal("delivery ") + t.order_id
    return (
        _row(key, of_order.c.touchpoint_id, t.delivered_at, t.source_system, t.customer_id, t.order_id)
        .select_from(order_header)
        .outerjoin(of_order, of_order.c.order_id == t.order_id)
        .where(~t.is_deleted, ~is_cancelled, arrived > promised if is_late else arrived < promised)
    )


def _refunds(of_orders: FromClause) -> Rows:
    t = refund.c
    of_order = _touchpoint_of_order(of_orders, *_GIVEN_BACK)
    key = literal("refund ") + t.refund_id
    return (
        _row(key, of_order.c.touchpoint_id, t.refunded_at, t.source_system, order_id=t.order_id)
        .select_from(refund)
        .outerjoin(of_order, of_order.c.order_id == t.order_id)
        .where(~t.is_deleted)
    )


def _touchpoint_of_order(of_orders: FromClause, *activities: str) -> FromClause:
    """The touchpoint at which an order was lived through in this way: the first by id."""
    m = of_orders.c
    return (
        select(m.order_id, func.min(m.judgement_id.collate("C")).label("touchpoint_id"))
        .where(m.activity.in_(activities), m.order_id.is_not(None))
        .group_by(m.order_id)
        .subquery()
    )


def _reopened_cases() -> Rows:
    """Dated when they were solved again, if they were: nothing says when they were reopened."""
    t = support_case.c
    at = func.coalesce(t.last_solved_at, t.opened_at)
    key = literal("support_case ") + t.case_id
    return _row(key, t.touchpoint_id, at, t.source_system, t.customer_id, t.order_id, t.case_id).where(
        ~t.is_deleted, t.reopens > 0
    )


def _repeated_contacts(settings: Settings, moments: FromClause) -> Rows:
    """Support contacts of a known customer that had to follow another one for the same reason. Contacts of one case or
    one conversation are one contact."""
    m = moments.c
    contact = (
        select(moments)
        .where(
            is_support(m.activity, m.direction),
            m.customer_id.is_not(None),
        )
        .subquery()
    )
    about = (contact.c.person, func.coalesce(contact.c.reason, ""))
    in_order = (contact.c.occurred_at, contact.c.judgement_id.collate("C"))

    def before(name: str) -> ColumnElement[Any]:
        return func.lag(contact.c[name]).over(partition_by=about, order_by=in_order).label(f"before_{name}")

    names = ("occurred_at", "case_id", "conversation_id")
    t = select(contact, *(before(name) for name in names)).subquery().c
    seconds = seconds_between(t.before_occurred_at, t.occurred_at)
    is_same = or_(t.case_id == t.before_case_id, t.conversation_id == t.before_conversation_id)
    return _row(t.judgement_id, t.judgement_id, t.occurred_at, t.source_system).where(
        seconds > 0, seconds <= settings.kpis.repeat_contact_days * 86_400, ~func.coalesce(is_same, False)
    )
