"""The web shop: orders with their lines, from purchase to delivery and return. Called by ``simulation``.

Moments are written in ISO 8601 with the local offset; an order is delivered again with each change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import ClassVar, Self

from cxflow_demo.clock import DAYS, FIRST, any_hour, at, how_many, later, local_day
from cxflow_demo.people import Crowd, Person
from cxflow_demo.record import Identifier, Row, offset_iso

ORDERS_A_DAY = 88
WEEKDAYS = (1.12, 1.02, 0.98, 0.97, 1.0, 0.88, 1.05)


@dataclass(frozen=True, slots=True)
class Return:
    """Goods sent back: when, and for how many euros."""

    return_id: str
    at: datetime
    amount: float


@dataclass(frozen=True, slots=True)
class Order:
    """One version of an order. Amounts are in euros; the price includes tax."""

    stream: ClassVar[str] = "shop.orders"
    is_deleted: ClassVar[bool] = False

    order_id: str
    person: Person
    email: str | None
    price: float
    discount: float
    created_at: datetime
    updated_at: datetime
    promised_on: date
    status: str = "placed"
    """placed, shipped, delivered, returned or cancelled."""
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    returns: tuple[Return, ...] = ()

    @property
    def key(self) -> str:
        return self.order_id

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    @property
    def is_late(self) -> bool:
        """Whether it was delivered after the promised day, in local time."""
        return self.delivered_at is not None and local_day(self.delivered_at) > self.promised_on

    def row(self) -> Row:
        refunded = self.price if self.cancelled_at else sum((each.amount for each in self.returns), 0.0)
        return {
            "id": self.order_id,
            "customer": {"id": self.person.shop_id, "email": self.email, "phone": self.person.phone},
            "status": self.status,
            "currency": "EUR",
            "totals": {
                "price": self.price,
                "discount": self.discount,
                "tax": round(self.price * 21 / 121, 2),
                "refunded": round(refunded, 2),
            },
            "created_at": offset_iso(self.created_at),
            "updated_at": offset_iso(self.updated_at),
            "promised_on": self.promised_on.isoformat(),
            "delivered_at": offset_iso(self.delivered_at),
            "cancelled_at": offset_iso(self.cancelled_at),
            "returns": [
                {"id": each.return_id, "at": offset_iso(each.at), "amount": each.amount}
                for each in self.returns
            ],
        }

    def identifiers(self) -> Iterator[Identifier]:
        if self.person.shop_id:
            yield "customer", self.person.shop_id
        if self.email:
            yield "email", self.email
        if self.person.phone:
            yield "phone", self.person.phone

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)

    def corrected(self, moment: datetime) -> Self:
        """The order after a correction: a late one was in fact on time, another one cost less."""
        if self.is_late:
            return replace(self, delivered_at=at(self.promised_on, 12.5), updated_at=moment)
        return replace(self, price=round(self.price * 0.8, 2), updated_at=moment)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One article of an order, as bought; it never changes."""

    stream: ClassVar[str] = "shop.order_lines"
    is_deleted: ClassVar[bool] = False

    order_id: str
    line_no: int
    sku: str
    quantity: int
    unit_price: float
    """Euros."""
    created_at: datetime

    @property
    def key(self) -> str:
        return f"{self.order_id}/{self.line_no}"

    @property
    def changed_at(self) -> datetime:
        return self.created_at

    @property
    def line_total(self) -> float:
        """Euros, before the order's discount."""
        return round(self.quantity * self.unit_price, 2)

    def row(self) -> Row:
        return {
            "order_id": self.order_id,
            "line_no": self.line_no,
            "sku": self.sku,
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "line_total": self.line_total,
            "created_at": offset_iso(self.created_at),
        }

    def identifiers(self) -> Iterator[Identifier]:
        return iter(())

    def touched(self, _: datetime, /) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class Purchase:
    """All versions of an order, including those after the end of the simulated period."""

    versions: tuple[Order, ...]
    lines: tuple[OrderLine, ...]


def purchases(rng: Random, buyers: Crowd, scale: float) -> list[Purchase]:
    """Every purchase of the period, in order of ids."""
    catalogue = [(f"SKU-{n:03d}", round(rng.lognormvariate(3.3, 0.7), 2)) for n in range(80)]
    made: list[Purchase] = []
    for day in DAYS:
        # The January sales, then a slow spring rise.
        sales = 1.35 if date(2026, 1, 7) <= day <= date(2026, 1, 24) else 0.92 + (day - FIRST).days / 700
        for created_at in sorted(
            any_hour(rng, day)
            for _ in range(how_many(rng, ORDERS_A_DAY * scale * WEEKDAYS[day.weekday()] * sales))
        ):
            made.append(_purchase(rng, f"SO{200_000 + len(made)}", buyers.draw(rng), created_at, catalogue))
    return made


def _purchase(
    rng: Random, order_id: str, person: Person, created_at: datetime, catalogue: list[tuple[str, float]]
) -> Purchase:
    lines = tuple(
        OrderLine(order_id, number + 1, *_article(rng, catalogue), created_at=created_at)
        for number in range(rng.choices((1, 2, 3, 4), (52, 28, 13, 7))[0])
    )
    goods = sum(line.line_total for line in lines)
    discount = round(goods * rng.choice((0.05, 0.1, 0.2)), 2) if rng.random() < 0.18 else 0.0
    day = local_day(created_at)
    placed = Order(
        order_id=order_id,
        person=person,
        email=person.email(day),
        price=round(goods - discount, 2),
        discount=discount,
        created_at=created_at,
        updated_at=created_at,
        promised_on=day + timedelta(days=rng.choice((3, 4, 5))),
    )
    return Purchase((placed, *_later_versions(rng, placed)), lines)


def _article(rng: Random, catalogue: list[tuple[str, float]]) -> tuple[str, int, float]:
    sku, unit_price = rng.choice(catalogue)
    return sku, rng.choices((1, 2, 3), (80, 15, 5))[0], unit_price


def _later_versions(rng: Random, placed: Order) -> Iterator[Order]:
    if rng.random() < 0.045:
        moment = later(placed.created_at, rng.uniform(0.2, 20))
        yield replace(placed, status="cancelled", cancelled_at=moment, updated_at=moment)
        return
    shipped = replace(placed, status="shipped", updated_at=later(placed.created_at, rng.uniform(6, 44)))
    yield shipped
    days_off = rng.choice((1, 1, 2, 3, 5)) if rng.random() < 0.11 else rng.choice((0, 0, -1))
    delivered_at = max(
        at(placed.promised_on + timedelta(days=days_off), rng.uniform(9, 20)),
        later(shipped.updated_at, rng.uniform(5, 9)),
    )
    order = replace(shipped, status="delivered", delivered_at=delivered_at, updated_at=delivered_at)
    yield order
    for number in range(rng.choices((0, 1, 2), (91, 8, 1))[0]):
        moment = later(order.updated_at, rng.uniform(30, 240))
        amount = round(placed.price * rng.choice((0.25, 0.4, 0.5)), 2)
        back = Return(f"{order.order_id}-R{number + 1}", moment, amount)
        order = replace(order, status="returned", returns=(*order.returns, back), updated_at=moment)
        yield order
