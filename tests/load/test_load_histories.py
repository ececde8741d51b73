"""Random histories of records, cut into random batches in random order, end as one batch of them all does."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from trip_bench import Bench

from cxflow import flow
from cxflow.validate import gate

RECORDS, BATCHES = 60, 5
LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class State:
    """One version of one record, as it was delivered."""

    record: str
    version: datetime
    delivery: int
    total: int | None
    """None: a value that does not fit."""
    lines: tuple[int, ...]
    mail: str
    deleted: bool
    bare: bool
    """A tombstone with nothing but its key."""

    def raw(self) -> dict[str, Any]:
        if self.bare:
            return {"id": self.record, "gone": True}
        return {
            "id": self.record,
            "changed": self.version.isoformat(),
            "day": "2026-03-01T10:00:00Z",
            "total": "odd" if self.total is None else self.total,
            "lines": list(self.lines),
            "mail": self.mail,
            "gone": self.deleted,
        }


def delivered(delivery: int) -> datetime:
    return LONG_AGO + timedelta(days=10 + delivery)


def history(seed: int, *, versioned: bool) -> list[State]:
    """Each record has one to five states. With versions their deliveries are in any order, several in one; without,
    a delivery has one state of a record at most."""
    chance = random.Random(seed)
    states = []
    for number in range(RECORDS):
        count = chance.randint(1, 5)
        times = chance.sample(range(200), count)
        deliveries = (
            [chance.randrange(BATCHES) for _ in times] if versioned else chance.sample(range(BATCHES), count)
        )
        for hours, delivery in zip(times, deliveries, strict=True):
            deleted = chance.random() < 0.2
            states.append(
                State(
                    record=f"r{number}",
                    # A bare tombstone is as new as its delivery.
                    version=LONG_AGO + timedelta(hours=hours),
                    delivery=delivery,
                    total=None if chance.random() < 0.15 and not deleted else chance.randint(1, 3),
                    lines=tuple(chance.randint(1, 3) for _ in range(chance.randint(0, 3))),
                    mail=f"p{chance.randint(0, RECORDS)}@example.org",
                    deleted=deleted,
                    bare=deleted and chance.random() < 0.5,
                )
            )
    return states


def newest(states: list[State], *, versioned: bool) -> dict[str, State]:
    """The oracle: of each record, the newest state that fits."""

    def age(state: State) -> tuple[datetime, int]:
        if not versioned:
            return (LONG_AGO, state.delivery)
        return (delivered(state.delivery) if state.bare else state.version, state.delivery)

    found: dict[str, State] = {}
    for state in sorted((state for state in states if state.total is not None), key=age):
        found[state.record] = state
    return found


def expected(states: list[State], *, versioned: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """Orders, their lines and their identifiers, as the newest states have them."""
    full = [state for state in newest(states, versioned=versioned).values() if not state.bare]
    orders = sorted((state.record, state.total, state.deleted) for state in full)
    lines = sorted(
        (state.record, str(number), float(quantity))
        for state in full
        for number, quantity in enumerate(state.lines, start=1)
    )
    return orders, lines, sorted(state.record for state in full)


def found(bench: Bench) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        bench.rows("order_header", "source_record_id", "price_total::INTEGER", "is_deleted"),
        bench.rows("order_line", "source_record_id", "line_no", "quantity"),
        [record for (record,) in bench.rows("record_identity", "source_record_id")],
    )


def statuses(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.quarantine("source_record_id", "version_at", "payload", "status")


def load(bench: Bench, stream: str, states: list[State]) -> None:
    """States as one batch, their deliveries apart."""
    by_delivery: dict[int, list[dict[str, Any]]] = {}
    for state in states:
        by_delivery.setdefault(state.delivery, []).append(state.raw())
    batch = bench.land([], stream, earlier=[(delivered(at), some) for at, some in by_delivery.items()])
    flow.prepare(bench.settings, batch)
    flow.load(bench.settings, batch)


@pytest.mark.parametrize(
    ("seed", "versioned"), [(1, True), pytest.param(2, True, marks=pytest.mark.long), (3, False)]
)
def test_any_split_in_any_order_ends_in_the_same_rows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int, versioned: bool
) -> None:
    monkeypatch.setattr(gate, "_why", lambda *_: "")
    stream = "things" if versioned else "dumps"
    states = history(seed, versioned=versioned)
    chance = random.Random(seed)
    chance.shuffle(states)
    rows = expected(states, versioned=versioned)
    batches: list[list[State]] = [[] for _ in range(BATCHES)]
    for state in states:
        batches[chance.randrange(BATCHES)].append(state)
    for batch in batches:
        load(bench, stream, batch)
    assert found(bench) == rows
    split, refused = bench.digest(), statuses(bench)
    assert bench.books_balance()
    load(bench, stream, states)
    assert bench.digest() == split, "all of it once more changes nothing"
    bench.clear()
    load(bench, stream, states)
    assert found(bench) == rows
    assert bench.digest() == split
    assert statuses(bench) == refused
    good = newest(states, versioned=versioned)
    assert {record for record, *_, status in refused if status == "open"} == {
        state.record
        for state in states
        if state.total is None
        and (state.record not in good or not _covers(good[state.record], state, versioned=versioned))
    }


def _covers(good: State, bad: State, *, versioned: bool) -> bool:
    """Whether a loaded state is as new as a refused one."""
    if not versioned:
        return good.delivery >= bad.delivery
    return (delivered(good.delivery) if good.bare else good.version) >= bad.version
