"""Surveys after deliveries, calls and tickets, on Typeform: one record per response. Called by ``simulation``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar, Self

from cxflow_demo import typeform
from cxflow_demo.callcentre import Call
from cxflow_demo.clock import in_period, later, local_day
from cxflow_demo.desk import Ticket
from cxflow_demo.people import Person
from cxflow_demo.record import Identifier, Row
from cxflow_demo.shop import Purchase
from cxflow_demo.spelling import email_in_form
from cxflow_demo.words import remark

# Metric to its worst score and the weights of its scores, worst first, after a good and a poor experience.
SCORES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "nps": (0, (1, 1, 1, 1, 2, 4, 6, 12, 18, 25, 29), (5, 5, 6, 7, 8, 11, 11, 13, 14, 11, 9)),
    "csat": (1, (2, 4, 10, 36, 48), (24, 24, 20, 20, 12)),
    "ces": (1, (1, 2, 4, 9, 20, 34, 30), (15, 16, 18, 18, 15, 11, 7)),
}


FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "delivery": ("After a delivery", ("nps", "csat")),
    "call": ("After a call", ("csat", "ces", "nps")),
    "ticket": ("After a ticket", ("csat", "ces")),
}
"""Occasion to the title of its form and the metrics that it asks for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question."""

    metric: str
    """nps (0–10), csat (1–5) or ces (1–7)."""
    score: int
    comment: str


@dataclass(frozen=True, slots=True)
class Response:
    """The answers to some or all questions of a form; they never change."""

    stream: ClassVar[str] = "surveys.responses"
    is_deleted: ClassVar[bool] = False

    response_id: str
    form: str
    """One of ``FORMS``."""
    answers: tuple[Answer, ...]
    email: str
    invited_at: datetime
    responded_at: datetime

    @property
    def key(self) -> str:
        return self.response_id

    @property
    def changed_at(self) -> datetime:
        return self.responded_at

    def row(self) -> Row:
        return typeform.response(
            self.form,
            self.response_id,
            landed_at=self.responded_at - timedelta(seconds=40),
            submitted_at=self.responded_at,
            email=email_in_form(self.email, self.response_id),
            answers=[(each.metric, each.score, each.comment) for each in self.answers],
        )

    def identifiers(self) -> Iterator[Identifier]:
        yield "email", self.email

    def touched(self, _: datetime, /) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class Occasion:
    """An experience that a survey asks about."""

    at: datetime
    person: Person
    poor: bool
    form: str
    metrics: tuple[str, ...]


def responses(
    rng: Random, bought: Iterable[Purchase], calls: Iterable[Call], tickets: Iterable[tuple[Ticket, ...]]
) -> list[Response]:
    """Every response of the period."""
    given: list[Response] = []
    for occasion in (*_deliveries(rng, bought), *_calls(rng, calls), *_tickets(rng, tickets)):
        invited_at = later(occasion.at, rng.uniform(1, 24))
        responded_at = later(invited_at, 0.02 + rng.expovariate(1 / 16))
        email = occasion.person.email(local_day(responded_at))
        if email is None or not in_period(responded_at):
            continue
        answers = tuple(_answer(rng, metric, occasion.poor) for metric in occasion.metrics)
        given.append(
            Response(f"V{80_000 + len(given)}", occasion.form, answers, email, invited_at, responded_at)
        )
    return given


def _answer(rng: Random, metric: str, poor_experience: bool) -> Answer:
    worst, good, poor = SCORES[metric]
    (score,) = rng.choices(range(worst, worst + len(good)), poor if poor_experience else good)
    return Answer(metric, score, remark(rng, (score - worst) / (len(good) - 1)))


def _deliveries(rng: Random, bought: Iterable[Purchase]) -> Iterator[Occasion]:
    for purchase in bought:
        order = purchase.versions[-1]
        if order.delivered_at and rng.random() < 0.24:
            metrics = ("nps", "csat") if rng.random() < 0.4 else ("nps",)
            yield Occasion(
                order.delivered_at, order.person, order.is_late or bool(order.returns), "delivery", metrics
            )


def _calls(rng: Random, calls: Iterable[Call]) -> Iterator[Occasion]:
    for call in calls:
        if call.answered and call.caller and rng.random() < 0.28:
            poor = call.wait_seconds > 60 or rng.random() < 0.15
            metrics = ("csat", "ces", "nps") if rng.random() < 0.3 else ("csat", "ces")
            yield Occasion(call.ended_at, call.person, poor, "call", metrics)


def _tickets(rng: Random, tickets: Iterable[tuple[Ticket, ...]]) -> Iterator[Occasion]:
    for versions in tickets:
        last = versions[-1]
        if last.solved_at and last.email and rng.random() < 0.34:
            poor = last.reopens > 0 or rng.random() < 0.2
            yield Occasion(
                last.solved_at,
                last.person,
                poor,
                "ticket",
                ("csat", "ces") if rng.random() < 0.6 else ("ces",),
            )
