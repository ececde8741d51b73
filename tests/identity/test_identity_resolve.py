"""Which identifiers are one customer: chains, mergers, splits, shared ones; the same in whatever order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.identity import rows
from cxflow.validate import runner
from cxflow.warehouse import transactions

CANARY = "Canary.Person@example.org"

STREAM = {
    "primary_key": ["id"],
    "version": "changed",
    "deleted": "gone",
    "may_lack": ["mail", "phone", "ref", "gone", "segment", "country", "consent"],
    "identifiers": {"email": "mail", "phone": "phone", "ref": "ref"},
    "pii": ["mail", "phone"],
}
STREAMS = {
    "visits": {
        **STREAM,
        "to": {
            "touchpoint": {"activity": "'called_support'", "channel": "'phone'", "occurred_at": "seen"},
            "support_case": {"case_id": "id", "opened_at": "seen"},
            "interaction": {"interaction_id": "id", "offered_at": "seen"},
        },
    },
    "people": {
        **STREAM,
        "to": {
            "customer_profile": {
                "profile_id": "id",
                "email": "mail",
                "segment": "segment",
                "country": "country",
                "consent": "consent",
            }
        },
    },
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(
        tmp_path_factory.mktemp("identity"),
        STREAMS,
        identity={"max_identifiers": 4, "ignore": {"email": ["noreply@example.org"]}},
        project={"country": "ES"},
        warehouse=new_warehouse(),
    )


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    warehouse.clear()


def visit(id: int | str, day: int = 1, changed: int = 1, **names: Any) -> dict[str, Any]:
    """A visit on a day counted from 1 March, and what named the customer in it."""
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day - 1)
    version = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=changed - 1)
    return {"id": str(id), "seen": at.isoformat(), "changed": version.isoformat(), **names}


def resolve(bench: Bench, records: list[dict[str, Any]], stream: str = "visits") -> Any:
    bench.load(records, stream, delivered=datetime(2026, 7, 1, tzinfo=UTC))
    return flow.resolve_identity(bench.settings)


def groups(bench: Bench) -> list[set[str]]:
    """The visits of each customer; those of nobody each on their own."""
    found: dict[str, set[str]] = {}
    for customer, visit in bench.query("SELECT customer_id, source_record_id FROM touchpoint"):
        found.setdefault(customer or f"nobody {visit}", set()).add(visit)
    return sorted(found.values(), key=sorted)


def customer_of(bench: Bench, id: int | str) -> Any:
    ((found,),) = bench.query("SELECT customer_id FROM touchpoint WHERE source_record_id = :id", id=str(id))
    return found


def live(bench: Bench) -> set[str]:
    return {row[0] for row in bench.query("SELECT customer_id FROM customer WHERE merged_into_id IS NULL")}


def days(bench: Bench, table: str) -> set[str]:
    found = bench.query("SELECT day FROM pending_kpi WHERE table_name = :name", name=table)
    return {str(day) for (day,) in found}


def settle(bench: Bench) -> None:
    """As if the KPIs had been computed."""
    bench.execute("DELETE FROM pending_kpi")


def test_everything_met_in_one_record_names_one_person_however_it_is_written(bench: Bench) -> None:
    visits = [
        visit(1, mail="Ada@Example.org", phone="600 111 222"),
        visit(2, phone="+34 600111222"),
        visit(3, mail=" ada@example.org "),
        visit(4, mail="bob@example.org", ref="B7"),
        visit(5, ref="B7"),
        visit(6, ref="b7"),
        visit(7, mail="noreply@example.org"),
        visit(8, mail="noreply@example.org"),
        visit(9, mail="no address"),
    ]
    report = resolve(bench, visits)
    assert groups(bench) == [{"1", "2", "3"}, {"4", "5"}, {"6"}, {"7"}, {"8"}, {"9"}]
    assert (report.customers, report.merged, report.shared) == (3, 0, 0)
    assert flow.resolve_identity(bench.settings).identifiers == 0, "nothing is pending any more"


def test_a_chain_of_a_hundred_identifiers_is_one_customer(bench: Bench) -> None:
    links = [visit(n, day=n + 1, mail=f"p{n // 2}@example.org", ref=f"r{(n + 1) // 2}") for n in range(100)]
    random.Random(5).shuffle(links)
    report = resolve(bench, links)
    assert report.customers == 1
    assert groups(bench) == [{str(n) for n in range(100)}]
    ((first, last),) = bench.query("SELECT first_seen_at, last_seen_at FROM customer")
    assert (first.isoformat()[:10], last.isoformat()[:10]) == ("2026-03-01", "2026-06-08")


def test_customers_that_meet_later_merge_and_their_rows_move(bench: Bench) -> None:
    resolve(bench, [visit(1, day=1, mail="ada@example.org"), visit(2, day=5, ref="R2")])
    ada, other = customer_of(bench, 1), customer_of(bench, 2)
    assert ada != other
    settle(bench)
    report = resolve(bench, [visit(3, day=9, mail="ada@example.org", ref="R2")])
    assert report.merged == 1
    assert [customer_of(bench, n) for n in (1, 2, 3)] == [ada] * 3
    assert bench.query(
        "SELECT customer_id, merged_into_id FROM customer ORDER BY merged_into_id NULLS FIRST"
    ) == [
        (ada, None),
        (other, ada),
    ]
    assert bench.query("SELECT DISTINCT customer_id FROM support_case") == [(ada,)]
    for table in ("touchpoint", "support_case", "interaction"):
        assert days(bench, table) == {"2026-03-05", "2026-03-09"}, (
            f"{table} of the moved and of the new visit"
        )


def test_an_earlier_identifier_that_turns_up_late_renames_the_customer_and_says_so(bench: Bench) -> None:
    resolve(bench, [visit(1, day=5, mail="ada@example.org")])
    before = customer_of(bench, 1)
    resolve(bench, [visit(2, day=2, ref="R1"), visit(3, day=6, ref="R1", mail="ada@example.org")])
    after = customer_of(bench, 1)
    assert after != before
    assert live(bench) == {after}
    assert bench.query("SELECT merged_into_id FROM customer WHERE customer_id = :id", id=before) == [(after,)]


def test_a_new_version_without_the_identifier_splits_the_customer_again(bench: Bench) -> None:
    resolve(bench, [visit(1, day=1, mail="ada@example.org"), visit(2, day=2, ref="R2")])
    ada, other = customer_of(bench, 1), customer_of(bench, 2)
    resolve(bench, [visit(3, day=3, mail="ada@example.org", ref="R2")])
    assert live(bench) == {ada}
    settle(bench)
    resolve(bench, [visit(3, day=3, changed=2, mail="ada@example.org")])
    assert [customer_of(bench, n) for n in (1, 2, 3)] == [ada, other, ada]
    assert live(bench) == {ada, other}
    assert "2026-03-02" in days(bench, "touchpoint")


def test_a_customer_that_loses_its_name_is_known_by_the_next(bench: Bench) -> None:
    resolve(bench, [visit(1, mail="ada@example.org", ref="R1"), visit(2, day=4, ref="R1")])
    before = customer_of(bench, 2)
    resolve(bench, [visit(1, changed=2, ref="R1")])
    after = customer_of(bench, 2)
    if after != before:
        assert bench.query("SELECT merged_into_id FROM customer WHERE customer_id = :id", id=before) == [
            (after,)
        ]
    assert live(bench) == {after}
    assert bench.query("SELECT identity_value FROM customer_identity WHERE valid_to IS NOT NULL") == [(None,)]


def test_a_customer_of_whom_no_record_is_left_is_gone(bench: Bench) -> None:
    resolve(bench, [visit(1, mail="ada@example.org"), visit(2, mail="bob@example.org")])
    bob = customer_of(bench, 2)
    resolve(bench, [{"id": "1", "gone": True}])
    assert bench.query("SELECT customer_id FROM customer") == [(bob,)]
    assert bench.query("SELECT count(*) FROM customer_identity WHERE valid_to IS NULL") == [(1,)]


def crowd(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Visits of different people through one switchboard."""
    return [visit(n, day=n + 1, phone="900 123 456", mail=f"p{n}@example.org") for n in range(start, count)]


