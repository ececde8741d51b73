"""The clean final records of the demo as observations, each with its day, its person and its dimensions. Called by
``kpis``.

Days are in the company's time zone.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from cxflow_demo.callcentre import Call
from cxflow_demo.clock import FIRST, at, local_day
from cxflow_demo.crm import Contact, Lead
from cxflow_demo.desk import Ticket
from cxflow_demo.persons import Persons
from cxflow_demo.record import Identifier, Record
from cxflow_demo.reviews import SiteReview, TrustpilotReview
from cxflow_demo.shop import Customer, Order
from cxflow_demo.surveys import Response
from cxflow_demo.voice import Task, VoiceCall

REPEAT_WITHIN = timedelta(days=7)
RETURN_WITHIN = timedelta(days=30)
WATCHED_MINUTES = 90 * 1440.0


class Sample(NamedTuple):
    """One observation: its local day, its value, and the dimensions it can be split by."""

    day: date
    value: float
    dimensions: dict[str, str]


def _source(record: Record) -> str:
    return record.stream.partition(".")[0]


class Facts:
    """The final records by kind, each with its person and its dimensions."""

    def __init__(self, records: Iterable[Record], persons: Persons, former: Iterable[Record]) -> None:
        """`former`: earlier versions of the records that were there to read."""
        everything = list(records)
        self.persons = persons
        self.orders = [r for r in everything if isinstance(r, Order)]
        self.sales = [order for order in self.orders if order.cancelled_at is None]
        self.phoned = [
            r for r in everything if isinstance(r, Call) or (isinstance(r, VoiceCall) and not r.leg)
        ]
        self.calls = [r for r in everything if isinstance(r, Call | Task)]
        self._tasks = [r for r in everything if isinstance(r, Task)]
        self._queued = {task.call.key: task.answered for task in self._tasks}
        self.answered = [call for call in self.calls if call.answered]
        self.tickets = [r for r in everything if isinstance(r, Ticket)]
        self.responses = [r for r in everything if isinstance(r, Response)]
        self.reviews = [
            r
            for r in everything
            if isinstance(r, SiteReview) or (isinstance(r, TrustpilotReview) and r.is_published)
        ]
        self.leads = [r for r in everything if isinstance(r, Lead)]
        self.accounts = [r for r in everything if isinstance(r, Contact | Customer)]
        contacts = [r for r in (*former, *everything) if isinstance(r, Contact)]
        self._segments: dict[Identifier | None, list[tuple[datetime, str]]] = defaultdict(list)
        for contact in sorted(contacts, key=lambda each: each.changed_at):
            self._segments[persons.of(contact)].append((contact.changed_at, contact.segment))

    def sample(self, record: Record, moment: datetime, value: float) -> Sample:
        """An observation of a record. It has a segment if the CRM knows its person: the one at that moment or, if it
        knew them later, their first one."""
        source = _source(record)
        channel = "phone" if source in ("callcentre", "voice") else "web"
        dimensions = {"source": source, "channel": record.channel if isinstance(record, Ticket) else channel}
        if known := self._segments.get(self.persons.of(record)):
            place = bisect_right(known, moment, key=lambda version: version[0])
            dimensions["segment"] = known[max(place - 1, 0)][1]
        return Sample(local_day(moment), value, dimensions)

    def touchpoints(self) -> list[Sample]:
        """Everything that customers lived through and that some system tells."""
        cancelled = [(order, order.cancelled_at) for order in self.orders]
        lived: list[tuple[Record, datetime | None]] = [
            *((each, each.created_at) for each in (*self.accounts, *self.leads, *self.orders, *self.tickets)),
            *((each, each.created_at) for each in self.reviews),
            *((each, each.replied_at) for each in self.reviews if isinstance(each, TrustpilotReview)),
            *cancelled,
            *cancelled,  # and the money comes back
            *((order, back.at) for order in self.orders for back in order.returns),
            *((each, each.started_at) for each in (*self.phoned, *self._tasks)),
            *((response, response.responded_at) for response in self.responses),
        ]
        parcels = [self.sample(each, each.delivered_at, 1) for each in self.orders if each.delivered_at]
        return [
            *(self.sample(record, moment, 1) for record, moment in lived if moment),
            *(each._replace(dimensions={**each.dimensions, "channel": "parcel"}) for each in parcels),
        ]

    def scores(self, metric: str) -> list[Sample]:
        """The answers to one question."""
        return [
            self.sample(response, response.responded_at, answer.score)
            for response in self.responses
            for answer in response.answers
            if answer.metric == metric
        ]

    def minutes(
        self, end: Callable[[Ticket], datetime | None], counted_at: Callable[[Ticket], datetime | None]
    ) -> list[Sample]:
        """Calendar minutes from a ticket's creation to an end, for the tickets that reached it."""
        return [
            self.sample(
                ticket, counted_at(ticket) or moment, (moment - ticket.created_at).total_seconds() / 60
            )
            for ticket in self.tickets
            if (moment := end(ticket))
        ]

    def watched_minutes(
        self, end: Callable[[Ticket], datetime | None], otherwise: Callable[[Ticket], datetime | None]
    ) -> list[Sample]:
        """Minutes from each ticket's creation to an end within ninety days; negative where it has none, and was watched
        until it ended otherwise or its system is known."""
        known = _latest(
            moment
            for each in self.tickets
            for moment in (each.created_at, each.first_reply_at, each.first_solved_at, each.solved_at)
        )
        found = []
        for ticket in self.tickets:
            over = end(ticket)
            until = over or otherwise(ticket) or known
            minutes = min((until - ticket.created_at).total_seconds() / 60, WATCHED_MINUTES)
            is_over = over is not None and over <= ticket.created_at + timedelta(minutes=WATCHED_MINUTES)
            found.append(self.sample(ticket, ticket.created_at, minutes if is_over else -max(minutes, 1e-9)))
        return found

    def contacts(self) -> list[tuple[datetime, Call | VoiceCall | Ticket]]:
        """Every support contact, earliest first."""
        opened: list[tuple[datetime, Call | VoiceCall | Ticket]] = [
            (call.started_at, call) for call in self.phoned
        ]
        opened += [(ticket.created_at, ticket) for ticket in self.tickets]
        return sorted(opened, key=lambda contact: (contact[0], contact[1].key))

    def was_answered(self, contact: Call | VoiceCall | Ticket) -> bool:
        """Whether an agent took the call, or replied to the ticket or solved it; of a call without a task it is taken
        for granted."""
        if isinstance(contact, Ticket):
            return bool(contact.first_reply_at or contact.solved_at)
        if isinstance(contact, VoiceCall):
            return self._queued.get(contact.call.key, True)
        return contact.answered

    def first_contacts(self) -> list[tuple[Sample, Sample]]:
        """For each contact of a known person whose seven days are over in its source, two observations of 1 or 0:
        whether somebody answered it and none followed, and whether one followed. One that nobody answered and that was
        tried again (for any reason, if none is known) is none."""
        contacts = self.contacts()
        times: dict[tuple[Identifier, str | None], list[datetime]] = defaultdict(list)
        known_until: dict[str, datetime] = {}
        for moment, contact in contacts:
            known_until[_source(contact)] = moment
            if person := self.persons.of(contact):
                times[person, contact.reason].append(moment)
                times[person, None].append(moment)

        def is_followed(asked: list[datetime], moment: datetime) -> bool:
            following = bisect_right(asked, moment)
            return following < len(asked) and asked[following] <= moment + REPEAT_WITHIN

        samples: list[tuple[Sample, Sample]] = []
        for moment, contact in contacts:
            person = self.persons.of(contact)
            if person and moment + REPEAT_WITHIN <= known_until[_source(contact)]:
                again = is_followed(times[person, contact.reason], moment)
                tries = again or (not contact.reason and is_followed(times[person, None], moment))
                answered = self.was_answered(contact)
                if answered or not tries:
                    resolved = self.sample(contact, moment, answered and not again)
                    samples.append((resolved, self.sample(contact, moment, again)))
        return samples

    def buyers(self) -> list[Sample]:
        """For each order that was not cancelled, the number of its person."""
        numbers: dict[Any, int] = {}
        return [
            self.sample(order, order.created_at, numbers.setdefault(self.persons.of(order), len(numbers)))
            for order in self.sales
        ]

    def due(self) -> list[Sample]:
        """For each order whose promised day is over, as far as the shop is known: whether it had come by then."""
        known = local_day(_latest(moment for order in self.orders for moment in _moments(order)))
        return [
            self.sample(order, order.created_at, order.delivered_at is not None and not order.is_late)
            for order in self.sales
            if order.promised_on < known
        ]

    def matured_returns(self) -> list[Sample]:
        """For each order whose thirty days are over, as far as the shop and its refunds are known: whether goods came
        back within them."""
        refunded = [back.at for order in self.orders for back in order.returns]
        known = _latest([*refunded, *(moment for order in self.orders for moment in _moments(order))])
        return [
            self.sample(
                order,
                order.created_at,
                any(back.at <= order.created_at + RETURN_WITHIN for back in order.returns),
            )
            for order in self.sales
            if order.created_at + RETURN_WITHIN <= known
        ]

    def deals(self) -> list[tuple[Sample, float]]:
        """For each lead that was won or lost, at that moment: 1 or 0; and the days since it was created."""
        closed = [(lead, lead.won_at or lead.lost_at) for lead in self.leads]
        return [
            (
                self.sample(lead, moment, lead.won_at is not None),
                (moment - lead.created_at) / timedelta(days=1),
            )
            for lead, moment in closed
            if moment
        ]

    def spent(self) -> dict[str, dict[float, float]]:
        """Month to what each person, by their number, bought in it for."""
        found: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        for buyer, order in zip(self.buyers(), self.sales, strict=True):
            found[f"{buyer.day:%Y-%m}-01"][buyer.value] += order.price
        return found


def _moments(order: Order) -> tuple[datetime | None, ...]:
    """When something happened to an order."""
    return order.created_at, order.shipped_at, order.delivered_at, order.cancelled_at


def _latest(moments: Iterable[datetime | None]) -> datetime:
    """How far a system is known; of one that knows nothing, its beginning."""
    return max((moment for moment in moments if moment), default=at(FIRST, 0))
