"""What becomes of a record: inserted, updated, left alone, deleted, or kept out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from trip_bench import Bench

from cxflow import flow
from cxflow.errors import FatalError
from cxflow.load.batch import LoadReport
from cxflow.validate import quarantine
from cxflow.warehouse import ledger, tables


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def order(id: int | str, changed: int = 1, **fields: Any) -> dict[str, Any]:
    """An order as it was on a day of March."""
    record = {"id": id, "changed": f"2026-03-{changed:02d}T00:00:00Z", "day": "2026-03-01T10:00:00Z"}
    return {**record, "total": 10, "lines": [1, 2], **fields}


def counted(report: LoadReport) -> dict[str, int]:
    """What is not zero in a load's books."""
    names = ("extracted", "inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")
    return {name: count for name in names if (count := getattr(report.counts, name))}


def totals(bench: Bench) -> dict[str, Any]:
    return {
        key: int(total)
        for key, total in bench.query("SELECT source_record_id, price_total FROM order_header")
    }


def lines(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.rows("order_line", "source_record_id", "line_no", "quantity")


def test_the_ledger_does_not_take_books_that_do_not_balance(bench: Bench) -> None:
    bench.load([order(1), order(2)])
    columns = tables.load_run.columns.keys()
    ((run,),) = bench.rows("load_run", "run_id")
    for status, extracted, fits in (("loaded", 5, False), ("stopped", 5, True), ("loaded", 2, True)):
        replaced = {"run_id": f"'{status}'", "status": f"'{status}'", "extracted": str(extracted)}
        values = ", ".join(replaced.get(name, name) for name in columns)
        insert = (
            f"INSERT INTO load_run ({', '.join(columns)}) "
            f"SELECT {values} FROM load_run WHERE run_id = '{run}'"
        )
        if fits:
            bench.execute(insert)
        else:
            with pytest.raises(FatalError, match="the warehouse refuses a row"):
                bench.execute(insert)


def test_a_batch_loaded_twice_changes_nothing(bench: Bench) -> None:
    batch = bench.land([order(1), order(2, total="odd")])
    flow.prepare(bench.settings, batch)
    first = flow.load(bench.settings, batch)
    before = bench.everything()
    second = flow.load(bench.settings, batch)
    assert (first.was_loaded, second.was_loaded) == (False, True)
    assert second.counts == first.counts
    assert bench.everything() == before


def test_the_same_records_in_another_batch_are_unchanged(bench: Bench) -> None:
    records = [order(1), order(2)]
    bench.load(records)
    before = bench.digest()
    assert counted(bench.load(records, delivered=at(9))) == {"extracted": 2, "unchanged": 2}
    assert bench.digest() == before


def test_an_older_version_after_a_newer_one_is_set_aside(bench: Bench) -> None:
    bench.load([order(1, changed=5, total=50)], delivered=at(5))
    before = bench.digest()
    assert counted(bench.load([order(1, changed=4, total=40)], delivered=at(9))) == {
        "extracted": 1,
        "deduplicated": 1,
    }
    assert bench.digest() == before


def test_without_a_version_the_time_of_delivery_decides(bench: Bench) -> None:
    bench.load([order(1, total=50)], "dumps", delivered=at(5))
    assert counted(bench.load([order(1, total=40)], "dumps", delivered=at(4)))["deduplicated"] == 1
    assert totals(bench) == {"1": 50}
    assert counted(bench.load([order(1, total=60)], "dumps", delivered=at(6)))["updated"] == 1
    assert totals(bench) == {"1": 60}


def test_of_an_equal_version_with_other_content_the_later_delivery_stands(bench: Bench) -> None:
    bench.load([order(1, total=10)], delivered=at(5))
    assert counted(bench.load([order(1, total=20)], delivered=at(6)))["updated"] == 1
    assert counted(bench.load([order(1, total=30)], delivered=at(4)))["deduplicated"] == 1
    assert totals(bench) == {"1": 20}


def test_several_versions_in_one_batch_leave_the_newest(bench: Bench) -> None:
    versions = [order(1, changed=2, total=2), order(1, changed=4, total=4), order(1, changed=3, total=3)]
    assert counted(bench.load(versions)) == {"extracted": 3, "inserted": 1, "deduplicated": 2}
    assert totals(bench) == {"1": 4}


def test_a_record_that_makes_fewer_rows_than_before_leaves_no_surplus(bench: Bench) -> None:
    bench.load([order(1, lines=[1, 2, 3]), order(2, lines=[7])])
    bench.load([order(1, changed=2, lines=[5])])
    assert lines(bench) == [("1", "1", 5.0), ("2", "1", 7.0)]
    bench.load([order(1, changed=3, lines=[])])
    assert lines(bench) == [("2", "1", 7.0)]


def test_a_deletion_keeps_what_it_says_and_an_older_version_does_not_revive_it(bench: Bench) -> None:
    bench.load([order(1), order(2)])
    assert counted(bench.load([order(1, changed=5, gone=True)])) == {"extracted": 1, "deleted": 1}
    assert bench.rows("order_header", "source_record_id", "is_deleted") == [
        ("1", True),
        ("2", False),
    ]
    bench.load([order(1, changed=4, total=99)], delivered=at(20))
    assert bench.query("SELECT is_deleted FROM source_record WHERE source_record_id = '1'") == [(True,)]
    assert counted(bench.load([order(1, changed=6)]))["updated"] == 1
    assert bench.query("SELECT DISTINCT is_deleted FROM touchpoint") == [(False,)]


@pytest.mark.parametrize("stream", ["things", "dumps"])
def test_a_tombstone_with_nothing_but_its_key_deletes_and_stays(bench: Bench, stream: str) -> None:
    bench.load([order(1, mail="ada@example.org"), order(2)], stream, delivered=at(2))
    assert counted(bench.load([{"id": 1, "gone": True}], stream, delivered=at(5))) == {
        "extracted": 1,
        "deleted": 1,
    }
    assert totals(bench) == {"2": 10}
    assert bench.query("SELECT count(*) FROM record_identity") == [(0,)]
    for delivered in (4, 3) if stream == "dumps" else (4, 9):
        late = counted(
            bench.load(
                [order(1, changed=delivered - 1 if delivered < 5 else 4)], stream, delivered=at(delivered)
            )
        )
        assert late == {"extracted": 1, "deduplicated": 1}
    assert totals(bench) == {"2": 10}
    assert counted(bench.load([{"id": 1, "gone": True}], stream, delivered=at(6)))["unchanged"] == 1
    assert counted(bench.load([order(1, changed=7)], stream, delivered=at(7)))["updated"] == 1
    assert totals(bench) == {"1": 10, "2": 10}


def test_a_tombstone_before_its_record_is_remembered(bench: Bench) -> None:
    bench.load([{"id": 1, "gone": True}], delivered=at(5))
    assert counted(bench.load([order(1, changed=4)], delivered=at(6))) == {"extracted": 1, "deduplicated": 1}
    assert totals(bench) == {}


def test_different_records_of_one_key_and_moment_are_refused_where_none_is_newer(bench: Bench) -> None:
    twins = [order(1, total=1), order(1, total=2), order(2)]
    for stream in ("dumps", "stricts"):
        report = bench.load(twins, stream)
        assert counted(report) == {"extracted": 3, "inserted": 1, "quarantined": 2}
        assert report.rules == {"duplicate_key": 2}
        bench.clear()


@pytest.mark.parametrize("stream", ["things", "lasts"])
def test_different_records_of_one_key_leave_the_last_where_the_latest_is_taken(
    bench: Bench, stream: str
) -> None:
    assert counted(bench.load([order(1, total=1), order(1, total=2)], stream)) == {
        "extracted": 2,
        "inserted": 1,
        "deduplicated": 1,
    }
    assert totals(bench) == {"1": 2}


@pytest.mark.parametrize("stream", ["things", "dumps", "lasts", "stricts"])
def test_records_that_are_the_same_count_as_one(bench: Bench, stream: str) -> None:
    assert counted(bench.load([order(1), order(1), order(1)], stream)) == {
        "extracted": 3,
        "inserted": 1,
        "deduplicated": 2,
    }


def test_rows_of_two_records_with_one_key_refuse_both_records(bench: Bench) -> None:
    report = bench.load([order(1, number="N"), order(2, number="N"), order(3)])
    assert counted(report) == {"extracted": 3, "inserted": 1, "quarantined": 2}
    assert bench.quarantine("source_record_id", "rule", "column_name") == [
        ("1", "duplicate_key", "order_header"),
        ("1", "duplicate_key", "order_line"),
        ("2", "duplicate_key", "order_header"),
        ("2", "duplicate_key", "order_line"),
    ]


def test_a_key_that_another_stream_holds_refuses_both_records_and_keeps_them_whole_in_quarantine(
    bench: Bench,
) -> None:
    bench.load([order(1, total=1)], "things")
    report = bench.load([order(1, total=2, mail="ada@example.org"), order(2)], "dumps")
    assert counted(report) == {"extracted": 2, "inserted": 1, "quarantined": 1}
    assert report.rules == {"duplicate_key": 1}
    assert (
        bench.query("SELECT report FROM load_run WHERE source_object = 'dumps'")[0][0].count("duplicate_key")
        == 1
    )
    for table in ("order_header", "touchpoint"):
        assert bench.query(f"SELECT DISTINCT source_object, source_record_id FROM {table}") == [
            ("dumps", "2")
        ]
    assert bench.query("SELECT count(*) FROM record_identity") == [(0,)]
    entries = bench.quarantine("source_object", "stage", "rule", "column_name", "payload")
    assert [entry[:4] for entry in entries] == [
        (stream, "load", "duplicate_key", table)
        for stream in ("dumps", "things")
        for table in ("order_header", "order_line")
    ]
    assert ['"mail": "ada@example.org"' in payload for *_, payload in entries] == [True, True, False, False]


def test_a_tombstone_whose_key_is_taken_is_a_deletion_without_that_row(bench: Bench) -> None:
    bench.load([order(1, total=1)], "things")
    assert counted(bench.load([order(1, gone=True)], "dumps")) == {"extracted": 1, "deleted": 1}
    assert bench.query("SELECT source_object FROM order_header") == [("things",)]
    assert bench.quarantine() == []


def test_a_refused_record_is_open_until_a_version_as_new_or_newer_loads(bench: Bench) -> None:
    bench.load([order(1, changed=3, total="odd")], delivered=at(3))
    assert bench.quarantine() == [("1", "cast", "order_header.price_total", "odd", "open")]
    bench.load([order(1, changed=2)], delivered=at(9))
    assert bench.quarantine("status") == [("open",)]
    bench.load([order(1, changed=4)], delivered=at(4))
    assert bench.quarantine("status", "reason") == [("superseded", None)]
    bench.load([order(1, changed=3, total="odd")], delivered=at(3))
    assert bench.quarantine("status") == [("superseded",)], "the same delivery again is no news"
    bench.load([order(1, changed=3, total="odd")], delivered=at(10))
    assert bench.quarantine("status") == [("superseded",)], "its version is still older than the one loaded"


def test_a_record_refused_again_after_it_was_made_good_is_open_again(bench: Bench) -> None:
    bad, good = order(1, total="odd"), order(1)
    bench.load([bad], "dumps", delivered=at(3))
    bench.load([good], "dumps", delivered=at(4))
    assert bench.quarantine("status") == [("superseded",)]
    bench.load([bad], "dumps", delivered=at(5))
    assert bench.quarantine("status", "closed_at") == [("open", None)]


def test_the_last_delivery_decides_on_a_refused_record_in_whatever_order_they_load(bench: Bench) -> None:
    bad, good = order(1, total="odd"), order(1)
    for delivered, record in ((3, bad), (5, bad), (4, good)):
        bench.load([record], "dumps", delivered=at(delivered))
    assert bench.quarantine("status") == [("open",)]


def test_a_discarded_record_stays_discarded(bench: Bench) -> None:
    bad = order(1, total="odd")
    bench.load([bad], "dumps", delivered=at(3))
    assert quarantine.discard(bench.settings, quarantine.Filter(rule="cast"), "a test order") == 1
    bench.load([bad], "dumps", delivered=at(4))
    bench.load([order(1)], "dumps", delivered=at(5))
    bench.load([bad], "dumps", delivered=at(6))
    assert bench.quarantine("status", "reason") == [("discarded", "a test order")]


def test_lines_that_are_no_record_are_kept_and_counted(bench: Bench) -> None:
    report = bench.load([order(1)], malformed=['{"id": 2', "odd"])
    assert counted(report) == {"extracted": 3, "inserted": 1, "quarantined": 2}
    assert bench.quarantine("rule", "payload", "status") == [
        ("malformed", "odd", "open"),
        ("malformed", '{"id": 2', "open"),
    ]


def test_a_batch_without_records_moves_the_cursor_and_nothing_else(bench: Bench) -> None:
    bench.load([order(1)], cursor={"page": 1})
    before = bench.digest()
    assert counted(bench.load([], cursor={"page": 2}, end=at(9))) == {}
    assert bench.digest() == before
    assert ledger.cursor(bench.settings, "shop", "things") == {"page": 2}
    assert ledger.position(bench.settings, "shop", "things") == at(9)


def test_the_cursor_never_moves_back_and_a_backfill_leaves_it_alone(bench: Bench) -> None:
    bench.load([order(1)], cursor={"page": 5}, end=at(9))
    bench.load([order(2)], cursor={"page": 3}, end=at(7))
    bench.load([order(3)], mode="backfill", end=at(20))
    assert ledger.cursor(bench.settings, "shop", "things") == {"page": 5}
    assert ledger.position(bench.settings, "shop", "things") == at(9)


def test_raw_columns_learnt_by_batches_that_were_prepared_side_by_side_are_all_known(bench: Bench) -> None:
    first, second = bench.land([order(1, left=1)]), bench.land([order(2, right=1)])
    for batch in (first, second):
        flow.prepare(bench.settings, batch)
    for batch in (first, second):
        flow.load(bench.settings, batch)
    assert {"left", "right"} <= set(ledger.raw_columns(bench.settings, "shop", "things"))


def test_loads_note_the_days_and_identifiers_to_look_at_again(bench: Bench) -> None:
    bench.load([order(1, mail="ada@example.org")])
    days = {(table, str(day)) for table, day in bench.query("SELECT table_name, day FROM pending_kpi")}
    assert {("touchpoint", "2026-03-01"), ("order_header", "2026-03-01")} <= days
    assert bench.query("SELECT namespace FROM pending_identity") == [("email",)]
    bench.load([order(1, changed=2, day="2026-02-11T00:00:00Z", mail="bob@example.org")])
    days = {(table, str(day)) for table, day in bench.query("SELECT table_name, day FROM pending_kpi")}
    assert {("touchpoint", "2026-02-11"), ("order_header", "2026-02-11")} <= days
    assert bench.query("SELECT count(*) FROM pending_identity") == [(2,)]