def test_an_identifier_met_beside_too_many_others_links_nobody(bench: Bench) -> None:
    report = resolve(bench, crowd(5))
    assert (report.shared, report.customers) == (1, 5)
    assert groups(bench) == [{str(n)} for n in range(5)]
    assert bench.query(
        "SELECT customer_id, match_rule, confidence FROM customer_identity WHERE namespace = 'phone'"
    ) == [("", "shared", 0.0)]


def test_one_beside_just_as_many_as_allowed_still_links(bench: Bench) -> None:
    assert resolve(bench, crowd(4)).customers == 1


def test_a_shared_identifier_stays_shared_when_it_is_met_again(bench: Bench) -> None:
    resolve(bench, crowd(5))
    before = {n: customer_of(bench, n) for n in range(5)}
    report = resolve(bench, crowd(6, start=5))
    assert report.shared == 1
    assert groups(bench) == [{str(n)} for n in range(6)]
    assert {n: customer_of(bench, n) for n in range(5)} == before, "nobody lost their rows"


def test_an_identifier_becomes_shared_and_ceases_to_be(bench: Bench) -> None:
    resolve(bench, crowd(4))
    assert len(groups(bench)) == 1
    resolve(bench, crowd(5, start=4))
    assert groups(bench) == [{str(n)} for n in range(5)]
    assert len(live(bench)) == 5
    resolve(bench, [visit(4, day=5, changed=2, mail="p4@example.org")])
    assert groups(bench) == [{"0", "1", "2", "3"}, {"4"}]
    assert len(live(bench)) == 2


