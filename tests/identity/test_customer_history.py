"""What customers were before: from whatever versions of their profiles were delivered, in whatever order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.validate import runner

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
EVER = "0001-01-02"
FIELDS = ("segment", "country", "consent")

PEOPLE = {
    "primary_key": ["id"],
    "version": "changed",
    "deleted": "gone",
    "may_lack": ["mail", "gone", "changed", *FIELDS],
    "identifiers": {"email": "mail"},
    "pii": ["mail"],
    "max_rejected_share": 1,
    "to": {"customer_profile": {"profile_id": "id", **{name: name for name in FIELDS}}},
}
VISITS = {
    "primary_key": ["id"],
    "identifiers": {"email": "mail"},
    "pii": ["mail"],
    "to": {"touchpoint": {"activity": "'called_support'", "channel": "'phone'", "occurred_at": "seen"}},
}


def streams(segment: str = "segment") -> dict[str, Any]:
    profile = {**PEOPLE["to"]["customer_profile"], "segment": segment}
    people = {**PEOPLE, "to": {"customer_profile": profile}}
    unversioned = {name: each for name, each in people.items() if name != "version"}
    return {"people": people, "unversioned": unversioned, "visits": VISITS}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(tmp_path_factory.mktemp("history"), streams(), warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    warehouse.clear()


def day(number: int) -> datetime:
    """A day of March; they may be more than 31."""
    return MARCH + timedelta(days=number - 1)


def version(
    number: int, segment: str | None, id: str = "a", mail: str = "ada@example.org", **more: Any
) -> Any:
    return {"id": id, "changed": day(number).isoformat(), "segment": segment, "mail": mail, **more}


def load(bench: Bench, *records: Any, stream: str = "people", delivered: datetime | None = None) -> None:
    bench.load(records, stream, delivered=delivered or day(120))
    flow.resolve_identity(bench.settings)


def history(bench: Bench, *names: str) -> list[tuple[str, ...]]:
    """The periods in order: first day, the day after the last one, and what the customer was."""
    rows = bench.rows("customer_history", "valid_from", "valid_to", *(names or ("segment",)))
    return [(str(start)[:10], str(end)[:10], *said) for start, end, *said in rows]


def present(bench: Bench) -> Any:
    ((segment,),) = bench.query("SELECT segment FROM customer")
    return segment


def test_what_a_profile_said_holds_until_it_says_something_else(bench: Bench) -> None:
    load(bench, version(1, "new"))
    assert history(bench) == []
    load(bench, version(5, "vip"))
    assert (history(bench), present(bench)) == ([(EVER, "2026-03-05", "new")], "vip")
    load(bench, version(9, "lost"))
    former = [(EVER, "2026-03-05", "new"), ("2026-03-05", "2026-03-09", "vip")]
    assert (history(bench), present(bench)) == (former, "lost")


def test_a_period_in_which_the_customer_was_what_they_are_again_is_no_row(bench: Bench) -> None:
    load(bench, version(1, "vip"), version(5, "new"), version(9, "vip"))
    assert history(bench) == [("2026-03-05", "2026-03-09", "new")]


def test_versions_that_say_the_same_are_one_period(bench: Bench) -> None:
    for number in (1, 2, 3):
        load(bench, version(number, "new", name=number))
    load(bench, version(9, "vip"))
    assert history(bench) == [(EVER, "2026-03-09", "new")]


VERSIONS = [(1, "new"), (3, "vip"), (5, "vip"), (7, "new"), (9, "vip")]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order, marks=[] if place % 30 == 29 else pytest.mark.long)
        for place, order in enumerate(permutations(range(5)))
    ],
)
def test_the_order_of_loads_does_not_matter(bench: Bench, order: tuple[int, ...]) -> None:
    for place in order:
        load(bench, version(*VERSIONS[place]))
    assert history(bench) == [(EVER, "2026-03-03", "new"), ("2026-03-07", "2026-03-09", "new")]
    assert present(bench) == "vip"


@pytest.mark.parametrize("sizes", [(5,), (2, 3), (1, 3, 1)])
def test_nor_does_it_matter_what_came_in_one_batch(bench: Bench, sizes: tuple[int, ...]) -> None:
    shuffled = random.Random(4).sample(VERSIONS, 5)
    for size in sizes:
        load(bench, *(version(*each) for each in shuffled[:size]))
        shuffled = shuffled[size:]
    assert history(bench) == [(EVER, "2026-03-03", "new"), ("2026-03-07", "2026-03-09", "new")]


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_versions_of_one_time_the_one_delivered_later_holds(bench: Bench, reverse: bool) -> None:
    deliveries = [(day(50), "first"), (day(60), "second")]
    load(bench, version(9, "now"), delivered=day(70))
    for delivered, segment in reversed(deliveries) if reverse else deliveries:
        load(bench, version(5, segment), delivered=delivered)
    assert history(bench) == [(EVER, "2026-03-09", "second")]


def test_a_version_loaded_again_changes_nothing(bench: Bench) -> None:
    load(bench, version(1, "new"), version(5, "vip"))
    before = bench.everything()
    load(bench, version(1, "new"))
    load(bench, version(5, "vip"))
    for table in ("profile_version", "customer_history"):
        assert bench.everything()[table] == before[table]


def test_without_versions_the_delivery_says_since_when(bench: Bench) -> None:
    for number, segment in ((1, "new"), (2, "new"), (5, "vip"), (6, "vip"), (7, "vip"), (9, "lost")):
        load(
            bench,
            {"id": "a", "segment": segment, "mail": "ada@example.org"},
            stream="unversioned",
            delivered=day(number),
        )
    assert history(bench) == [(EVER, "2026-03-05", "new"), ("2026-03-05", "2026-03-09", "vip")]
    # A delivery a day of a million people who do not change must not fill the warehouse.
    assert len(bench.rows("profile_version", "valid_from")) == 4


def test_a_late_version_notes_the_days_of_the_customer(bench: Bench) -> None:
    seen = [{"id": str(n), "seen": day(n).isoformat(), "mail": "ada@example.org"} for n in (2, 8)]
    bench.load(seen, "visits")
    load(bench, version(5, "vip"))
    bench.execute("DELETE FROM pending_kpi")
    load(bench, version(1, "new"))
    assert present(bench) == "vip"
    noted = bench.query("SELECT day FROM pending_kpi WHERE table_name = 'touchpoint'")
    assert {str(each) for (each,) in noted} == {"2026-03-02", "2026-03-08"}
    bench.execute("DELETE FROM pending_kpi")
    load(bench, version(0, "new"))
    assert bench.query("SELECT day FROM pending_kpi WHERE table_name = 'touchpoint'") == []


def test_a_profile_that_is_deleted_said_nothing_until_it_is_back(bench: Bench) -> None:
    load(bench, version(1, "new"), version(5, "vip"))
    load(bench, version(9, None, gone=True))
    assert (history(bench), present(bench)) == ([], None)
    load(bench, version(12, "vip"))
    assert history(bench) == [(EVER, "2026-03-05", "new")]


def test_customers_that_merge_were_what_both_profiles_said(bench: Bench) -> None:
    load(bench, version(1, "new", "a", "ada@example.org"), version(5, "vip", "a", "ada@example.org"))
    load(
        bench, version(2, "old", "b", "lovelace@example.org"), version(3, "lost", "b", "lovelace@example.org")
    )
    periods = [(EVER, "2026-03-03", "old"), (EVER, "2026-03-05", "new")]
    assert history(bench) == periods
    # From now on a uses the address of b.
    load(bench, version(7, "vip", "a", "lovelace@example.org"), version(6, "vip", "a", "ada@example.org"))
    assert bench.query("SELECT count(DISTINCT customer_id) FROM customer_history") == [(1,)]
    of_both = [("0001-01-02", "2026-03-02", "new"), ("2026-03-02", "2026-03-03", "old")]
    assert history(bench) == [*of_both, ("2026-03-03", "2026-03-05", "lost")]


def test_a_remap_maps_what_was_said_before_too(bench: Bench) -> None:
    load(bench, version(1, "new"))
    load(bench, version(5, "vip"))
    bench.reconfigure(bench.tree(streams("upper(segment)")))
    try:
        flow.remap(bench.settings, "shop", "people")
        flow.resolve_identity(bench.settings)
        assert (history(bench), present(bench)) == ([(EVER, "2026-03-05", "NEW")], "VIP")
    finally:
        bench.reconfigure(bench.tree(streams()))


def said(profiles: dict[str, dict[int, tuple[Any, ...]]], number: int) -> tuple[Any, ...]:
    """What a customer was on a day, worked out by hand: each field from the profile that had changed last."""
    held = []
    for id, versions in profiles.items():
        since = max((each for each in versions if each <= number), default=min(versions))
        is_later = since > number
        held.append(((is_later, since if is_later else -since, id), versions[since]))
    held.sort(key=lambda each: each[0])
    return tuple(
        next((values[field] for _, values in held if values[field] is not None), None) for field in range(3)
    )


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 9))])
def test_each_field_is_from_the_profile_that_had_changed_last(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    people: dict[str, dict[str, dict[int, tuple[Any, ...]]]] = {}
    records = []
    for person in range(6):
        mail = f"p{person}@example.org"
        for profile in range(chance.randint(1, 3)):
            id = f"{person}-{profile}"
            for number in chance.sample(range(1, 30), chance.randint(1, 4)):
                values = tuple(
                    chance.choice(each)
                    for each in (("new", "vip", None), ("ES", "PT", None), (True, False, None))
                )
                people.setdefault(mail, {}).setdefault(id, {})[number] = values
                named = dict(zip(FIELDS, values, strict=True))
                named["consent"] = None if values[2] is None else str(values[2])
                records.append({**version(number, None, id, mail), **named})
    chance.shuffle(records)
    for start in range(0, len(records), 7):
        load(bench, *records[start : start + 7])
    bench.load([{"id": mail, "seen": day(1).isoformat(), "mail": mail} for mail in people], "visits")
    flow.resolve_identity(bench.settings)
    customers = dict(bench.query("SELECT source_record_id, customer_id FROM touchpoint"))
    assert len(set(customers.values())) == len(people)
    for mail, profiles in people.items():
        for number in range(32):
            found = bench.query(
                "SELECT coalesce(h.customer_id, '-') <> '-', h.segment, h.country, h.consent, c.segment, c.country, "
                "c.consent FROM customer c LEFT JOIN customer_history h ON h.customer_id = c.customer_id "
                "AND h.valid_from <= :noon AND h.valid_to > :noon WHERE c.customer_id = :customer",
                customer=customers[mail],
                noon=day(number) + timedelta(hours=12),
            )
            assert len(found) == 1
            ((was_other, *values),) = found
            assert tuple(values[:3] if was_other else values[3:]) == said(profiles, number)


def test_a_profile_that_says_nothing_of_the_customer_has_no_periods(bench: Bench) -> None:
    load(bench, version(1, None), version(5, None))
    assert history(bench) == []


def test_only_declared_personal_columns_hold_what_names_a_person(bench: Bench, tmp_path: Path) -> None:
    canary = "canary.person@example.org"
    load(bench, version(1, "new", id=canary, mail=canary), version(5, "vip", id=canary, mail=canary))
    ((row,),) = [bench.everything()["customer_history"]]
    assert canary not in str(row)
    ((profile_id,),) = bench.query("SELECT profile_id FROM profile_version")
    assert profile_id == f"shop:{canary}"
