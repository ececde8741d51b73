"""Simulates the company from a seed, and writes its exports and the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

from cxflow_demo import callcentre, crm, demand, desk, files, reviews, shop, surveys, voice
from cxflow_demo.clock import LAST, MOVED, local_day
from cxflow_demo.disorder import Delivery, deliveries
from cxflow_demo.people import Crowd, populate
from cxflow_demo.record import Record
from cxflow_demo.served import SERVED
from cxflow_demo.truth import Truth, truth_of

PEOPLE = 6000


@dataclass(frozen=True)
class Simulated:
    """A company's whole period."""

    deliveries: Mapping[str, list[Delivery]]
    """By stream, in the order of arrival."""
    truth: Truth


def simulate(seed: int = 7, scale: float = 1.0, last: date = LAST) -> Simulated:
    """The company of a seed, up to and including a day. A scale of 1 takes 4 s; the number of defects hardly
    depends on it."""
    delivered = {
        stream: [
            each
            for each in deliveries(Random(f"{seed} disorder of {stream}"), stream, versions)
            if each.day <= last
        ]
        for stream, versions in company(seed, scale).items()
    }
    everything = (each for arriving in delivered.values() for each in arriving)
    return Simulated(delivered, truth_of(seed, scale, everything, last))


def generate(folder: Path, seed: int = 7, scale: float = 1.0, last: date = LAST) -> Simulated:
    """Write ``folder/exports/<system>/<object>-<day>.<csv|jsonl>`` and ``folder/truth.json``.

    The same seed and scale give the same bytes. Existing files are overwritten.
    """
    simulated = simulate(seed, scale, last)
    for stream, arriving in simulated.deliveries.items():
        if stream not in SERVED:
            files.write(folder / "exports", stream, arriving, last)
    (folder / "truth.json").write_text(simulated.truth.as_json(), encoding="utf-8")
    return simulated


def company(seed: int, scale: float) -> Mapping[str, Iterable[Record]]:
    """All versions of all records by stream, without defects.

    Every topic has its own random generator, so that a change of one does not affect the others.
    """

    def draw(topic: str) -> Random:
        return Random(f"{seed} {topic}")

    people = populate(draw("people"), max(20, round(PEOPLE * scale)))
    buyers = Crowd(people, [person.appetite for person in people])
    # Who asks without an order: mostly people who never buy, since buyers ask about their orders.
    askers = Crowd(people, [0.4 if person.appetite else 1.0 for person in people])
    writers = Crowd(people, [float(bool(person.addresses)) for person in people])

    bought = shop.purchases(draw("shop"), buyers, scale)
    needs = demand.needs(draw("demand"), askers, bought, scale)
    calls = callcentre.calls(draw("calls"), needs)
    tickets = desk.tickets(draw("tickets"), needs)
    return {
        "hubspot.contacts": crm.contacts(draw("contacts"), people),
        "crm.leads": crm.leads(draw("leads"), people, scale),
        "callcentre.calls": [call for call in calls if local_day(call.started_at) < MOVED],
        "voice.calls": voice.calls(draw("voice"), calls),
        "voice.tasks": voice.tasks(calls),
        "desk.tickets": [version for versions in tickets for version in versions],
        "desk.users": desk.users(tickets),
        "shop.orders": [version for purchase in bought for version in purchase.versions],
        "shop.customers": shop.customers(bought),
        "reviews.reviews": reviews.on_the_site(draw("reviews"), writers, scale),
        "trustpilot.service_reviews": reviews.on_trustpilot(draw("trustpilot"), bought),
        "surveys.responses": surveys.responses(draw("surveys"), bought, calls, tickets),
    }
