"""The KPIs of the demo, computed from the clean final records. Called by ``truth``.

It shares no code with the formulas of cxflow that it checks. Months and days are in the company's time zone.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np

from cxflow_demo.callcentre import Call
from cxflow_demo.clock import DAILY, local_day
from cxflow_demo.facts import Facts, Sample
from cxflow_demo.formulas import (
    Values,
    contacts_per_100_orders,
    easy_less_hard,
    half_are_over,
    length,
    mean,
    net_promoters,
    orders_among,
    pulled_to_the_middle,
    quantile,
    share_of_worth,
    share_with_two_or_more,
    top_two_of_five,
    total,
)
from cxflow_demo.persons import Persons
from cxflow_demo.record import Record
from cxflow_demo.voice import Task


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
        """The KPI overall and split, for the whole period, each month and the days that were delivered one by one."""
        groups: dict[tuple[str, str | None, str, str], list[float]] = defaultdict(list)
        for sample in self.samples:
            periods: list[tuple[str, str | None]] = [("all", None), ("month", f"{sample.day:%Y-%m}-01")]
            if self.by_day and sample.day in DAILY:
                periods.append(("day", sample.day.isoformat()))
            for grain, start in periods:
                groups[grain, start, "", ""].append(sample.value)
                for split in self.splits:
                    if grain != "day" and split in sample.dimensions:
                        groups[grain, start, split, sample.dimensions[split]].append(sample.value)
        for (grain, start, split, part), observed in sorted(groups.items(), key=lambda group: str(group[0])):
            array = np.array(observed, dtype=float)
            n = self.n(array)
            value = self.value(array) if n else math.nan
            if not math.isnan(value):
                yield KpiValue(self.kpi, grain, start, split, part, value, n)


PREVENTABLE = ("late_delivery", "damaged_item", "order_status")
"""Why nobody should have to ask."""


def measures(facts: Facts) -> list[Measure]:
    """Every KPI of the demo whose periods are independent of each other."""
    lived = Measure("touchpoints", facts.touchpoints(), total, splits=("channel", "source"))
    return [lived, *_of_feedback(facts), *_of_support(facts), *_of_calls(facts), *_of_sales(facts)]


def _of_feedback(facts: Facts) -> list[Measure]:
    """What customers said, asked or unasked."""
    effort = facts.scores("ces")
    ratings = [facts.sample(review, review.created_at, review.rating) for review in facts.reviews]
    return [
        Measure("nps", facts.scores("nps"), net_promoters, splits=("source", "segment")),
        Measure("csat", facts.scores("csat"), top_two_of_five, splits=("channel",)),
        Measure("ces", effort),
        Measure("ces_top", [each._replace(value=each.value >= 5) for each in effort]),
        Measure("ces_net", effort, easy_less_hard),
        Measure("review_rating", ratings, splits=("source",)),
        Measure("review_rating_bayes", ratings, pulled_to_the_middle, splits=("source",)),
    ]


def _of_support(facts: Facts) -> list[Measure]:
    """Contacts and tickets."""
    sample = facts.sample
    contacts = facts.contacts()
    orders = [sample(order, order.created_at, 0) for order in facts.orders]
    asked = [sample(contact, moment, 1) for moment, contact in contacts]
    of_reason = [
        (sample(contact, moment, 1), contact.reason in PREVENTABLE)
        for moment, contact in contacts
        if contact.reason
    ]
    followed = facts.first_contacts()
    first_reply = facts.minutes(lambda ticket: ticket.first_reply_at, lambda ticket: ticket.created_at)
    # A resolution counts when it happened: counted by opening, the newest periods would have only quick ones.
    resolution = facts.minutes(lambda ticket: ticket.solved_at, lambda ticket: ticket.solved_at)
    solved = [(ticket, ticket.solved_at) for ticket in facts.tickets]
    waiting = facts.watched_minutes(
        lambda ticket: ticket.first_reply_at, lambda ticket: ticket.first_solved_at
    )
    unsolved = facts.watched_minutes(lambda ticket: ticket.solved_at, lambda _: None)
    return [
        Measure("contact_rate", [*asked, *orders], contacts_per_100_orders, n=orders_among),
        Measure("support_contacts", asked, total, splits=("channel", "source")),
        Measure(
            "preventable_contact_rate",
            [*(each for each, is_so in of_reason if is_so), *orders],
            contacts_per_100_orders,
            n=orders_among,
        ),
        Measure("preventable_share", [each._replace(value=is_so) for each, is_so in of_reason]),
        Measure(
            "first_contact_resolution",
            [resolved for resolved, _ in followed],
            splits=("channel", "source"),
            by_day=False,
        ),
        Measure(
            "repeat_contact_rate_7d",
            [again for _, again in followed],
            splits=("channel", "source"),
            by_day=False,
        ),
        Measure("first_reply_minutes", first_reply, quantile(0.5), splits=("channel",)),
        Measure("first_reply_minutes_p90", first_reply, quantile(0.9), splits=("channel",)),
        Measure("resolution_minutes", resolution, quantile(0.5), splits=("channel",)),
        Measure("resolution_minutes_p90", resolution, quantile(0.9), splits=("channel",)),
        Measure("first_reply_minutes_of_opened", waiting, half_are_over, splits=("channel",)),
        Measure("resolution_minutes_of_opened", unsolved, half_are_over, splits=("channel",)),
        Measure("reopen_rate", [sample(t, moment, t.reopens > 0) for t, moment in solved if moment]),
        Measure("fcr_one_touch", [sample(t, moment, t.replies == 1) for t, moment in solved if moment]),
    ]


def _of_calls(facts: Facts) -> list[Measure]:
    """The telephone's queue."""
    calls, answered = facts.calls, facts.answered

    def shares(offered: Sequence[Call | Task], is_hit: Callable[[Call | Task], bool]) -> list[Sample]:
        return [facts.sample(call, call.started_at, is_hit(call)) for call in offered]

    def in_time(call: Call | Task) -> bool:
        return call.answered and call.wait_seconds <= 20

    return [
        Measure(
            "average_handle_time",
            [
                facts.sample(c, c.started_at, c.talk_seconds + c.hold_seconds + c.acw_seconds)
                for c in answered
            ],
            splits=("source",),
        ),
        Measure("average_speed_of_answer", [facts.sample(c, c.started_at, c.wait_seconds) for c in answered]),
        Measure(
            "wait_seconds_p90",
            [facts.sample(c, c.started_at, c.wait_seconds) for c in calls],
            quantile(0.9),
        ),
        Measure("abandonment_rate", shares(calls, lambda call: not call.answered)),
        Measure(
            "abandonment_rate_excluding_short",
            shares([c for c in calls if c.answered or c.wait_seconds >= 5], lambda call: not call.answered),
        ),
        Measure("service_level_80_20", shares(answered, in_time)),
        Measure(
            "service_level_of_offered",
            shares([c for c in calls if c.answered or c.wait_seconds > 20], in_time),
        ),
        Measure("service_level_of_queued", shares(calls, in_time), splits=("source",)),
        Measure("transfer_rate", shares(answered, lambda call: call.transfers > 0), splits=("source",)),
    ]


