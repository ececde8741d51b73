"""Reviews: of delivered orders in the shop (1–5 stars), of the brand on an external site (0–10).

Called by ``simulation``. Moments are written as epoch milliseconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import ClassVar, Self

from cxflow_demo.clock import DAYS, any_hour, how_many, in_period, later, local_day
from cxflow_demo.people import Crowd
from cxflow_demo.record import Identifier, Row
from cxflow_demo.shop import Purchase
from cxflow_demo.words import opinion

EXTERNAL_A_DAY = 6


@dataclass(frozen=True, slots=True)
class Review:
    """One review; it never changes."""

    stream: ClassVar[str] = "reviews.reviews"
    is_deleted: ClassVar[bool] = False

    review_id: str
    order_id: str | None
    email: str | None
    stars: int
    scale: int
    """Best value: 5 (worst 1) in the shop, 10 (worst 0) on the external site."""
    text: str
    created_at: datetime

    @property
    def key(self) -> str:
        return self.review_id

    @property
    def changed_at(self) -> datetime:
        return self.created_at

    @property
    def rating(self) -> float:
        """The stars rescaled to 1–5."""
        return float(self.stars) if self.scale == 5 else 1 + 4 * self.stars / 10

    def row(self) -> Row:
        return {
            "review_id": self.review_id,
            "order_id": self.order_id,
            "author_email": self.email,
            "stars": self.stars,
            "scale": self.scale,
            "text": self.text,
            "created_at": round(self.created_at.timestamp() * 1000),
        }

    def identifiers(self) -> Iterator[Identifier]:
        if self.email:
            yield "email", self.email

    def touched(self, _: datetime, /) -> Self:
        return self


def reviews(rng: Random, writers: Crowd, bought: Iterable[Purchase], scale: float) -> list[Review]:
    """Every review of the period, earliest first, numbered in that order."""
    written = [*_of_orders(rng, bought), *_of_the_brand(rng, writers, scale)]
    written = sorted((r for r in written if in_period(r.created_at)), key=lambda r: r.created_at)
    return [replace(review, review_id=f"{review.review_id}{40_000 + n}") for n, review in enumerate(written)]


def _of_orders(rng: Random, bought: Iterable[Purchase]) -> Iterator[Review]:
    for purchase in bought:
        order = purchase.versions[-1]
        if order.delivered_at and rng.random() < 0.21:
            moment = later(order.delivered_at, rng.uniform(4, 140))
            unhappy = order.is_late or bool(order.returns)
            (stars,) = rng.choices(range(1, 6), (28, 22, 20, 18, 12) if unhappy else (4, 5, 12, 32, 47))
            email = order.person.email(local_day(moment))
            yield Review("R", order.order_id, email, stars, 5, opinion(rng, (stars - 1) / 4), moment)


def _of_the_brand(rng: Random, writers: Crowd, scale: float) -> Iterator[Review]:
    for day in DAYS:
        for _ in range(how_many(rng, EXTERNAL_A_DAY * scale)):
            stars = min(10, max(0, round(rng.gauss(7.4, 2.4))))
            moment = any_hour(rng, day)
            email = writers.draw(rng).email(day)
            yield Review("X", None, email, stars, 10, opinion(rng, stars / 10), moment)
