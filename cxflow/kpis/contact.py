"""KPIs of support contacts, on any channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    String,
    and_,
    column,
    exists,
    func,
    or_,
    select,
)

from cxflow.kpis.estimators import NO_CUSTOMER, Rate, Share
from cxflow.kpis.facts import Fact, Reach, Rows, fact, seconds_between
from cxflow.kpis.horizons import Horizon
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.support_contacts import Span, contacts_once, is_contact, support_contacts, within
from cxflow.kpis.totals import Volume
from cxflow.model.activities import SUPPORT_ACTIVITIES
from cxflow.warehouse.tables import interaction, order_header, support_case, touchpoint

_t = touchpoint.c
NOT_OVER = "repeat days not over"

contacts_known = Horizon(
    "support_contacts",
    select(_t.source_system.label("source"), _t.occurred_at.label("at")).where(is_contact),
    (touchpoint.name,),
)
"""How far the support contacts of each source are known."""


@lru_cache(maxsize=4)
def judged_contacts(repeat_days: float) -> Fact:
    """Support contacts of known customers whose repeat days are over, with `is_repeated` (another followed within these
    days) and `is_resolved` (somebody answered it, and none followed). If nobody can know of an answer,
    it is taken for granted.

    A contact repeats an earlier one if it is from the same customer, for the same reason (no reason counts as a reason)
    and strictly later. The days are over if the newest support contact of its source is at least that much later.

    What belongs to one case or conversation, with gaps of at most that many days, is one contact: its first. One that
    nobody answered and that was tried again (for any reason, if it has none) is part of the next.
    """
    wait = timedelta(days=repeat_days)
    of_customers = support_contacts.where(column("customer_id").is_not(None))

    def first_ones(start: datetime, end: datetime) -> Rows:
        return _first(of_customers.between(start, end).rows, wait, (start - wait, end))

    def until_repeated(start: datetime, end: datetime) -> Rows:
        return _judged(first_ones(start, end + wait), wait, (start, end + wait))

    reach = {
        touchpoint.name: Reach(before=repeat_days, after=repeat_days, horizon=contacts_known),
        # An answer may be noted a day off the contact that it answers.
        interaction.name: Reach(before=1, after=1),
        support_case.name: Reach(before=1, after=1),
    }
    first = replace(
        of_customers.derived(lambda contacts: _first(contacts, wait, None)),
        reach=reach,
        narrowed=first_ones,
        among=select(_t.occurred_at.label("at")).where(is_contact, _t.customer_id.is_not(None)),
    )
    judged = first.derived(lambda contacts: _judged(contacts, wait, None))
    left_out = {
        NO_CUSTOMER: support_contacts.where(column("customer_id").is_(None)),
        NOT_OVER: first.derived(lambda contacts: _with_horizon(contacts, wait, is_over=False)),
    }
    return replace(judged, narrowed=until_repeated, left_out=left_out)


def _first(contacts: Rows, wait: timedelta, span: Span | None) -> Rows:
    """The contacts without those that continue a case or conversation. `span`: when the others may have been."""
    contact = contacts.subquery()
    continuing = (
        _continuing(_t.case_id, wait, span).union(_continuing(_t.conversation_id, wait, span)).subquery()
    )
    return (
        select(contact)
        .outerjoin(continuing, continuing.c.touchpoint_id == contact.c.touchpoint_id)
        .where(continuing.c.touchpoint_id.is_(None))
    )


def _continuing(of: ColumnElement[Any], wait: timedelta, span: Span | None) -> Rows:
    """The ids of support contacts that another of the same case or conversation went before, within the wait."""
    before = func.lag(_t.occurred_at).over(partition_by=of, order_by=(_t.occurred_at, _t.touchpoint_id))
    known = select(_t.touchpoint_id, _t.occurred_at, before.label("before")).where(
        is_contact, of.is_not(None), _t.customer_id.is_not(None), *within(_t.occurred_at, span)
    )
    row = known.subquery()
    return select(row.c.touchpoint_id).where(
        seconds_between(row.c.before, row.c.occurred_at) <= wait.total_seconds()
    )


def _with_horizon(contacts: Rows, wait: timedelta, *, is_over: bool) -> Rows:
    """The contacts whose repeat days are over, as far as their source is known; or those whose are not."""
    contact, known = contacts.subquery(), contacts_known.known().subquery()
    over = seconds_between(contact.c.at, known.c.known_until) >= wait.total_seconds()
    found = func.coalesce(over, False)
    return (
        select(contact)
        .outerjoin(known, known.c.source == contact.c.source)
        .where(found if is_over else ~found)
    )


def _judged(contacts: Rows, wait: timedelta, span: Span | None) -> Rows:
    contact = contacts.subquery()
    reason = func.coalesce(contact.c.reason, "")
    following = func.lead(contact.c.at).over(
        partition_by=(contact.c.customer_id, reason), order_by=contact.c.at
    )
    of_any_reason = func.lead(contact.c.at).over(partition_by=contact.c.customer_id, order_by=contact.c.at)
    in_order = select(contact, following.label("following"), of_any_reason.label("of_any_reason")).subquery()
    # Simultaneous contacts follow each other in this order; only the one after the last of them is later.
    instant = (in_order.c.customer_id, func.coalesce(in_order.c.reason, ""), in_order.c.at)
    later = func.max(in_order.c.following).over(partition_by=instant)
    row = select(in_order, later.label("later")).subquery()

    def comes_back(at: ColumnElement[Any]) -> ColumnElement[bool]:
        soon = and_(at > row.c.at, seconds_between(row.c.at, at) <= wait.total_seconds())
        return func.coalesce(soon, False)

    by_itself, in_queue = _answered(span).subquery(), _answered_in_queue(span).subquery()
    is_answered = func.coalesce(by_itself.c.is_answered, in_queue.c.is_answered, True)
    is_repeated = comes_back(row.c.later)
    was_tried_again = or_(is_repeated, and_(row.c.reason.is_(None), comes_back(row.c.of_any_reason)))
    found = (
        select(
            row,
            is_repeated.label("is_repeated"),
            and_(is_answered, ~is_repeated).label("is_resolved"),
        )
        .outerjoin(by_itself, by_itself.c.touchpoint_id == row.c.touchpoint_id)
        .outerjoin(in_queue, in_queue.c.conversation_id == row.c.conversation_id)
        .where(or_(is_answered, ~was_tried_again))
    )
    return _with_horizon(found, wait, is_over=True)


def _answered(span: Span | None) -> Rows:
    """Touchpoints of calls and cases, with whether anybody answered. Of others it is not known."""
    call, ticket = interaction.c, support_case.c
    is_replied = or_(ticket.first_reply_at.is_not(None), ticket.last_solved_at.is_not(None))
    of_calls = select(call.touchpoint_id, call.answered_at.is_not(None).label("is_answered")).where(
        ~call.is_deleted, call.touchpoint_id.is_not(None), *within(call.offered_at, _about(span))
    )
    of_cases = select(ticket.touchpoint_id, is_replied).where(
        ~ticket.is_deleted, ticket.touchpoint_id.is_not(None), *within(ticket.opened_at, _about(span))
    )
    each = of_calls.union_all(of_cases).subquery()
    return select(each.c.touchpoint_id, func.bool_or(each.c.is_answered).label("is_answered")).group_by(
        each.c.touchpoint_id
    )


def _answered_in_queue(span: Span | None) -> Rows:
    """Conversations with queues that are touchpoints of their own, and whether anybody answered in one of them."""
    call = interaction.c
    return (
        select(_t.conversation_id, func.bool_or(call.answered_at.is_not(None)).label("is_answered"))
        .join_from(interaction, touchpoint, _t.touchpoint_id == call.touchpoint_id)
        .where(~call.is_deleted, *within(call.offered_at, _about(span)))
        .where(_t.conversation_id.is_not(None), ~_t.is_deleted, *within(_t.occurred_at, _about(span)))
        .group_by(_t.conversation_id)
    )


def _about(span: Span | None) -> Span | None:
    """A day more at either end: a queue may be entered before midnight, and a touchpoint noted after it."""
    return span and (span[0] - timedelta(days=1), span[1] + timedelta(days=1))


_orders = fact(order_header)
_are_orders = exists(select(order_header.c.order_id))
_complaints = support_contacts.where(column("activity", String) == "filed_complaint")
_ONCE = (
    "those of one case or conversation that follow each other within same_contact_minutes (default 60) are one, such "
    "as a call and the ticket that it opened"
)
_ONCE_ES = (
    "los de un mismo caso o conversación que se suceden en un máximo de same_contact_minutes minutos (por defecto, 60) "
    "cuentan como uno, como una llamada y el caso que abrió"
)
_COUNTS = f"touchpoints with the activity {', '.join(SUPPORT_ACTIVITIES[:-1])} or {SUPPORT_ACTIVITIES[-1]}"

contact_rate = Kpi(
    name="contact_rate",
    title="Contact rate",
    title_es="Tasa de contacto",
    description="How often customers need support, for every 100 orders. The best service is the one nobody needed.",
    description_es="Cuántas veces necesitan soporte los clientes por cada 100 pedidos. El mejor servicio es el que "
    "nadie necesitó.",
    decimals=2,
    unit="per 100 orders",
    better="lower",
    lowest=0,
    formula=f"100 × support contacts in the period ÷ orders placed in it, cancelled ones included; {_ONCE}",
    formula_es="100 × contactos con soporte del periodo ÷ pedidos hechos en él, incluidos los cancelados; "
    f"{_ONCE_ES}",
    version=2,
    of=lambda settings: Rate(contacts_once(settings.kpis.same_contact_minutes), per=_orders),
    counts=_COUNTS,
    needs=select(_t.touchpoint_id).where(is_contact, _are_orders),
    # A contact has the channel and source of the help desk, an order those of the shop: they share only the customer.
    dimensions=("segment", "country", "consent"),
)

complaint_rate = Kpi(
    name="complaint_rate",
    title="Complaint rate",
    title_es="Tasa de reclamaciones",
    description="How often customers file a complaint, for every 100 orders.",
    description_es="Cuántas reclamaciones presentan los clientes por cada 100 pedidos.",
    decimals=2,
    unit="per 100 orders",
    better="lower",
    lowest=0,
    formula="100 × complaints in the period ÷ orders placed in it, cancelled ones included",
    formula_es="100 × reclamaciones del periodo ÷ pedidos hechos en él, incluidos los cancelados",
    of=Rate(_complaints, per=_orders),
    counts="touchpoints with the activity filed_complaint",
    needs=select(_t.touchpoint_id).where(is_contact, _t.activity == "filed_complaint", _are_orders),
    dimensions=contact_rate.dimensions,
)

support_contact_volume = Kpi(
    name="support_contacts",
    title="Support contacts",
    title_es="Contactos con soporte",
    description="How often customers needed support. A call and the ticket that it opened are one contact.",
    description_es="Cuántas veces necesitaron soporte los clientes. Una llamada y el caso que abrió son un contacto.",
    unit="contacts",
    better="lower",
    lowest=0,
    decimals=0,
    formula=f"number of support contacts in the period; {_ONCE}",
    formula_es=f"número de contactos con soporte del periodo; {_ONCE_ES}",
    counts=_COUNTS,
    of=lambda settings: Volume(contacts_once(settings.kpis.same_contact_minutes)),
)

first_contact_resolution = Kpi(
    name="first_contact_resolution",
    title="First contact resolution",
    title_es="Resolución en el primer contacto",
    description="The share of support contacts after which the customer did not have to ask again.",
    description_es="La proporción de contactos con soporte tras los cuales el cliente no tuvo que volver a "
    "preguntar.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="support contacts that were answered and not followed by another from the same customer for the same "
    "reason within repeat_contact_days ÷ support contacts of known customers whose repeat_contact_days are over; "
    "those of one case or conversation are one, and one that nobody answered is part of the next try",
    formula_es="contactos con soporte atendidos a los que no siguió otro del mismo cliente por el mismo motivo en "
    "repeat_contact_days días ÷ contactos con soporte de clientes conocidos cuyos repeat_contact_days días ya "
    "pasaron; los de un mismo caso o conversación cuentan como uno, y el que nadie atendió forma parte del "
    "siguiente intento",
    version=2,
    counts=f"{_COUNTS}, of known customers",
    of=lambda settings: Share(
        judged_contacts(settings.kpis.repeat_contact_days), where=column("is_resolved", Boolean)
    ),
)

repeat_contact_rate_7d = Kpi(
    name="repeat_contact_rate_7d",
    title="Repeat contact rate",
    title_es="Tasa de contactos repetidos",
    description="The share of support contacts after which the customer had to ask again.",
    description_es="La proporción de contactos con soporte tras los cuales el cliente tuvo que volver a preguntar.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="support contacts followed by another from the same customer for the same reason within "
    "repeat_contact_days (default 7) ÷ the same contacts as in first_contact_resolution",
    formula_es="contactos con soporte a los que siguió otro del mismo cliente por el mismo motivo en "
    "repeat_contact_days días (por defecto, 7) ÷ los mismos contactos que en «Resolución en el primer contacto»",
    counts=f"{_COUNTS}, of known customers",
    of=lambda settings: Share(
        judged_contacts(settings.kpis.repeat_contact_days), where=column("is_repeated", Boolean)
    ),
)