def state(bench: Bench) -> tuple[list[Any], ...]:
    """Who every row and every identifier belongs to, who there is, and what they were before."""
    return (
        bench.rows("touchpoint", "source_record_id", "customer_id"),
        bench.rows(
            "customer_identity WHERE valid_to IS NULL",
            *("namespace", "identity_hash", "customer_id", "match_rule", "valid_from"),
        ),
        bench.rows(
            "customer WHERE merged_into_id IS NULL", "customer_id", "first_seen_at", "last_seen_at", "segment"
        ),
        bench.rows("customer_history", "customer_id", "valid_from", "valid_to", "segment"),
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_customers_are_the_same_after_any_order_of_loads_and_after_a_rebuild(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)

    def names() -> dict[str, str]:
        some = {
            "mail": f"p{chance.randint(0, 14)}@example.org",
            "phone": f"+3460000000{chance.randint(0, 5)}",
            "ref": f"r{chance.randint(0, 14)}",
        }
        return dict(chance.sample(sorted(some.items()), chance.randint(1, 2)))

    visits = [
        visit(n, day=chance.randint(1, 40), changed=version, **names())
        for n in range(36)
        for version in range(1, chance.randint(1, 3) + 1)
    ]
    people = [
        {**visit(n, changed=version, **names()), "segment": chance.choice("AB")}
        for n in range(8)
        for version in range(1, chance.randint(1, 3) + 1)
    ]

    def load(batches: int) -> Any:
        found = [
            (stream, record)
            for stream, records in (("visits", visits), ("people", people))
            for record in records
        ]
        chance.shuffle(found)
        size = -(-len(found) // batches)
        for start in range(0, len(found), size):
            for stream in STREAMS:
                bench.load([record for of, record in found[start : start + size] if of == stream], stream)
            flow.resolve_identity(bench.settings)
        return state(bench)

    in_parts = load(4)
    bench.clear()
    assert load(1) == in_parts


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("segment", "new", "loyal"), ("country", "ES", "PT"), ("consent", True, False)],
)
def test_what_a_profile_says_is_the_customers_and_its_change_notes_the_days_of_all_their_rows(
    bench: Bench, name: str, before: Any, after: Any
) -> None:
    resolve(bench, [visit(1, day=1, mail="ada@example.org"), visit(2, day=8, mail="ada@example.org")])
    resolve(bench, [visit("a", mail="ada@example.org", **{name: str(before)})], "people")
    assert bench.query(f"SELECT {name} FROM customer") == [(before,)]
    settle(bench)
    resolve(bench, [visit("a", changed=2, mail="ada@example.org", **{name: str(after)})], "people")
    assert bench.query(f"SELECT {name} FROM customer") == [(after,)]
    for table in ("touchpoint", "support_case", "interaction"):
        assert days(bench, table) == {"2026-03-01", "2026-03-08"}
    settle(bench)
    resolve(bench, [visit("a", changed=3, mail="ada@example.org", **{name: str(after)})], "people")
    assert days(bench, "touchpoint") == set(), f"the same {name} changes nothing"
    resolve(bench, [{"id": "a", "gone": True}], "people")
    assert bench.query(f"SELECT {name} FROM customer") == [(None,)]
    assert days(bench, "touchpoint") == {"2026-03-01", "2026-03-08"}


