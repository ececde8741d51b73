"""Reviews: on Trustpilot after an order (1–5 stars), and on a site that exports them (0–10). Called by ``simulation``.

The site writes moments as epoch milliseconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import ClassVar, Self

from cxflow_demo import trustpilot
from cxflow_demo.clock import DAYS, any_hour, how_many, in_period, later, local_day
from cxflow_demo.people import Crowd, Person
from cxflow_demo.record import Identifier, Row
from cxflow_demo.shop import Purchase
from cxflow_demo.words import opinion

ON_THE_SITE_A_DAY = 26


@dataclass(frozen=True, slots=True)
class SiteReview:
    """A review of the brand on a site; it never changes."""

    stream: ClassVar[str] = "reviews.reviews"
    is_deleted: ClassVar[bool] = False

    review_id: str
    email: str | None
    stars: int
    """0 to 10."""
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
        return 1 + 4 * self.stars / 10

    def row(self) -> Row:
        return {
            "review_id": self.review_id,
            "author_email": self.email,
            "stars": self.stars,
            "scale": 10,
            "text": self.text,
            "created_at": round(self.created_at.timestamp() * 1000),
        }

    def identifiers(self) -> Iterator[Identifier]:
        if self.email:
            yield "email", self.email

    def touched(self, _: datetime, /) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class TrustpilotReview:
    """One version of a review on Trustpilot. The company may reply; a review may be taken from the profile."""

    stream: ClassVar[str] = "trustpilot.service_reviews"
    is_deleted: ClassVar[bool] = False

    number: int
    consumer: int
    """Who wrote it; one for each address."""
    person: Person
    email: str | None
    order_id: str
    stars: int
    """1 to 5."""
    text: str
    created_at: datetime
    updated_at: datetime
    """Not told by Trustpilot."""
    replied_at: datetime | None = None
    is_published: bool = True

    @property
    def key(self) -> str:
        return str(self.number)

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    @property
    def rating(self) -> float:
        """The stars."""
        return float(self.stars)

    def row(self) -> Row:
        return trustpilot.review(
            self.number,
            consumer=self.consumer,
            name=self.person.name,
            email=self.email,
            order=self.order_id,
            stars=self.stars,
            text=self.text,
            created_at=self.created_at,
            replied_at=self.replied_at,
            status="active" if self.is_published else "archived",
        )

    def identifiers(self) -> Iterator[Identifier]:
        yield "consumer", str(self.consumer)
        if self.email:
            yield "email", self.email

    def touched(self, _: datetime, /) -> Self:
        return self


def on_the_site(rng: Random, writers: Crowd, scale: float) -> list[SiteReview]:
    """Every review of the site, earliest first, numbered in that order."""
    written = []
    for day in DAYS:
        for _ in range(how_many(rng, ON_THE_SITE_A_DAY * scale)):
            stars = min(10, max(0, round(rng.gauss(7.4, 2.4))))
            moment = any_hour(rng, day)
            email = writers.draw(rng).email(day)
            written.append(SiteReview("", email, stars, opinion(rng, stars / 10), moment))
    written = sorted(
        (each for each in written if in_period(each.created_at)), key=lambda each: each.created_at
    )
    return [replace(review, review_id=f"X{40_000 + n}") for n, review in enumerate(written)]


def on_trustpilot(rng: Random, bought: Iterable[Purchase]) -> list[TrustpilotReview]:
    """Every version of the reviews on Trustpilot: of one delivered order in five."""
    consumers: dict[str, int] = {}
    written: list[TrustpilotReview] = []
    for purchase in bought:
        order = purchase.versions[-1]
        if not order.delivered_at or rng.random() >= 0.21:
            continue
        moment = later(order.delivered_at, rng.uniform(4, 140))
        unhappy = order.is_late or bool(order.returns)
        (stars,) = rng.choices(range(1, 6), (28, 22, 20, 18, 12) if unhappy else (4, 5, 12, 32, 47))
        email = order.person.email(local_day(moment))
        review = TrustpilotReview(
            number=order.number,
            consumer=consumers.setdefault(email or order.order_id, 70_000 + len(consumers)),
            person=order.person,
            email=email,
            order_id=order.order_id,
            stars=stars,
            text=opinion(rng, (stars - 1) / 4),
            created_at=moment,
            updated_at=moment,
        )
        if in_period(moment):
            written += _versions(rng, review)
    return written


def _versions(rng: Random, review: TrustpilotReview) -> Iterator[TrustpilotReview]:
    """All within the month in which Trustpilot is read again."""
    yield review
    if rng.random() < (0.6 if review.stars < 3 else 0.1):
        moment = later(review.updated_at, rng.uniform(2, 200))
        review = replace(review, replied_at=moment, updated_at=moment)
        yield review
    person = review.person
    # Only of accounts that kept their address: their customer record then names them, too.
    if person.shop_id and person.moved_on is None and rng.random() < 0.2:
        yield replace(review, is_published=False, updated_at=later(review.updated_at, rng.uniform(5, 200)))
