"""Why people ask for support, and how often they must ask again. Call centre and desk answer them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from cxflow_demo.clock import DAYS, any_hour, at, how_many, in_period, later, open_moment
from cxflow_demo.people import Crowd, Person
from cxflow_demo.shop import Order, Purchase

QUESTIONS_A_DAY = 24
WEEKDAYS = (1.4, 1.15, 1.05, 1.0, 1.0, 0.75, 0.6)
REASONS = ("invoice", "account", "payment", "product_question")


@dataclass(frozen=True, slots=True)
class Need:
    """One attempt of a person to get help."""

    at: datetime
    person: Person
    reason: str
    channel: str
    """phone, email, web or chat."""
    order_id: str | None = None


def needs(rng: Random, everyone: Crowd, bought: Iterable[Purchase], scale: float) -> list[Need]:
    """Every attempt of the period, earliest first: about orders, about anything else, and repeated ones."""
    found: list[Need] = []
    for first in (*_about_orders(rng, bought), *_about_anything(rng, everyone, scale)):
        need = first
        found.append(need)
        while rng.random() < 0.24:
            need = _asked(rng, later(need.at, rng.uniform(2, 150)), need.person, need.reason, need.order_id)
            found.append(need)
    return sorted((n for n in found if in_period(n.at)), key=lambda n: (n.at, n.person.name))


def _about_anything(rng: Random, everyone: Crowd, scale: float) -> Iterator[Need]:
    for day in DAYS:
        for _ in range(how_many(rng, QUESTIONS_A_DAY * scale * WEEKDAYS[day.weekday()])):
            yield _asked(rng, any_hour(rng, day), everyone.draw(rng), rng.choice(REASONS), None)


def _about_orders(rng: Random, bought: Iterable[Purchase]) -> Iterator[Need]:
    for purchase in bought:
        order = purchase.versions[-1]
        trouble = _trouble(rng, order)
        if trouble:
            reason, moment = trouble
            yield _asked(rng, moment, order.person, reason, order.order_id)


def _trouble(rng: Random, order: Order) -> tuple[str, datetime] | None:
    luck = rng.random()
    if order.is_late and luck < 0.55:
        return "late_delivery", at(order.promised_on, 24 + rng.uniform(8, 40))
    if order.returns and luck < 0.4:
        return "return_request", later(order.returns[0].at, -rng.uniform(1, 20))
    if order.delivered_at and luck < 0.06:
        return "damaged_item", later(order.delivered_at, rng.uniform(0.5, 60))
    if luck > 0.97:
        return "order_status", later(order.created_at, rng.uniform(4, 60))
    return None


def _asked(rng: Random, moment: datetime, person: Person, reason: str, order_id: str | None) -> Need:
    by_phone = person.phone is not None and (not person.addresses or rng.random() < 0.62)
    channel = "phone" if by_phone else rng.choices(("email", "web", "chat"), (50, 28, 22))[0]
    need = Need(moment, person, reason, channel, order_id)
    return replace(need, at=open_moment(rng, moment)) if by_phone else need