def test_a_later_profile_without_a_field_takes_nothing_from_an_earlier_one(bench: Bench) -> None:
    everything = {"segment": "loyal", "country": "ES", "consent": "false"}
    resolve(bench, [visit("a", changed=1, mail="ada@example.org", **everything)], "people")
    resolve(bench, [visit("b", changed=2, mail="ada@example.org")], "people")
    assert bench.query("SELECT segment, country, consent FROM customer") == [("loyal", "ES", False)]
    resolve(bench, [visit("c", changed=3, mail="ada@example.org", country="PT")], "people")
    resolve(bench, [visit("d", changed=0, mail="ada@example.org", segment="new", consent="true")], "people")
    assert bench.query("SELECT segment, country, consent FROM customer") == [("loyal", "PT", False)]


def test_a_hashed_identifier_is_nowhere_in_the_warehouse_but_where_it_was_mapped(bench: Bench) -> None:
    resolve(bench, [visit(1, mail=CANARY, phone="+34 600 111 222")])
    resolve(bench, [visit("a", mail=CANARY)], "people")
    holders = set()
    for table, held in bench.everything().items():
        text = str(held).lower()
        if CANARY.lower() in text or "600111222" in text or "600 111 222" in text:
            holders.add(table)
    assert holders == {"customer_profile"}
    assert bench.query("SELECT email FROM customer_profile") == [(CANARY,)]
    assert bench.query("SELECT DISTINCT identity_value FROM customer_identity") == [(None,)]


def test_identifiers_may_be_kept_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_warehouse: NewWarehouse
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    identity = {"store_values": "clear"}
    bench = Bench(tmp_path / "clear", STREAMS, identity=identity, warehouse=new_warehouse())
    resolve(bench, [visit(1, mail=CANARY)])
    assert bench.query("SELECT namespace, identity_value FROM customer_identity") == [
        ("email", CANARY.lower())
    ]


def test_rows_written_anew_are_those_that_an_update_leaves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a database that holds updates in memory changes very many rows."""
    visits = [
        visit(n, day=n % 9 + 1, mail=f"p{n % 5}@example.org", phone=str(600_000_000 + n % 7))
        for n in range(40)
    ]
    resolve(bench, visits[:20])
    resolve(bench, visits)
    updated = bench.digest()
    bench.clear()
    monkeypatch.setattr(rows, "_MANY_RECORDS", 0)
    monkeypatch.setattr(type(transactions.engine_of(bench.settings)), "holds_updates_in_memory", True)
    resolve(bench, visits[:20])
    resolve(bench, visits)
    assert bench.digest() == updated
