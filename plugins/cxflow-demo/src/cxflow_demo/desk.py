"""The help desk: tickets by e-mail, web form and chat, in UTC. Called by ``simulation``.

A ticket is delivered again with each change; ``updated_at`` distinguishes the versions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import ClassVar, Self

from cxflow_demo.clock import later, local_day
from cxflow_demo.demand import Need
from cxflow_demo.people import Person
from cxflow_demo.record import Identifier, Row, utc_iso
from cxflow_demo.spelling import email_in_form
from cxflow_demo.words import CROSS, EVEN

# Median minutes to the first reply, by channel.
REPLY_MINUTES = {"email": 190.0, "web": 120.0, "chat": 4.0}


@dataclass(frozen=True, slots=True)
class Ticket:
    """One version of a ticket."""

    stream: ClassVar[str] = "desk.tickets"

    ticket_id: str
    person: Person
    email: str | None
    """None for a chat visitor who left no address."""
    channel: str
    reason: str
    priority: str
    order_id: str | None
    created_at: datetime
    updated_at: datetime
    status: str = "new"
    """new, open, solved or deleted."""
    first_reply_at: datetime | None = None
    solved_at: datetime | None = None
    """None while the ticket is open, also after a reopening."""
    reopens: int = 0
    comments: tuple[tuple[str, datetime, str], ...] = ()
    """Author (customer or agent), moment, text."""

    @property
    def key(self) -> str:
        return self.ticket_id

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    @property
    def is_deleted(self) -> bool:
        return self.status == "deleted"

    def row(self) -> Row:
        return {
            "id": self.ticket_id,
            "requester": {
                "email": email_in_form(self.email, self.ticket_id) if self.email else None,
                "name": self.person.name if self.email else None,
            },
            "via": {"channel": self.channel},
            "status": self.status,
            "reason": self.reason,
            "priority": self.priority,
            "order_id": self.order_id,
            "created_at": utc_iso(self.created_at),
            "updated_at": utc_iso(self.updated_at),
            "metric": {
                "first_reply_at": utc_iso(self.first_reply_at),
                "solved_at": utc_iso(self.solved_at),
                "reopens": self.reopens,
            },
            "comments": [
                {"author": author, "at": utc_iso(moment), "body": body}
                for author, moment, body in self.comments
            ],
        }

    def identifiers(self) -> Iterator[Identifier]:
        if self.email:
            yield "email", self.email

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)


def tickets(rng: Random, needs: Iterable[Need]) -> list[tuple[Ticket, ...]]:
    """The versions of each ticket, for the needs that are expressed in writing."""
    written = [need for need in needs if need.channel != "phone"]
    return [tuple(_versions(rng, f"T{300_000 + n}", need)) for n, need in enumerate(written)]


def _versions(rng: Random, ticket_id: str, need: Need) -> Iterator[Ticket]:
    nameless = need.channel == "chat" and rng.random() < 0.08
    ticket = Ticket(
        ticket_id=ticket_id,
        person=need.person,
        email=None if nameless else need.person.email(local_day(need.at)),
        channel=need.channel,
        reason=need.reason,
        priority=rng.choices(("low", "normal", "high", "urgent"), (15, 65, 15, 5))[0],
        order_id=need.order_id,
        created_at=need.at,
        updated_at=need.at,
        comments=(("customer", need.at, rng.choice(CROSS + EVEN)),),
    )
    yield ticket
    moment = later(need.at, rng.lognormvariate(0, 0.8) * REPLY_MINUTES[need.channel] / 60 + 0.01)
    ticket = _with_comment(
        replace(ticket, status="open", first_reply_at=moment), "agent", moment, "We are on it."
    )
    yield ticket
    if rng.random() < 0.04:
        return
    moment = later(moment, 0.1 + rng.lognormvariate(1.8, 1.0))
    ticket = _with_comment(
        replace(ticket, status="solved", solved_at=moment), "agent", moment, "Solved, we hope."
    )
    yield ticket
    if rng.random() < 0.08:
        moment = later(moment, rng.uniform(3, 50))
        ticket = replace(ticket, status="open", solved_at=None, reopens=1)
        ticket = _with_comment(ticket, "customer", moment, "Still the same.")
        yield ticket
        moment = later(moment, 0.2 + rng.lognormvariate(1.5, 0.8))
        ticket = _with_comment(
            replace(ticket, status="solved", solved_at=moment), "agent", moment, "Now it is."
        )
        yield ticket
    # Only about orders of persons who kept their address: other records then name them, too.
    if need.order_id and need.person.moved_on is None and rng.random() < 0.04:
        moment = later(moment, rng.uniform(1, 60))
        yield replace(ticket, status="deleted", updated_at=moment)


def _with_comment(ticket: Ticket, author: str, moment: datetime, body: str) -> Ticket:
    return replace(ticket, updated_at=moment, comments=(*ticket.comments, (author, moment, body)))
