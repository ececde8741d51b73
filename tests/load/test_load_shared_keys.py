"""A canonical key belongs to one record: who claims one with another is refused, in whatever order and batches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.errors import SourceError
from cxflow.load.batch import LoadReport
from cxflow.validate import quarantine, runner

ORDER = {
    "primary_key": ["id"],
    "max_rejected_share": 1,
    "version": "changed",
    "deleted": "gone",
    "identifiers": {"email": "mail"},
    "may_lack": ["number", "day", "total", "gone", "mail", "changed", "answer"],
    "to": {
        "order_header": {"order_id": "number", "created_at": "day", "price_total": "total"},
        "review": {
            "where": "answer IS NOT NULL",
            "review_id": "answer",
            "rating_value": "5",
            "worst_rating": "1",
            "best_rating": "5",
            "date_published": "day",
        },
    },
}
Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(
        tmp_path_factory.mktemp("keys"), {"orders": ORDER, "imports": ORDER}, warehouse=new_warehouse()
    )


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    assert warehouse.books_balance()
    warehouse.clear()
    shutil.rmtree(warehouse.folder / "landing", ignore_errors=True)


def order(id: str, number: str = "K", changed: int = 1, **fields: Any) -> dict[str, Any]:
    at = {"changed": f"2026-03-{changed:02d}T00:00:00Z", "day": "2026-03-01T10:00:00Z"}
    return {"id": id, "number": number, **at, "total": 10, "mail": f"{id}@example.org", **fields}


def load(bench: Bench, *records: dict[str, Any], stream: str = "orders") -> LoadReport:
    return bench.load(records, stream, delivered=datetime(2026, 3, 20, tzinfo=UTC))


def loaded(bench: Bench) -> dict[str, str]:
    """Record to its key, of the living ones."""
    query = "SELECT source_record_id, order_id FROM order_header WHERE NOT is_deleted ORDER BY 1"
    return {record: key.removeprefix("shop:") for record, key in bench.query(query)}


def refused(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.query(
        "SELECT source_record_id, rule, column_name FROM quarantine WHERE status = 'open' ORDER BY 1, 2, 3"
    )


def refusals(*records: str, table: str = "order_header") -> list[tuple[Any, ...]]:
    return [(record, "duplicate_key", table) for record in records]


@pytest.mark.parametrize("streams", [("orders", "orders", "orders"), ("orders", "imports", "orders")])
def test_who_shares_a_key_is_refused_in_whatever_order_and_batches(
    bench: Bench, streams: tuple[str, ...]
) -> None:
    claimants = list(zip("abc", streams, strict=True))
    for some in (claimants, claimants[::-1]):
        for record, stream in some:
            load(bench, order(record), stream=stream)
        assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b", "c")), some
        assert bench.query("SELECT count(*) FROM record_identity") == [(0,)]
        load(bench, *(order(record) for record, stream in claimants if stream == "orders"))
        assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b", "c")), "again, at once"
        assert bench.books_balance()
        bench.clear()
    for stream in dict.fromkeys(streams):
        load(bench, *(order(record) for record, its in claimants if its == stream), stream=stream)
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b", "c"))


def test_what_is_taken_back_is_in_the_ledger_and_whole_in_quarantine(bench: Bench) -> None:
    assert load(bench, order("a", total=7), order("b", "other")).counts.inserted == 2
    report = load(bench, order("x"), stream="imports")
    assert (report.counts.extracted, report.counts.quarantined, report.withdrawn) == (1, 1, 1)
    assert report.rules == {"duplicate_key": 1}
    assert bench.query("SELECT source_object, withdrawn FROM load_run ORDER BY run_id") == [
        ("orders", 0),
        ("imports", 1),
    ]
    assert loaded(bench) == {"b": "other"}
    assert bench.query("SELECT DISTINCT source_record_id FROM record_identity") == [("b",)]
    (taken,) = bench.query(
        "SELECT source_object, batch_id, row_number, stage, payload FROM quarantine WHERE source_record_id = 'a'"
    )
    first = bench.query("SELECT batch_id FROM load_run WHERE source_object = 'orders'")[0][0]
    assert taken[:4] == ("orders", first, 1, "load")
    assert '"total": 7' in taken[4]
    assert '"mail": "a@example.org"' in taken[4]


def test_what_is_taken_back_after_its_raw_record_is_gone_is_in_quarantine_without_it(bench: Bench) -> None:
    load(bench, order("a"))
    shutil.rmtree(bench.folder / "landing")
    load(bench, order("b"))
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b"))
    assert bench.query("SELECT payload IS NULL FROM quarantine ORDER BY source_record_id") == [
        (True,),
        (False,),
    ]
    load(bench, order("b", "other", 2))
    assert (loaded(bench), refused(bench)) == ({"b": "other"}, refusals("a")), "it cannot be read again"
    load(bench, order("a"))
    assert (loaded(bench), refused(bench)) == ({"a": "K", "b": "other"}, []), "until it is delivered again"


@pytest.mark.parametrize("stream", ["orders", "imports"])
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(order("b", "other", 2), id="another key"),
        pytest.param(order("b", changed=2, gone=True), id="deleted"),
        pytest.param({"id": "b", "gone": True}, id="deleted, its key alone"),
    ],
)
def test_who_alone_is_left_with_a_key_is_loaded_by_the_same_run(
    bench: Bench, stream: str, end: dict[str, Any]
) -> None:
    load(bench, order("a", total=7))
    load(bench, order("b"), stream=stream)
    report = load(bench, end, stream=stream)
    assert report.released == 1
    assert {key: record for record, key in loaded(bench).items()}["K"] == "a"
    assert refused(bench) == []
    assert bench.query("SELECT price_total FROM order_header WHERE source_record_id = 'a'") == [(7,)]
    assert load(bench, order("a", total=7)).counts.unchanged == 1
    assert bench.query("SELECT count(*) FROM key_claim WHERE state = 'refused'") == [(0,)]


def test_two_that_are_left_stay_until_one_of_them_goes(bench: Bench) -> None:
    for record in "abc":
        load(bench, order(record))
    assert load(bench, order("c", "other", 2)).released == 0
    assert (loaded(bench), refused(bench)) == ({"c": "other"}, refusals("a", "b"))
    assert load(bench, order("b", "more", 2)).released == 1
    assert (loaded(bench), refused(bench)) == ({"a": "K", "b": "more", "c": "other"}, [])


def test_every_key_of_a_refused_record_stays_claimed(bench: Bench) -> None:
    load(bench, order("a", answer="R"))
    load(bench, order("b"))
    assert refused(bench) == refusals("a", "b")
    load(bench, order("c", "other", answer="R"), stream="imports")
    entries = [*refusals("a"), *refusals("a", table="review"), *refusals("b"), *refusals("c", table="review")]
    assert (loaded(bench), refused(bench)) == ({}, entries)
    load(bench, order("b", "more", 2))
    assert loaded(bench) == {"b": "more"}
    assert refused(bench) == refusals("a", "c", table="review")
    load(bench, order("c", "other", 2), stream="imports")
    assert (loaded(bench), refused(bench)) == ({"a": "K", "b": "more", "c": "other"}, [])


def test_an_older_version_claims_nothing(bench: Bench) -> None:
    load(bench, order("a", "other", 5))
    report = load(bench, order("a", changed=2), order("b"))
    assert (report.counts.deduplicated, report.counts.inserted) == (1, 1)
    assert (loaded(bench), refused(bench)) == ({"a": "other", "b": "K"}, [])


def test_an_older_version_is_no_way_out(bench: Bench) -> None:
    load(bench, order("a", "older", 1))
    load(bench, order("a", changed=3))
    assert load(bench, order("b")).withdrawn == 1
    assert load(bench, order("a", "older", 1)).counts.deduplicated == 1
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b"))


def test_a_version_that_is_refused_for_another_reason_leaves_the_claims(bench: Bench) -> None:
    load(bench, order("a"), order("b"))
    load(bench, order("b", changed=2, total="odd"))
    assert loaded(bench) == {}
    assert refused(bench) == [
        ("a", "duplicate_key", "order_header"),
        ("b", "cast", "order_header.price_total"),
        ("b", "duplicate_key", "order_header"),
    ]


def test_a_record_that_is_unchanged_is_refused_with_the_one_that_comes_beside_it(bench: Bench) -> None:
    load(bench, order("a"))
    report = load(bench, order("a"), order("b"))
    assert (report.counts.extracted, report.counts.quarantined, report.withdrawn) == (2, 2, 1)
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b"))


def test_keys_that_two_records_swap_are_claimed_by_one_each(bench: Bench) -> None:
    load(bench, order("a", "K"), order("b", "L"))
    load(bench, order("a", "L", 2), order("b", "K", 2))
    assert (loaded(bench), refused(bench)) == ({"a": "L", "b": "K"}, [])
    load(bench, order("a", "K", 3))
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b"))
    load(bench, order("b", "L", 3))
    assert (loaded(bench), refused(bench)) == ({"a": "K", "b": "L"}, [])


def test_a_replay_that_decides_nothing_changes_nothing(bench: Bench) -> None:
    load(bench, order("a"), order("b"))
    (report,) = flow.replay(bench.settings, quarantine.Filter())
    assert (report.counts.extracted, report.counts.quarantined) == (2, 2)
    assert (loaded(bench), refused(bench)) == ({}, refusals("a", "b"))


def test_who_is_discarded_claims_nothing_more_and_the_other_is_loaded(bench: Bench) -> None:
    load(bench, order("a"))
    load(bench, order("b"), stream="imports")
    wrong = quarantine.Filter(stream="imports")
    assert flow.discard(bench.settings, wrong, "a test") == 1
    assert (loaded(bench), refused(bench)) == ({"a": "K"}, [])
    assert load(bench, order("b"), stream="imports").counts.quarantined == 1
    assert (loaded(bench), refused(bench)) == ({"a": "K"}, [])
    load(bench, order("b", "other", 2), stream="imports")
    assert loaded(bench) == {"a": "K", "b": "other"}


def test_a_record_is_discarded_with_all_its_entries_for_keys(bench: Bench) -> None:
    load(bench, order("a", answer="R"))
    load(bench, order("b", answer="R"))
    ((some, _), *_) = bench.query(
        "SELECT quarantine_id, column_name FROM quarantine WHERE source_record_id = 'b' ORDER BY 2"
    )
    assert flow.discard(bench.settings, quarantine.Filter(ids=(some,)), "a test") == 2
    assert (loaded(bench), refused(bench)) == ({"a": "K"}, [])


def test_a_deleted_record_loses_the_row_to_a_living_one_and_gets_it_back(bench: Bench) -> None:
    headers = "SELECT source_record_id, is_deleted FROM order_header WHERE order_id = 'shop:K'"
    for batches in ([["a", "b"]], [["a"], ["b"]], [["b"], ["a"]]):
        records = {"a": order("a", gone=True), "b": order("b")}
        for batch in batches:
            report = load(bench, *(records[name] for name in batch))
            assert report.counts.quarantined == 0
        assert bench.query(headers) == [("b", False)]
        assert refused(bench) == []
        load(bench, order("b", "other", 2))
        assert bench.query(headers) == [("a", True)]
        assert bench.query("SELECT count(*) FROM key_claim") == [(0,)]
        bench.clear()


def test_a_failed_release_is_made_up_for_by_the_next_load(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bench, order("a"), order("b"))

    def fails(*_: Any, **__: Any) -> Any:
        raise SourceError("a test")

    with monkeypatch.context() as patched:
        patched.setattr(flow, "_process_again", fails)
        assert load(bench, order("b", "other", 2)).released == 0
    assert (loaded(bench), refused(bench)) == ({"b": "other"}, refusals("a"))
    assert load(bench, order("x", "more"), stream="imports").released == 1
    assert (loaded(bench), refused(bench)) == ({"a": "K", "b": "other", "x": "more"}, [])


def test_rows_of_one_record_with_one_key_refuse_that_version_alone(bench: Bench) -> None:
    twice = {**ORDER, "to": {"order_header": ORDER["to"]["order_header"], "order_line": LINES}}  # type: ignore[index]
    bench.reconfigure(bench.tree({"orders": twice, "imports": ORDER}))
    try:
        load(bench, order("a", lines=["1"]))
        load(bench, order("a", changed=2, lines=["1", "1"]))
        assert (loaded(bench), refused(bench)) == ({"a": "K"}, [("a", "repeated_key", "order_line")])
        bench.clear()
        load(bench, order("a", lines=["1"]), order("a", changed=2, lines=["1", "1"]))
        assert (loaded(bench), refused(bench)) == ({"a": "K"}, [("a", "repeated_key", "order_line")])
    finally:
        bench.reconfigure(bench.tree({"orders": ORDER, "imports": ORDER}))


LINES = {"for_each": "lines", "order_id": "number", "line_no": "item", "quantity": "1"}
