"""From touchpoints and evidence to the rows of `touchpoint_judgement`. SQL only.

A row is judged by its strongest evidence: a rating before a signal, a signal before what happened; then the rule that
stands first in the seed table, then the newest. Of one customer's judgements about one order (else one case, else
neither) in 14 days, the strongest alone is counted; the days are counted from the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from cxflow.kpis.experience import journey
from cxflow.kpis.experience.moments import person
from cxflow.kpis.experience.seeds import Place, PolarityRule
from cxflow.kpis.facts import Rows, seconds_between
from cxflow.warehouse.tables import order_header

ONE_EXPERIENCE = timedelta(days=14)
"""How long the judgements of one thing are one experience."""

_STRENGTH: Mapping[str, int] = {"rating": 0, "signal": 1, "event": 2}
_CARRIED = ("customer_id", "order_id", "case_id", "activity", "channel", "source_system")


def linked(evidence: FromClause, moments: FromClause) -> Rows:
    """The evidence about these touchpoints, each with its person."""
    e, m = evidence.c, moments.c
    return select(
        m.judgement_id,
        m.judgement_id.label("touchpoint_id"),
        m.person,
        func.coalesce(e.at, m.occurred_at).label("at"),
        m.customer_id,
        func.coalesce(m.order_id, e.order_id).label("order_id"),
        func.coalesce(m.case_id, e.case_id).label("case_id"),
        e.source_system,
        e.key,
        e.rule,
        e.intensity,
    ).where(m.judgement_id == e.touchpoint_id)


def loose(evidence: FromClause) -> Rows:
    """The evidence about what happened without a touchpoint, each with its person."""
    e, o = evidence, order_header.c
    customer_id = func.coalesce(e.c.customer_id, o.customer_id)
    return (
        select(
            e.c.key.label("judgement_id"),
            e.c.touchpoint_id,
            person(customer_id, e.c.order_id, e.c.case_id, e.c.key).label("person"),
            e.c.at,
            customer_id.label("customer_id"),
            e.c.order_id,
            e.c.case_id,
            e.c.source_system,
            e.c.key,
            e.c.rule,
            e.c.intensity,
        )
        .select_from(e)
        .outerjoin(order_header, and_(o.order_id == e.c.order_id, ~o.is_deleted))
        .where(e.c.touchpoint_id.is_(None), e.c.at.is_not(None))
    )


def rows(
    moments: FromClause,
    evidence: FromClause,
    rules: Sequence[PolarityRule],
    places: Sequence[Place],
    start: datetime | None,
) -> Rows:
    """The rows of `touchpoint_judgement` for touchpoints and the evidence found of their persons. `start`: when the
    data begin."""
    row = _with_evidence(moments, evidence, rules).cte("of_person")
    staged = journey.staged(row, start).subquery()
    stage = func.coalesce(staged.c.stage, journey.unordered(row, places, start))
    counted = _counted(row, rules).subquery()
    return (
        select(
            row.c.judgement_id,
            row.c.touchpoint_id,
            row.c.at.label("occurred_at"),
            *(row.c[name] for name in _CARRIED),
            stage.label("journey_stage"),
            journey.controlled(row, places).label("control"),
            case({rule.rule: rule.polarity for rule in rules}, value=row.c.rule).label("polarity"),
            row.c.intensity,
            row.c.rule,
            counted.c.judgement_id.is_not(None).label("is_counted"),
        )
        .join_from(row, staged, staged.c.judgement_id == row.c.judgement_id, isouter=True)
        .outerjoin(counted, counted.c.judgement_id == row.c.judgement_id)
    )


def _with_evidence(moments: FromClause, evidence: FromClause, rules: Sequence[PolarityRule]) -> Rows:
    """One row per touchpoint and per thing that happened without one, with its strongest evidence, if there is any."""
    e = evidence.c
    place = func.row_number().over(
        partition_by=e.judgement_id, order_by=(_strength(e.rule, rules), e.at.desc(), e.key.collate("C"))
    )
    ranked = select(evidence, place.label("place")).subquery()
    best = select(ranked).where(ranked.c.place == 1).cte("strongest")
    m = moments.c
    nothing = cast(null(), String)
    of_touchpoints = (
        select(
            m.judgement_id,
            m.judgement_id.label("touchpoint_id"),
            m.person,
            func.coalesce(best.c.at, m.occurred_at).label("at"),
            m.customer_id,
            func.coalesce(best.c.order_id, m.order_id).label("order_id"),
            func.coalesce(best.c.case_id, m.case_id).label("case_id"),
            m.activity,
            m.channel,
            m.source_system,
            m.journey_stage,
            m.control,
            best.c.rule,
            best.c.intensity,
        )
        .select_from(moments)
        .outerjoin(best, best.c.judgement_id == m.judgement_id)
    )
    of_others = select(
        best.c.judgement_id,
        best.c.touchpoint_id,
        best.c.person,
        best.c.at,
        best.c.customer_id,
        best.c.order_id,
        best.c.case_id,
        nothing.label("activity"),
        nothing.label("channel"),
        best.c.source_system,
        nothing.label("journey_stage"),
        nothing.label("control"),
        best.c.rule,
        best.c.intensity,
    ).where(best.c.touchpoint_id.is_(None))
    return select(union_all(of_touchpoints, of_others).subquery())


def _counted(row: FromClause, rules: Sequence[PolarityRule]) -> Rows:
    """The ids of the rows whose judgement is the one of its person, thing and 14 days. A database sorts whole rows, so
    these are as narrow as can be."""
    r = row.c
    thing = func.coalesce(literal("order ") + r.order_id, literal("case ") + r.case_id, "")
    strength = _strength(r.rule, rules).label("strength")
    judged = select(r.judgement_id, r.person, thing.label("thing"), r.at, strength).where(r.rule.is_not(None))
    j = judged.subquery().c
    first = func.min(j.at).over(partition_by=(j.person, j.thing))
    number = func.floor(seconds_between(first, j.at) / ONE_EXPERIENCE.total_seconds())
    n = select(*j, cast(number, BigInteger).label("number")).subquery().c
    place = func.row_number().over(
        partition_by=(n.person, n.thing, n.number),
        order_by=(n.strength, n.at.desc(), n.judgement_id.collate("C")),
    )
    placed = select(n.judgement_id, place.label("place")).subquery()
    return select(placed.c.judgement_id).where(placed.c.place == 1)


def _strength(rule: ColumnElement[Any], rules: Sequence[PolarityRule]) -> ColumnElement[int]:
    """The rank of a rule among all: the lower, the stronger."""
    in_order = sorted(
        rules, key=lambda each: _STRENGTH[each.evidence]
    )  # stable: the file's order within a kind
    return cast(case({each.rule: rank for rank, each in enumerate(in_order)}, value=rule), Integer)
