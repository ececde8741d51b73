"""Support contacts as events: every one that a source saw, and each contact once, whoever saw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, column, func, select, union_all

from cxflow.kpis.facts import Fact, Reach, Rows, fact, seconds_between
from cxflow.model.activities import SUPPORT_ACTIVITIES
from cxflow.warehouse.tables import touchpoint

Span = tuple[datetime, datetime]
"""A half-open time range."""


def is_support(activity: ColumnElement[str], direction: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a touchpoint is a support contact by a customer."""
    return and_(activity.in_(SUPPORT_ACTIVITIES), func.coalesce(direction, "") != "outbound")


_t = touchpoint.c
is_contact = and_(is_support(_t.activity, _t.direction), ~_t.is_deleted)
"""Whether a row of `touchpoint` is a support contact by a customer."""


def _support_contacts() -> Fact:
    everything = fact(
        touchpoint,
        activity=_t.activity,
        direction=_t.direction,
        reason=_t.reason,
        touchpoint_id=_t.touchpoint_id,
        conversation_id=_t.conversation_id,
    )
    return everything.where(is_support(column("activity", String), column("direction", String)))


support_contacts = _support_contacts()
"""Support contacts by customers, by `occurred_at`; without outbound ones. What two sources saw is there twice."""


@lru_cache(maxsize=4)
def contacts_once(same_minutes: float) -> Fact:
    """The support contacts, each once: what belongs to one case or conversation, and follows another within these
    minutes, is part of it. A contact without a reason has that of the next part."""
    wait = timedelta(minutes=same_minutes)

    def of_range(start: datetime, end: datetime) -> Rows:
        return _merged(support_contacts.between(start, end).rows, wait, (start - wait, end + wait))

    merged = replace(
        support_contacts.derived(lambda contacts: _merged(contacts, wait, None)),
        narrowed=of_range,
        among=select(_t.occurred_at.label("at")).where(is_contact),
    )
    day = wait / timedelta(days=1)
    return merged.reaching({touchpoint.name: Reach(before=day, after=day)})


def _merged(contacts: Rows, wait: timedelta, span: Span | None) -> Rows:
    """The contacts without the parts of others. `span`: when these may have been."""
    contact = contacts.subquery()
    each = union_all(*(_parts(of, wait, span) for of in (_t.case_id, _t.conversation_id))).subquery()
    part = (
        select(
            each.c.touchpoint_id,
            func.bool_or(each.c.is_continued).label("is_continued"),
            func.min(each.c.next_reason).label("next_reason"),
        )
        .group_by(each.c.touchpoint_id)
        .subquery()
    )
    with_reason = {
        name: func.coalesce(contact.c[name], part.c.next_reason).label(name)
        for name in ("reason", "by_reason")
    }
    return (
        select(*(with_reason.get(column.name, column) for column in contact.c))
        .outerjoin_from(contact, part, part.c.touchpoint_id == contact.c.touchpoint_id)
        .where(~func.coalesce(part.c.is_continued, False))
    )


def _parts(of: ColumnElement[Any], wait: timedelta, span: Span | None) -> Rows:
    """The contacts of cases or conversations, whether each is part of the one before, and the reason of the next one if
    that is part of it."""
    order: dict[str, Any] = {"partition_by": of, "order_by": (_t.occurred_at, _t.touchpoint_id)}
    known = select(
        _t.touchpoint_id,
        _t.occurred_at,
        func.lag(_t.occurred_at).over(**order).label("before"),
        func.lead(_t.occurred_at).over(**order).label("following"),
        func.lead(_t.reason).over(**order).label("next_reason"),
    ).where(is_contact, of.is_not(None), *within(_t.occurred_at, span))
    row = known.subquery()
    longest = wait.total_seconds()
    is_next_part = seconds_between(row.c.occurred_at, row.c.following) <= longest
    is_continued = func.coalesce(seconds_between(row.c.before, row.c.occurred_at) <= longest, False)
    return select(
        row.c.touchpoint_id,
        is_continued.label("is_continued"),
        case((is_next_part, row.c.next_reason)).label("next_reason"),
    )


def within(at: ColumnElement[Any], span: Span | None) -> Iterable[ColumnElement[bool]]:
    """That an instant lies in the range; None: any does."""
    return () if span is None else (at >= span[0], at < span[1])
