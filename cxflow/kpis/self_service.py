"""Deflection: after which visits to the help pages or a bot nobody had to ask a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Double, String, case, column, func, literal, select, true

from cxflow.kpis.contact import NOT_OVER, contacts_known
from cxflow.kpis.estimators import NO_CUSTOMER, Share
from cxflow.kpis.facts import Fact, Reach, Rows, fact, seconds_between
from cxflow.kpis.horizons import HorizonOfAll
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.support_contacts import Span, is_contact, within
from cxflow.model.activities import SELF_SERVICE_ACTIVITIES
from cxflow.warehouse.tables import touchpoint

_t = touchpoint.c
_contacts_of_all = HorizonOfAll("support_contacts_of_all", contacts_known)

IN_CONTACT = "in contact already"


@lru_cache(maxsize=4)
def judged_visits(repeat_days: float, same_minutes: float) -> Fact:
    """Visits to self-service of known customers whose repeat days are over, with the seconds `until_contact`: to the
    customer's next support contact, null if there is none.

    A visit is what a customer looks at with gaps of at most `same_minutes`, and lies at its beginning. A contact of the
    same instant came after it. The days are over when the contacts of all sources are known for them: the customer may
    ask in any. Who contacted support in the days before is left out: that contact is judged, not this visit.
    """
    wait, gap = timedelta(days=repeat_days), timedelta(minutes=same_minutes)
    looked_at = fact(touchpoint, activity=_t.activity, touchpoint_id=_t.touchpoint_id).where(
        column("activity", String).in_(SELF_SERVICE_ACTIVITIES)
    )
    of_customers = looked_at.where(column("customer_id").is_not(None))

    def of_range(start: datetime, end: datetime) -> Rows:
        visits = _beginnings(of_customers.between(start - gap, end).rows, gap)
        return _with_contacts(visits, (start - wait, end + wait))

    days = Reach(before=repeat_days, after=repeat_days, horizon=_contacts_of_all)
    visits = replace(
        of_customers.derived(lambda rows: _with_contacts(_beginnings(rows, gap), None)),
        narrowed=of_range,
        among=of_customers.rows,
    ).reaching({touchpoint.name: days})

    longest = wait.total_seconds()
    is_first = func.coalesce(column("since_contact", Double) > longest, True)
    judged = visits.needing(IN_CONTACT, is_first).needing(NOT_OVER, column("watched", Double) >= longest)
    unknown = looked_at.where(column("customer_id").is_(None))
    return replace(judged, left_out={**judged.left_out, NO_CUSTOMER: unknown})


def _is_deflected(repeat_days: float) -> ColumnElement[bool]:
    longest = timedelta(days=repeat_days).total_seconds()
    return func.coalesce(column("until_contact", Double) > longest, True)


def _beginnings(looked_at: Rows, gap: timedelta) -> Rows:
    """The first of what a customer looked at, of each visit."""
    each = looked_at.subquery()
    before = func.lag(each.c.at).over(
        partition_by=each.c.customer_id, order_by=(each.c.at, each.c.touchpoint_id)
    )
    row = select(each, before.label("before")).subquery()
    begins = func.coalesce(seconds_between(row.c.before, row.c.at) > gap.total_seconds(), True)
    return select(row).where(begins)


def _with_contacts(visits: Rows, span: Span | None) -> Rows:
    """Visits with the seconds `since_contact` and `until_contact`, to the customer's nearest support contacts (null if
    there is none), and `watched`, for which contacts are known. `span`: when the contacts may have been."""
    visit = visits.subquery()
    of_visits = select(visit.c.customer_id, visit.c.at, literal(0).label("kind"))
    contacts = select(_t.customer_id, _t.occurred_at, literal(1)).where(
        is_contact, _t.customer_id.is_not(None), *within(_t.occurred_at, span)
    )
    each = of_visits.union_all(contacts).subquery()
    asked = case((each.c.kind == 1, each.c.at))

    def nearest(found: ColumnElement[Any], *order: ColumnElement[Any]) -> ColumnElement[Any]:
        seen: ColumnElement[Any] = found.over(partition_by=each.c.customer_id, order_by=order, rows=(None, 0))
        return seen

    # Kind 0 comes first, so that a contact of the same instant is one after the visit.
    in_order = select(
        each,
        nearest(func.max(asked), each.c.at, each.c.kind).label("asked_before"),
        nearest(func.min(asked), each.c.at.desc(), each.c.kind.desc()).label("asked_after"),
    ).subquery()
    near = select(in_order).where(in_order.c.kind == 0).subquery()
    known = _contacts_of_all.known().subquery()
    return (
        select(
            visit,
            seconds_between(near.c.asked_before, visit.c.at).label("since_contact"),
            seconds_between(visit.c.at, near.c.asked_after).label("until_contact"),
            seconds_between(visit.c.at, known.c.known_until).label("watched"),
        )
        .join_from(visit, near, (near.c.customer_id == visit.c.customer_id) & (near.c.at == visit.c.at))
        .outerjoin(known, true())
    )


deflection_rate = Kpi(
    name="deflection_rate",
    title="Deflection rate",
    title_es="Tasa de deflexión",
    description="The share of visits to self-service after which the customer did not have to ask a person. Not proof "
    "that they found an answer: they may have given up.",
    description_es="La proporción de visitas al autoservicio tras las cuales el cliente no tuvo que preguntar a una "
    "persona. No prueba que encontrara la respuesta: pudo desistir.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="visits to self-service that no support contact of the same customer followed within repeat_contact_days "
    "(default 7) ÷ visits of known customers whose repeat_contact_days are over; what a customer looks at with gaps "
    "of at most same_contact_minutes (default 60) is one visit, and one within repeat_contact_days after a support "
    "contact does not count",
    formula_es="visitas al autoservicio a las que no siguió un contacto con soporte del mismo cliente en "
    "repeat_contact_days días (por defecto, 7) ÷ visitas de clientes conocidos cuyos repeat_contact_days días ya "
    "pasaron; lo que un cliente consulta con pausas de un máximo de same_contact_minutes minutos (por defecto, 60) es "
    "una visita, y no cuenta la que llega en los repeat_contact_days días posteriores a un contacto con soporte",
    counts=f"touchpoints with the activity {' or '.join(SELF_SERVICE_ACTIVITIES)}, of known customers",
    needs=select(_t.touchpoint_id).where(_t.activity.in_(SELF_SERVICE_ACTIVITIES)),
    of=lambda settings: Share(
        judged_visits(settings.kpis.repeat_contact_days, settings.kpis.same_contact_minutes),
        where=_is_deflected(settings.kpis.repeat_contact_days),
    ),
)
