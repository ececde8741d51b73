"""The help desk, on Zendesk: tickets by e-mail, web form and chat, and who asked. Called by ``simulation``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import ClassVar, Self

from cxflow_demo import zendesk
from cxflow_demo.clock import later, local_day
from cxflow_demo.demand import Need
from cxflow_demo.people import Person
from cxflow_demo.record import Identifier, Row
from cxflow_demo.spelling import email_in_form
from cxflow_demo.words import CROSS, EVEN

# Median minutes to the first reply, by channel.
REPLY_MINUTES = {"email": 190.0, "web": 120.0, "chat": 4.0}


@dataclass(frozen=True, slots=True)
class Ticket:
    """One version of a ticket."""

    stream: ClassVar[str] = "desk.tickets"

    number: int
    person: Person
    user: int
    """Who asks, by the number of their user."""
    email: str | None
    """That user's; None for a chat visitor who left no address."""
    channel: str
    reason: str
    priority: str
    order_id: str | None
    subject: str
    created_at: datetime
    updated_at: datetime
    status: str = "new"
    """new, open, solved or deleted."""
    first_reply_at: datetime | None = None
    first_solved_at: datetime | None = None
    solved_at: datetime | None = None
    """None while the ticket is open, also after a reopening."""
    reopens: int = 0
    replies: int = 0

    @property
    def key(self) -> str:
        return str(self.number)

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    @property
    def is_deleted(self) -> bool:
        return self.status == "deleted"

    def row(self) -> Row:
        return zendesk.ticket(
            self.number,
            requester=self.user,
            channel=self.channel,
            subject=self.subject,
            priority=self.priority,
            status=self.status,
            reason=self.reason,
            order=self.order_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            first_reply_at=self.first_reply_at,
            first_solved_at=self.first_solved_at,
            solved_at=self.solved_at,
            reopens=self.reopens,
            replies=self.replies,
        )

    def identifiers(self) -> Iterator[Identifier]:
        yield "user", str(self.user)

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)


@dataclass(frozen=True, slots=True)
class User:
    """Who asked: one user for each address, and one for each visitor without an address. They never change."""

    stream: ClassVar[str] = "desk.users"
    is_deleted: ClassVar[bool] = False

    number: int
    name: str
    email: str | None
    created_at: datetime

    @property
    def key(self) -> str:
        return str(self.number)

    @property
    def changed_at(self) -> datetime:
        return self.created_at

    def row(self) -> Row:
        address = email_in_form(self.email, self.key) if self.email else None
        return zendesk.user(self.number, self.name, address, self.created_at)

    def identifiers(self) -> Iterator[Identifier]:
        yield "user", self.key
        if self.email:
            yield "email", self.email

    def touched(self, _: datetime, /) -> Self:
        return self


def tickets(rng: Random, needs: Iterable[Need]) -> list[tuple[Ticket, ...]]:
    """The versions of each ticket, for the needs that are expressed in writing."""
    written = [need for need in needs if need.channel != "phone"]
    numbers: dict[str, int] = {}
    found = []
    for number, need in enumerate(written, start=300_000):
        nameless = need.channel == "chat" and rng.random() < 0.08
        email = None if nameless else need.person.email(local_day(need.at))
        user = numbers.setdefault(email or str(number), 500_000 + len(numbers))
        found.append(tuple(_versions(rng, number, need, user, email)))
    return found


def users(tickets: Iterable[tuple[Ticket, ...]]) -> list[User]:
    """The users of these tickets, made by their first ones."""
    found: dict[int, User] = {}
    for first, *_ in tickets:
        known = found.get(first.user)
        if known is None or first.created_at < known.created_at:
            found[first.user] = User(first.user, first.person.name, first.email, first.created_at)
    return list(found.values())


def _versions(rng: Random, number: int, need: Need, user: int, email: str | None) -> Iterator[Ticket]:
    ticket = Ticket(
        number=number,
        person=need.person,
        user=user,
        email=email,
        channel=need.channel,
        reason=need.reason,
        priority=rng.choices(("low", "normal", "high", "urgent"), (15, 65, 15, 5))[0],
        order_id=need.order_id,
        subject=rng.choice(CROSS + EVEN),
        created_at=need.at,
        updated_at=need.at,
    )
    yield ticket
    minutes = ceil(rng.lognormvariate(0, 0.8) * REPLY_MINUTES[need.channel])
    moment = need.at + timedelta(minutes=minutes)
    ticket = replace(ticket, status="open", first_reply_at=moment, replies=1, updated_at=moment)
    yield ticket
    if rng.random() < 0.04:
        return
    moment = later(moment, 0.1 + rng.lognormvariate(1.8, 1.0))
    # Of some, the first reply was all that was needed.
    replies = ticket.replies if number % 5 < 2 else ticket.replies + 1
    ticket = replace(
        ticket, status="solved", first_solved_at=moment, solved_at=moment, replies=replies, updated_at=moment
    )
    yield ticket
    if rng.random() < 0.08:
        moment = later(moment, rng.uniform(3, 50))
        ticket = replace(ticket, status="open", solved_at=None, reopens=1, updated_at=moment)
        yield ticket
        moment = later(moment, 0.2 + rng.lognormvariate(1.5, 0.8))
        ticket = replace(ticket, status="solved", solved_at=moment, replies=replies + 1, updated_at=moment)
        yield ticket
    # Only about orders of persons who kept their address: other records then name them, too.
    if need.order_id and need.person.moved_on is None and rng.random() < 0.04:
        moment = later(moment, rng.uniform(1, 60))
        yield replace(ticket, status="deleted", updated_at=moment)