def _of_sales(facts: Facts) -> list[Measure]:
    """Orders, their deliveries and returns; leads and deals."""
    sample, sales = facts.sample, facts.sales
    delivered = [(order, order.delivered_at) for order in sales]
    days = [
        sample(order, moment, (moment - order.created_at) / timedelta(days=1))
        for order, moment in delivered
        if moment
    ]
    returned = {order.number: sum(back.amount for back in order.returns) for order in sales}
    sent_back = [sample(order, order.created_at, bool(order.returns)) for order in sales]
    worth = [sample(order, order.created_at, order.price) for order in sales]
    deals = facts.deals()
    return [
        Measure(
            "on_time_delivery_rate",
            [sample(order, moment, not order.is_late) for order, moment in delivered if moment],
        ),
        Measure("on_time_delivery_rate_of_due", facts.due()),
        Measure("delivery_days", days, quantile(0.5)),
        Measure("delivery_days_p90", days, quantile(0.9)),
        Measure("return_rate", sent_back),
        Measure("refund_rate", sent_back),
        Measure("matured_return_rate", facts.matured_returns()),
        Measure(
            "return_rate_by_revenue",
            [*worth, *(sample(o, o.created_at, -back) for o in sales if (back := returned[o.number]))],
            share_of_worth,
            n=lambda amounts: int((amounts >= 0).sum()),
        ),
        Measure("average_order_value", worth, splits=("segment",)),
        Measure("revenue", worth, total, splits=("segment",)),
        Measure("net_revenue", [sample(o, o.created_at, o.price - returned[o.number]) for o in sales], total),
        Measure(
            "repeat_purchase_rate",
            facts.buyers(),
            share_with_two_or_more,
            n=lambda persons: len(np.unique(persons)),
            by_day=False,
        ),
        Measure(
            "lead_conversion_rate",
            [sample(lead, lead.created_at, lead.won_at is not None) for lead in facts.leads],
        ),
        Measure("win_rate", [deal for deal, _ in deals]),
        Measure(
            "sales_cycle_days",
            [deal._replace(value=days) for deal, days in deals if deal.value],
            quantile(0.5),
        ),
    ]


def loyalty(facts: Facts) -> Iterator[KpiValue]:
    """Of persons with an order (not cancelled) in a month: who orders again in the next one, and for how much."""
    spent = facts.spent()
    for before, month in pairwise(sorted(spent)):
        then, now = spent[before], spent[month]
        stayed = len(then.keys() & now.keys()) / len(then)
        worth = {person: (value, now.get(person, 0.0)) for person, value in then.items() if value > 0}
        base = sum(earlier for earlier, _ in worth.values())
        for kpi, value, n in (
            ("retention_rate", stayed, len(then)),
            ("churn_rate", 1 - stayed, len(then)),
            ("net_revenue_retention", sum(later for _, later in worth.values()) / base, len(worth)),
            ("gross_revenue_retention", sum(map(min, worth.values())) / base, len(worth)),
        ):
            yield KpiValue(kpi, "month", month, "", "", value, n)


def backlog(facts: Facts) -> Iterator[KpiValue]:
    """Tickets opened up to the end of each month, less those solved up to then."""
    opened = [local_day(ticket.created_at) for ticket in facts.tickets]
    solved = [local_day(ticket.solved_at) for ticket in facts.tickets if ticket.solved_at]
    for month in sorted({f"{day:%Y-%m}" for day in opened}):
        come, gone = (sum(f"{day:%Y-%m}" <= month for day in days) for days in (opened, solved))
        yield KpiValue("backlog", "month", f"{month}-01", "", "", come - gone, come)


def kpi_values(records: Iterable[Record], persons: Persons, former: Iterable[Record]) -> list[KpiValue]:
    """Every value that a correct warehouse must show. `former`: earlier versions of the records that were there to
    read."""
    facts = Facts(records, persons, former)
    values = (value for measure in measures(facts) for value in measure.values())
    return [*values, *loyalty(facts), *backlog(facts)]
