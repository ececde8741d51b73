"""KPIs of support contacts, on any channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, DateTime, String, and_, column, exists, func, select

from cxflow.kpis.estimators import NO_CUSTOMER, Rate, Share
from cxflow.kpis.facts import Fact, Reach, Rows, fact, newest, seconds_between
from cxflow.kpis.kpi import Kpi
from cxflow.model.activities import SUPPORT_ACTIVITIES
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, touchpoint


def _is_support(activity: ColumnElement[str], direction: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(activity.in_(SUPPORT_ACTIVITIES), func.coalesce(direction, "") != "outbound")


def _support_contacts() -> Fact:
    t = touchpoint.c
    everything = fact(touchpoint, activity=t.activity, direction=t.direction, reason=t.reason)
    return everything.where(_is_support(column("activity", String), column("direction", String)))


def _times_of_contacts() -> Rows:
    t = touchpoint.c
    is_one = (_is_support(t.activity, t.direction), ~t.is_deleted, t.occurred_at.is_not(None))
    return select(t.occurred_at.label("at")).where(*is_one)


support_contacts = _support_contacts()
"""Support contacts by customers, by `occurred_at`; without outbound ones."""

_times = _times_of_contacts()
"""Only their times: who asks for the newest need not join all customers."""


def judged_contacts(settings: Settings) -> Fact:
    """Support contacts of known customers whose repeat days are over, with `is_repeated`: whether another followed
    within these days.

    A contact repeats an earlier one if it is from the same customer, for the same reason (no reason counts as a reason)
    and strictly later. The days are over if the newest support contact is at least that much later.
    """
    wait = timedelta(days=settings.kpis.repeat_contact_days)
    of_customers = support_contacts.where(column("customer_id").is_not(None))

    def until_repeated(start: datetime, end: datetime) -> Rows:
        return _judged(of_customers.between(start, end + wait).rows, wait)

    reach = Reach(before=settings.kpis.repeat_contact_days, since_last=_times)
    judged = of_customers.derived(lambda contacts: _judged(contacts, wait))
    left_out = {
        NO_CUSTOMER: support_contacts.where(column("customer_id").is_(None)),
        "repeat days not over": of_customers.where(~_is_over(column("at", DateTime), wait)),
    }
    return replace(
        judged,
        reach={touchpoint.name: reach},
        narrowed=until_repeated,
        among=of_customers.rows,
        left_out=left_out,
    )


def _is_over(at: ColumnElement[Any], wait: timedelta) -> ColumnElement[bool]:
    """Whether the repeat days of a contact at that time are over."""
    return seconds_between(at, newest(_times)) >= wait.total_seconds()


def _judged(contacts: Rows, wait: timedelta) -> Rows:
    contact = contacts.subquery()
    about = (contact.c.customer_id, func.coalesce(contact.c.reason, ""))
    following = func.lead(contact.c.at).over(partition_by=about, order_by=contact.c.at)
    in_order = select(contact, following.label("following")).subquery()
    # Simultaneous contacts follow each other in this order; only the one after the last of them is later.
    instant = (in_order.c.customer_id, func.coalesce(in_order.c.reason, ""), in_order.c.at)
    later = func.max(in_order.c.following).over(partition_by=instant)
    rows = select(in_order, later.label("later")).subquery()
    seconds = wait.total_seconds()
    is_repeated = and_(rows.c.later > rows.c.at, seconds_between(rows.c.at, rows.c.later) <= seconds)
    return select(rows, func.coalesce(is_repeated, False).label("is_repeated")).where(
        _is_over(rows.c.at, wait)
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
    formula="100 × support contacts in the period ÷ orders placed in it, cancelled ones included",
    of=Rate(support_contacts, per=fact(order_header)),
    counts=_COUNTS,
    needs=support_contacts.where(exists(select(order_header.c.order_id))).rows,
    # A contact has the channel and source of the help desk, an order those of the shop: they share only the customer.
    dimensions=("segment", "country", "consent"),
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
    formula="support contacts not followed by another from the same customer for the same reason within "
    "repeat_contact_days ÷ support contacts of known customers whose repeat_contact_days are over",
    counts=f"{_COUNTS}, of known customers",
    of=lambda settings: Share(judged_contacts(settings), where=column("is_repeated", Boolean).is_(False)),
)
