"""The CRM on HubSpot: contacts; and the leads of a sales program, typed in by hand. Called by ``simulation``.

Every change is within office hours. Leads are exported with local moments, to the minute and without a zone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import ClassVar, Self

from cxflow_demo import hubspot
from cxflow_demo.clock import DAYS, LAST, how_many, office_hour
from cxflow_demo.people import Person
from cxflow_demo.record import Identifier, Row, local_minute
from cxflow_demo.spelling import phone_by_hand

LEADS_A_DAY = 17
WEEKDAYS = (1.3, 1.2, 1.15, 1.1, 1.0, 0.5, 0.4)
ORIGINS = ("web form", "trade fair", "referral", "ads", "partner")
# The chance that a lead passes each stage, and that it is won.
QUALIFIES, PROPOSED, WON = 0.72, 0.75, 0.55


@dataclass(frozen=True, slots=True)
class Contact:
    """One version of a contact."""

    stream: ClassVar[str] = "hubspot.contacts"
    is_deleted: ClassVar[bool] = False

    contact_id: str
    person: Person
    segment: str
    consent: bool
    created_at: datetime
    """Often long before the simulated period."""
    updated_at: datetime

    @property
    def key(self) -> str:
        return self.contact_id

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    def row(self) -> Row:
        phone = self.person.phone
        return hubspot.contact(
            self.contact_id,
            self.person.name,
            email=self.person.addresses[0],
            phone=phone_by_hand(phone, self.contact_id) if phone else None,
            segment=self.segment,
            consent=self.consent,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def identifiers(self) -> Iterator[Identifier]:
        yield "contact", self.contact_id
        yield "email", self.person.addresses[0]
        if self.person.phone:
            yield "phone", self.person.phone

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)


@dataclass(frozen=True, slots=True)
class Lead:
    """One version of a lead."""

    stream: ClassVar[str] = "crm.leads"
    is_deleted: ClassVar[bool] = False

    lead_id: str
    contact_id: str
    origin: str
    stage: str
    """new, qualified, proposal, won or lost."""
    amount: float
    """Euros expected."""
    created_at: datetime
    updated_at: datetime
    won_at: datetime | None = None
    lost_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.lead_id

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    def row(self) -> Row:
        return {
            "Lead Id": self.lead_id,
            "Contact Id": self.contact_id,
            "Origin": self.origin,
            "Stage": self.stage,
            "Amount": f"{self.amount:.2f}".replace(".", ","),
            "Created At": local_minute(self.created_at),
            "Won At": local_minute(self.won_at),
            "Lost At": local_minute(self.lost_at),
            "Updated At": local_minute(self.updated_at),
        }

    def identifiers(self) -> Iterator[Identifier]:
        yield "contact", self.contact_id

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)


def contacts(rng: Random, people: Iterable[Person]) -> list[Contact]:
    """The versions of all contacts that were created or changed in the period."""
    return [version for person in people if person.contact_id for version in _versions(rng, person)]


def leads(rng: Random, people: Iterable[Person], scale: float) -> list[Lead]:
    """The versions of all leads created in the period."""
    known = [person.contact_id for person in people if person.contact_id]
    found: list[Lead] = []
    count = 0
    for day in DAYS:
        for _ in range(how_many(rng, LEADS_A_DAY * scale * WEEKDAYS[day.weekday()]) if known else 0):
            found.extend(_progress(rng, f"L{60_000 + count}", rng.choice(known), day))
            count += 1
    return found


def _versions(rng: Random, person: Person) -> Iterator[Contact]:
    assert person.contact_id
    day = rng.choice(DAYS)
    updated_at = office_hour(rng, day)
    known_before = rng.random() < 0.55
    created_at = (
        office_hour(rng, day - timedelta(days=rng.randrange(20, 400))) if known_before else updated_at
    )
    contact = Contact(person.contact_id, person, person.segment, rng.random() < 0.7, created_at, updated_at)
    yield contact
    for _ in range(rng.choices((0, 1, 2), (62, 28, 10))[0]):
        day += timedelta(days=rng.randrange(3, 40))
        if rng.random() < 0.5:
            contact = replace(contact, consent=not contact.consent)
        else:
            contact = replace(contact, segment=rng.choice(("business", "vip")))
        contact = contact.touched(office_hour(rng, day))
        yield contact


def _progress(rng: Random, lead_id: str, contact_id: str, day: date) -> Iterator[Lead]:
    created_at = office_hour(rng, day)
    amount = round(rng.lognormvariate(7, 0.8), 2)
    lead = Lead(lead_id, contact_id, rng.choice(ORIGINS), "new", amount, created_at, created_at)
    yield lead
    for stage, chance in (("qualified", QUALIFIES), ("proposal", PROPOSED), ("won", WON)):
        day += timedelta(days=rng.randrange(1, 16))
        if day > LAST:
            return
        moment = office_hour(rng, day)
        if rng.random() > chance:
            yield replace(lead, stage="lost", lost_at=moment, updated_at=moment)
            return
        lead = replace(lead, stage=stage, won_at=moment if stage == "won" else None, updated_at=moment)
        yield lead
