"""Identifiers that link nobody: weak, shared, common, and groups that are too large for one person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.identity import apart
from cxflow.identity.resolve import IdentityReport
from cxflow.validate import runner

STREAM = {
    "primary_key": ["id"],
    "may_lack": ["mail", "phone", "customer", "number", "address"],
    "identifiers": {
        "email": "mail",
        "phone": "phone",
        "customer": "customer",
        "number": "number",
        "address": "address",
    },
    "to": {"touchpoint": {"activity": "'placed_order'", "channel": "'web'", "occurred_at": "day"}},
}
STREAMS = {"orders": STREAM, "calls": STREAM}
SETTINGS: dict[str, Any] = {"project": {"country": "ES"}}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(tmp_path_factory.mktemp("apart"), STREAMS, warehouse=new_warehouse(), **SETTINGS)


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    monkeypatch.setattr(apart, "MIN_RECORDS", 40)
    rules(warehouse)
    yield warehouse
    warehouse.clear()


def rules(bench: Bench, **identity: Any) -> None:
    """Change `[identity]`."""
    identity = {"max_share": 1.0, **identity}
    bench.reconfigure(bench.tree(STREAMS, settings={**SETTINGS, "identity": identity}))


def order(id: int, **names: Any) -> dict[str, Any]:
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=id)
    return {"id": f"{id:05}", "day": at.isoformat(), **names}


def resolve(bench: Bench, records: list[dict[str, Any]], stream: str = "orders") -> IdentityReport:
    bench.load(records, stream, delivered=datetime(2026, 7, 1, tzinfo=UTC))
    return flow.resolve_identity(bench.settings)


def groups(bench: Bench) -> list[set[int]]:
    """The orders of each customer; those of nobody each on their own."""
    found: dict[str, set[int]] = {}
    for customer, id in bench.query("SELECT customer_id, source_record_id FROM touchpoint"):
        found.setdefault(customer or f"nobody {id}", set()).add(int(id))
    return sorted(found.values(), key=sorted)


def names(bench: Bench, rule: str) -> set[str]:
    found = bench.query(
        "SELECT DISTINCT namespace FROM customer_identity WHERE match_rule = :rule AND valid_to IS NULL",
        rule=rule,
    )
    return {namespace for (namespace,) in found}


@pytest.mark.parametrize("orders", [50, 51, 120])
def test_a_good_customer_is_one_however_many_orders(bench: Bench, orders: int) -> None:
    report = resolve(bench, [order(n, customer="C1", number=f"N{n}") for n in range(orders)])
    assert (report.customers, report.shared) == (1, 0)


def test_nor_does_an_address_beside_customer_and_order_number_shatter_them(bench: Bench) -> None:
    records = [order(n, customer="C1", number=f"N{n}", mail="ada@example.org") for n in range(60)]
    assert resolve(bench, records).customers == 1
    deliveries = [order(1_000 + n, number=f"N{n}") for n in range(60)]
    assert resolve(bench, deliveries, "calls").customers == 1


def test_a_switchboard_of_more_people_than_allowed_links_nobody(bench: Bench) -> None:
    people = [order(n, phone="900123456", mail=f"p{n}@example.org") for n in range(51)]
    report = resolve(bench, people)
    assert (report.customers, report.shared, names(bench, "shared")) == (51, 1, {"phone"})


def test_ids_that_others_of_its_kind_share_too_count(bench: Bench) -> None:
    """A device that 51 customers used, each of them other devices as well."""
    records = [order(n, number="D0", customer=f"C{n}") for n in range(51)]
    records += [order(100 + n, number=f"D{1 + n}", customer=f"C{n}") for n in range(51)]
    report = resolve(bench, records)
    assert (report.customers, report.shared, names(bench, "shared")) == (51, 1, {"shop.number"})


def test_a_weak_identifier_links_nobody_alone(bench: Bench) -> None:
    rules(bench, weak=["phone"])
    resolve(
        bench,
        [
            order(1, phone="600111222", mail="ada@example.org"),
            order(2, phone="600111222", mail="bob@example.org"),
            order(3, phone="600111222"),
            order(4, mail="ada@example.org"),
        ],
    )
    assert groups(bench) == [{1, 4}, {2}, {3}]
    assert bench.query("SELECT customer_id FROM touchpoint WHERE source_record_id = '00003'") == [(None,)]
    assert names(bench, "weak") == {"phone"}


def test_two_weak_identifiers_together_link(bench: Bench) -> None:
    rules(bench, weak=["phone", "shop.address"])
    resolve(
        bench,
        [
            order(1, phone="600111222", address="Mayor 1"),
            order(2, phone="600111222", address="Mayor 1"),
            order(3, phone="600111222", address="Sol 2"),
            order(4, phone="600333444", address="Mayor 1"),
        ],
    )
    assert groups(bench) == [{1, 2}, {3}, {4}]


def test_households_that_share_a_telephone_stay_apart_where_it_is_weak(bench: Bench) -> None:
    """A hundred people, thirty of them in pairs with one telephone, three calls each."""
    people = range(100)
    phone = {person: 600_000_000 + (person - person % 2 if person < 30 else person) for person in people}
    calls = [
        order(3 * person + call, mail=f"p{person}@example.org", phone=str(phone[person]))
        for person in people
        for call in range(3)
    ]
    assert precision(bench, calls) == pytest.approx(100 * 3 / (70 * 3 + 15 * 15))
    bench.clear()
    rules(bench, weak=["phone"])
    assert precision(bench, calls) == 1.0


def precision(bench: Bench, calls: list[dict[str, Any]]) -> float:
    """The share of pairs of one customer's calls that are one person's."""
    resolve(bench, calls)
    pairs = [pair for group in groups(bench) for pair in combinations(sorted(group), 2)]
    return sum(one // 3 == other // 3 for one, other in pairs) / len(pairs)


def crowd(share: int, records: int = 100) -> list[dict[str, Any]]:
    """Calls of which so many come from a number that is none."""
    return [order(n, customer="KIOSK" if n < share else f"C{n}") for n in range(records)]


def test_a_value_in_too_many_records_of_a_stream_links_nobody_and_is_reported(bench: Bench) -> None:
    rules(bench, max_share=0.1)
    report = bench.load(crowd(40), "calls")
    assert report.notes["frequent_identifiers"] == {"shop.customer": [40, 100]}
    found = flow.resolve_identity(bench.settings)
    assert (found.common, found.customers) == (1, 60)
    assert len(groups(bench)) == 100


def test_one_in_just_as_many_as_allowed_links(bench: Bench) -> None:
    rules(bench, max_share=0.1)
    assert resolve(bench, crowd(10)).common == 0
    assert len(groups(bench)) == 91


def test_the_share_is_that_of_all_records_whatever_came_first(bench: Bench) -> None:
    rules(bench, max_share=0.1)
    assert resolve(bench, crowd(20)).common == 1
    others = [order(1_000 + n, customer=f"D{n}") for n in range(200)]
    assert resolve(bench, others).common == 0
    assert {len(group) for group in groups(bench)} == {1, 20}
    before = bench.digest()["touchpoint"]
    bench.clear()
    resolve(bench, [*others, *crowd(20)])
    assert bench.digest()["touchpoint"] == before


def test_a_group_too_large_for_one_person_names_nobody_and_stops_no_other(bench: Bench) -> None:
    rules(bench, max_customer=20)
    chain = [
        order(2 * n + end, mail=f"p{n + end}@example.org", phone=str(600_000_000 + n))
        for n in range(15)
        for end in (0, 1)
    ]
    report = resolve(bench, [*chain, order(999, mail="ada@example.org")])
    assert (report.oversized, report.customers) == (1, 1)
    assert names(bench, "oversized") == {"email", "phone"}
    assert bench.query("SELECT count(*) FROM touchpoint WHERE customer_id IS NULL") == [(30,)]
    # It is the same group when only one of its ends is touched, and when it is resolved from nothing.
    report = resolve(bench, [order(500, mail="p0@example.org")])
    assert (report.oversized, report.customers) == (1, 0)
    rules(bench, max_customer=1_000)
    report = flow.resolve_identity(bench.settings)
    assert (report.oversized, report.customers) == (0, 2)
    assert bench.query("SELECT count(*) FROM touchpoint WHERE customer_id IS NULL") == [(0,)]


def test_other_rules_resolve_everything_anew(bench: Bench) -> None:
    people = [order(n, phone="900123456", mail=f"p{n}@example.org") for n in range(5)]
    assert resolve(bench, people).customers == 1
    assert flow.resolve_identity(bench.settings).identifiers == 0
    rules(bench, max_identifiers=4)
    assert flow.resolve_identity(bench.settings).customers == 5
    rules(bench)
    assert flow.resolve_identity(bench.settings).customers == 1
