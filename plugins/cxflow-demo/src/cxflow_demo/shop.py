"""The web shop, on Shopify: orders with their lines, from purchase to delivery and return, and customers.

Called by ``simulation``. An order changes with all that happens to it; a cancelled one may be deleted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import ClassVar, Self

from cxflow_demo import shopify
from cxflow_demo.clock import DAYS, FIRST, any_hour, at, how_many, later, local_day
from cxflow_demo.people import Crowd, Person
from cxflow_demo.record import Identifier, Row

ORDERS_A_DAY = 88
WEEKDAYS = (1.12, 1.02, 0.98, 0.97, 1.0, 0.88, 1.05)


@dataclass(frozen=True, slots=True)
class Return:
    """Goods sent back: when, and for how many euros."""

    number: int
    """Of the refund."""
    at: datetime
    amount: float


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One article of an order, as bought; it never changes."""

    line_no: int
    sku: str
    quantity: int
    unit_price: float
    """Euros."""

    @property
    def line_total(self) -> float:
        """Euros, before the order's discount."""
        return round(self.quantity * self.unit_price, 2)


@dataclass(frozen=True, slots=True)
class Order:
    """One version of an order. Amounts are in euros; the price includes tax."""

    stream: ClassVar[str] = "shop.orders"

    number: int
    person: Person
    email: str | None
    price: float
    discount: float
    lines: tuple[OrderLine, ...]
    created_at: datetime
    updated_at: datetime
    promised_on: date
    status: str = "placed"
    """placed, shipped, delivered, returned, cancelled or deleted."""
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    returns: tuple[Return, ...] = ()

    @property
    def order_id(self) -> str:
        """Its name, by which customers and other systems refer to it."""
        return f"SO{self.number}"

    @property
    def key(self) -> str:
        return self.order_id

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    @property
    def is_deleted(self) -> bool:
        return self.status == "deleted"

    @property
    def is_late(self) -> bool:
        """Whether it was delivered after the promised day, in local time."""
        return self.delivered_at is not None and local_day(self.delivered_at) > self.promised_on

    def row(self) -> Row:
        """As Shopify has it; of a deleted order, the event."""
        if self.is_deleted:
            return shopify.deleted(self.number, self.updated_at)
        lines = [
            shopify.line(
                self.number * 10 + each.line_no, each.sku, each.quantity, each.unit_price, each.line_total
            )
            for each in self.lines
        ]
        if self.cancelled_at:
            refunds = [shopify.refund(self.number * 10, self.cancelled_at, self.price, lines, "CANCEL")]
        else:
            refunds = [
                shopify.refund(each.number, each.at, each.amount, lines[:1], "RETURN")
                for each in self.returns
            ]
        shipped = self.shipped_at
        return shopify.order(
            self.number,
            self.order_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            cancelled_at=self.cancelled_at,
            promised_on=self.promised_on,
            email=self.email,
            phone=self.person.phone,
            customer=self.person.shop_id,
            price=self.price,
            discount=self.discount,
            lines=lines,
            refunds=refunds,
            parcels=[shopify.parcel(self.number, shipped, self.delivered_at)] if shipped else [],
        )

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
            assert self.shipped_at is not None
            delivered_at = max(at(self.promised_on, 12.5), later(self.shipped_at, 1))
            return replace(self, delivered_at=delivered_at, updated_at=moment)
        return replace(self, price=round(self.price * 0.8, 2), updated_at=moment)


@dataclass(frozen=True, slots=True)
class Customer:
    """One version of an account: with each order there is a new one. It keeps the address of its first order."""

    stream: ClassVar[str] = "shop.customers"
    is_deleted: ClassVar[bool] = False

    person: Person
    email: str | None
    created_at: datetime
    updated_at: datetime
    orders: int
    spent: float
    """Euros."""

    @property
    def key(self) -> str:
        return str(self.person.shop_id)

    @property
    def changed_at(self) -> datetime:
        return self.updated_at

    def row(self) -> Row:
        return shopify.customer(
            self.key,
            self.person.name,
            created_at=self.created_at,
            updated_at=self.updated_at,
            email=self.email,
            phone=self.person.phone,
            orders=self.orders,
            spent=self.spent,
        )

    def identifiers(self) -> Iterator[Identifier]:
        yield "customer", self.key
        if self.email:
            yield "email", self.email
        if self.person.phone:
            yield "phone", self.person.phone

    def touched(self, moment: datetime, /) -> Self:
        return replace(self, updated_at=moment)


@dataclass(frozen=True, slots=True)
class Purchase:
    """All versions of an order, including those after the end of the simulated period."""

    versions: tuple[Order, ...]


def customers(bought: Iterable[Purchase]) -> Iterator[Customer]:
    """Every version of every account, order by order."""
    orders: dict[str, list[Order]] = defaultdict(list)
    for purchase in bought:
        placed = purchase.versions[0]
        if placed.person.shop_id:
            orders[placed.person.shop_id].append(placed)
    for placed_orders in orders.values():
        first = placed_orders[0]
        for count, last in enumerate(placed_orders, start=1):
            spent = sum(each.price for each in placed_orders[:count])
            yield Customer(
                first.person, first.email, first.created_at, last.created_at, count, round(spent, 2)
            )


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
            made.append(_purchase(rng, 200_000 + len(made), buyers.draw(rng), created_at, catalogue))
    return made


def _purchase(
    rng: Random, number: int, person: Person, created_at: datetime, catalogue: list[tuple[str, float]]
) -> Purchase:
    lines = tuple(
        OrderLine(line + 1, *_article(rng, catalogue))
        for line in range(rng.choices((1, 2, 3, 4), (52, 28, 13, 7))[0])
    )
    goods = sum(line.line_total for line in lines)
    discount = round(goods * rng.choice((0.05, 0.1, 0.2)), 2) if rng.random() < 0.18 else 0.0
    day = local_day(created_at)
    placed = Order(
        number=number,
        person=person,
        email=person.email(day),
        price=round(goods - discount, 2),
        discount=discount,
        lines=lines,
        created_at=created_at,
        updated_at=created_at,
        promised_on=day + timedelta(days=rng.choice((3, 4, 5))),
    )
    return Purchase((placed, *_later_versions(rng, placed)))


def _article(rng: Random, catalogue: list[tuple[str, float]]) -> tuple[str, int, float]:
    sku, unit_price = rng.choice(catalogue)
    return sku, rng.choices((1, 2, 3), (80, 15, 5))[0], unit_price


def _later_versions(rng: Random, placed: Order) -> Iterator[Order]:
    if rng.random() < 0.045:
        moment = later(placed.created_at, rng.uniform(0.2, 20))
        cancelled = replace(placed, status="cancelled", cancelled_at=moment, updated_at=moment)
        yield cancelled
        # Only of accounts that kept their address: their customer record then names them, too.
        if placed.person.shop_id and placed.person.moved_on is None and rng.random() < 0.5:
            yield replace(cancelled, status="deleted", updated_at=later(moment, rng.uniform(1, 120)))
        return
    moment = later(placed.created_at, rng.uniform(6, 44))
    shipped = replace(placed, status="shipped", shipped_at=moment, updated_at=moment)
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
        back = Return(order.number * 10 + number + 1, moment, amount)
        order = replace(order, status="returned", returns=(*order.returns, back), updated_at=moment)
        yield order
