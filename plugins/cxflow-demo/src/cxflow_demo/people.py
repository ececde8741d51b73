"""The persons of the demo, with their identifiers in each system. Drawn once by ``simulation``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from cxflow_demo.clock import DAYS, FIRST

FIRST_NAMES = (
    "Ana", "Bruno", "Carla", "Dario", "Elena", "Felipe", "Gema", "Hugo", "Ines", "Jon", "Karim", "Lucia",
    "Marco", "Nadia", "Omar", "Pilar", "Quim", "Rosa", "Saul", "Teresa", "Uxia", "Vera", "Wanda", "Yago",
)  # fmt: skip
LAST_NAMES = (
    "Albero", "Barrio", "Campos", "Dorado", "Encina", "Fuente", "Granada", "Huerta", "Islas", "Jara",
    "Laguna", "Molino", "Nogal", "Olmedo", "Pinar", "Quiroga", "Robledo", "Salinas", "Torre", "Vega",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """One person, with every identifier that any system may know."""

    name: str
    segment: str
    """consumer, business or vip."""
    contact_id: str | None
    """Key in the CRM, if they are in it."""
    shop_id: str | None
    """Key of their shop account; without one they order as guests."""
    phone: str | None
    """E.164, a Spanish mobile."""
    addresses: tuple[str, ...]
    """E-mail addresses in lower case, the oldest first; none, one or two."""
    moved_on: date | None
    """The local day from which they use their second address."""
    appetite: float
    """Weight among the shop's customers; 0 for persons who never order."""

    def email(self, day: date) -> str | None:
        """The address they use on a day."""
        if not self.addresses:
            return None
        return self.addresses[-1] if self.moved_on is None or day >= self.moved_on else self.addresses[0]


class Crowd:
    """People to draw by weight."""

    def __init__(self, people: Sequence[Person], weights: Sequence[float]) -> None:
        self._people = people
        self._cumulated = list(accumulate(weights))

    def draw(self, rng: Random) -> Person:
        """One person, with replacement."""
        return rng.choices(self._people, cum_weights=self._cumulated)[0]


def populate(rng: Random, count: int) -> list[Person]:
    """`count` persons; no two share an identifier."""
    return [_person(rng, n) for n in range(count)]


def _person(rng: Random, number: int) -> Person:
    (kind,) = rng.choices(("account", "guest", "prospect", "mail", "phone"), (55, 14, 16, 8, 7))
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    address = f"{first}.{last}{number}@example.{rng.choice(('org', 'com'))}".lower()
    orders = kind in ("account", "guest")
    moves = kind == "account" and rng.random() < 0.07
    in_crm = kind == "prospect" or (orders and rng.random() < 0.3)
    reachable = kind in ("phone", "prospect") or (orders and rng.random() < 0.7)
    return Person(
        name=f"{first} {last}",
        segment=rng.choices(("consumer", "business", "vip"), (76, 18, 6))[0],
        contact_id=f"{100_000 + number}" if in_crm else None,
        shop_id=f"{700_000 + number}" if kind == "account" else None,
        # 7919 is coprime to 10**7, so numbers are unique.
        phone=f"+346{rng.choice('01235')}{number * 7919 % 10**7:07d}" if reachable else None,
        addresses=() if kind == "phone" else (address, f"new.{address}") if moves else (address,),
        moved_on=FIRST + timedelta(days=rng.randrange(10, len(DAYS) - 10)) if moves else None,
        appetite=rng.lognormvariate(0, 0.8) if orders else 0.0,
    )
