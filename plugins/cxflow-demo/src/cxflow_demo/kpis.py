"""The KPIs of the demo, computed from the clean final records. Called by ``truth``.

Plain Python and numpy on purpose: it shares no code with the formulas of cxflow that it checks. Months and
days are in the company's time zone.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cxflow_demo.callcentre import Call
from cxflow_demo.clock import WEEK, local_day
from cxflow_demo.crm import Contact, Lead
from cxflow_demo.desk import Ticket
from cxflow_demo.persons import Persons
from cxflow_demo.record import Identifier, Record
from cxflow_demo.reviews import SiteReview, TrustpilotReview
from cxflow_demo.shop import Order
from cxflow_demo.surveys import Response
from cxflow_demo.voice import Task, VoiceCall

Values = npt.NDArray[np.float64]
REPEAT_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class KpiValue:
    """One value that a correct warehouse must show."""

    kpi: str
    grain: str
    """all, month or day."""
    period_start: str | None
    """First local day of the period; None for all."""
    dimension: str
    """channel, source or segment; empty for the overall value."""
    dimension_value: str
    value: float
    n: int


class Sample(NamedTuple):
    """One observation: its local day, its value, and the dimensions it can be split by."""

    day: date
    value: float
    dimensions: dict[str, str]


def mean(values: Values) -> float:
    """The arithmetic mean, of shares the share."""
    return float(values.mean())


def net_promoters(scores: Values) -> float:
    """100 × (share of 9 and 10 − share of 0 to 6): −100 to 100."""
    return float(100 * ((scores >= 9).mean() - (scores <= 6).mean()))


def top_two_of_five(scores: Values) -> float:
    """The share of 4 and 5: 0 to 1."""
    return float((scores >= 4).mean())


def contacts_per_100_orders(is_contact: Values) -> float:
    """Of observations that are 1 for a contact and 0 for an order."""
    return float(100 * is_contact.sum() / (1 - is_contact).sum())


def share_with_two_or_more(persons: Values) -> float:
    """Persons who are there at least twice ÷ persons, of one observation an order: 0 to 1."""
    _, orders = np.unique(persons, return_counts=True)
    return float((orders >= 2).mean())


def quantile(q: float) -> Callable[[Values], float]:
    """The quantile by linear interpolation."""
    return lambda values: float(np.quantile(values, q))


def length(values: Values) -> int:
    """How many observations there are: the usual n."""
    return len(values)


@dataclass(frozen=True)
class Measure:
    """A KPI: its observations, and the functions for its value and its n."""

    kpi: str
    samples: Sequence[Sample]
    value: Callable[[Values], float] = mean
    n: Callable[[Values], int] = length
    splits: tuple[str, ...] = ()
    by_day: bool = True

    def values(self) -> Iterator[KpiValue]:
        """The KPI overall and split, for the whole period, each month and the days of the last week."""
        groups: dict[tuple[str, str | None, str, str], list[float]] = defaultdict(list)
        for sample in self.samples:
            periods: list[tuple[str, str | None]] = [("all", None), ("month", f"{sample.day:%Y-%m}-01")]
            if self.by_day and sample.day in WEEK:
                periods.append(("day", sample.day.isoformat()))
            for grain, start in periods:
                groups[grain, start, "", ""].append(sample.value)
                for split in self.splits:
                    if grain != "day" and split in sample.dimensions:
                        groups[grain, start, split, sample.dimensions[split]].append(sample.value)
        for (grain, start, split, part), observed in sorted(groups.items(), key=lambda group: str(group[0])):
            array = np.array(observed)
            if self.n(array):
                yield KpiValue(self.kpi, grain, start, split, part, self.value(array), self.n(array))


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
        self._queued = {r.call.key: r.answered for r in everything if isinstance(r, Task)}
        self.answered = [call for call in self.calls if call.answered]
        self.tickets = [r for r in everything if isinstance(r, Ticket)]
        self.responses = [r for r in everything if isinstance(r, Response)]
        self.reviews = [
            r
            for r in everything
            if isinstance(r, SiteReview) or (isinstance(r, TrustpilotReview) and r.is_published)
        ]
        self.leads = [r for r in everything if isinstance(r, Lead)]
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
        return Sample(local_day(moment), float(value), dimensions)

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

    def resolved_at_first_contact(self) -> list[Sample]:
        """1 or 0 for each contact of a known person whose seven days are over in its source: whether somebody answered
        it and none followed. One that nobody answered and that was tried again (for any reason, if none is known) is
        none."""
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

        samples: list[Sample] = []
        for moment, contact in contacts:
            person = self.persons.of(contact)
            if person and moment + REPEAT_WITHIN <= known_until[_source(contact)]:
                again = is_followed(times[person, contact.reason], moment)
                tries = again or (not contact.reason and is_followed(times[person, None], moment))
                answered = self.was_answered(contact)
                if answered or not tries:
                    samples.append(self.sample(contact, moment, answered and not again))
        return samples

    def buyers(self) -> list[Sample]:
        """For each order that was not cancelled, the number of its person."""
        numbers: dict[Any, int] = {}
        return [
            self.sample(order, order.created_at, numbers.setdefault(self.persons.of(order), len(numbers)))
            for order in self.sales
        ]


def measures(facts: Facts) -> list[Measure]:
    """Every KPI of the demo except retention."""
    sample = facts.sample
    first_reply = facts.minutes(lambda ticket: ticket.first_reply_at, lambda ticket: ticket.created_at)
    # A resolution counts when it happened: counted by opening, the newest periods would have only quick ones.
    resolution = facts.minutes(lambda ticket: ticket.solved_at, lambda ticket: ticket.solved_at)
    demand = [sample(contact, moment, 1) for moment, contact in facts.contacts()]
    demand += [sample(order, order.created_at, 0) for order in facts.orders]
    return [
        Measure("nps", facts.scores("nps"), net_promoters, splits=("source", "segment")),
        Measure("csat", facts.scores("csat"), top_two_of_five, splits=("channel",)),
        Measure("ces", facts.scores("ces")),
        Measure(
            "review_rating", [sample(r, r.created_at, r.rating) for r in facts.reviews], splits=("source",)
        ),
        Measure("contact_rate", demand, contacts_per_100_orders, n=lambda each: int((1 - each).sum())),
        Measure(
            "first_contact_resolution",
            facts.resolved_at_first_contact(),
            splits=("channel", "source"),
            by_day=False,
        ),
        Measure(
            "average_handle_time",
            [
                sample(c, c.started_at, c.talk_seconds + c.hold_seconds + c.acw_seconds)
                for c in facts.answered
            ],
            splits=("source",),
        ),
        Measure("average_speed_of_answer", [sample(c, c.started_at, c.wait_seconds) for c in facts.answered]),
        Measure("abandonment_rate", [sample(c, c.started_at, not c.answered) for c in facts.calls]),
        Measure(
            "service_level_80_20", [sample(c, c.started_at, c.wait_seconds <= 20) for c in facts.answered]
        ),
        Measure("first_reply_minutes", first_reply, quantile(0.5), splits=("channel",)),
        Measure("first_reply_minutes_p90", first_reply, quantile(0.9), splits=("channel",)),
        Measure("resolution_minutes", resolution, quantile(0.5), splits=("channel",)),
        Measure("resolution_minutes_p90", resolution, quantile(0.9), splits=("channel",)),
        Measure(
            "on_time_delivery_rate",
            [sample(o, o.delivered_at, not o.is_late) for o in facts.sales if o.delivered_at],
        ),
        Measure("return_rate", [sample(o, o.created_at, bool(o.returns)) for o in facts.sales]),
        Measure(
            "average_order_value",
            [sample(o, o.created_at, o.price) for o in facts.sales],
            splits=("segment",),
        ),
        Measure(
            "repeat_purchase_rate",
            facts.buyers(),
            share_with_two_or_more,
            n=lambda persons: len(np.unique(persons)),
            by_day=False,
        ),
        Measure("lead_conversion_rate", [sample(x, x.created_at, x.won_at is not None) for x in facts.leads]),
    ]


def retention(facts: Facts) -> Iterator[KpiValue]:
    """The share of persons with an order (not cancelled) in a month who order again in the next one."""
    active: dict[str, set[float]] = defaultdict(set)
    for buyer in facts.buyers():
        active[f"{buyer.day:%Y-%m}-01"].add(buyer.value)
    months = sorted(active)
    for before, month in pairwise(months):
        stayed = len(active[before] & active[month])
        yield KpiValue(
            "retention_rate", "month", month, "", "", stayed / len(active[before]), len(active[before])
        )


def kpi_values(records: Iterable[Record], persons: Persons, former: Iterable[Record]) -> list[KpiValue]:
    """Every value that a correct warehouse must show. `former`: earlier versions of the records that were there to
    read."""
    facts = Facts(records, persons, former)
    return [*(value for measure in measures(facts) for value in measure.values()), *retention(facts)]
