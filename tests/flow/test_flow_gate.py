"""A closed gate from end to end: nothing loads, nothing is lost, and what was mended goes through."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.errors import GateClosedError
from cxflow.landing import zone
from cxflow.validate.quarantine import Filter
from cxflow.warehouse import ledger

CANARY = "canary.person@example.org"


def streams(rating: str = "score", **declared: Any) -> dict[str, Any]:
    review = {"review_id": "id", "rating_value": rating, "review_body": "text", "date_published": "day"}
    return {"things": {"primary_key": ["id"], "pii": ["text"], "to": {"review": review}, **declared}}


def review(id: int, score: Any = 5) -> dict[str, Any]:
    return {"id": id, "score": score, "text": CANARY, "day": "2026-03-01T10:00:00Z"}


@pytest.fixture
def bench(tmp_path: Any, new_warehouse: NewWarehouse) -> Bench:
    quality = {"min_records": 10, "max_rejected_share": 0.2}
    return Bench(tmp_path / "project", streams(), quality=quality, warehouse=new_warehouse())


def test_a_closed_gate_loads_nothing_says_why_and_what_was_mended_goes_through(
    bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.load([review(0)], cursor={"page": 1})
    before = bench.everything()
    bad = [review(n, score=CANARY if n < 3 else 9) for n in range(1, 5)]
    batch = bench.land([*bad, *(review(n) for n in range(5, 11))], cursor={"page": 2})
    flow.prepare(bench.settings, batch)
    said = []
    for _ in range(2):
        with pytest.raises(GateClosedError) as stopped:
            flow.load(bench.settings, batch)
        said.append(str(stopped.value))
    assert stopped.value.exit_code == 65
    assert said[0].startswith("shop.things: the gate stopped batch")
    assert (
        "4 of 10 records were rejected, more than the 20.0% allowed "
        "(cast of review.rating_value 2, rating_within_scale of review 2)" in said[0]
    )
    after = bench.everything()
    runs = after.pop("load_run")
    known = before.pop("load_run")
    assert after == before, "rows, quarantine and cursor are as they were"
    assert len(runs) == len(known) + 2, "each try is in the ledger"
    stops = bench.query("SELECT status, extracted, inserted, report FROM load_run WHERE status <> 'loaded'")
    assert [row[:3] for row in stops] == [("stopped", 10, 0)] * 2
    printed = capfd.readouterr()
    assert CANARY not in "".join([*said, *(row[3] for row in stops), caplog.text, printed.out, printed.err])
    assert batch.batch_id in zone.batches(bench.settings, "shop", "things"), "the raw batch is kept"

    mended = "CASE WHEN TRY_CAST(score AS DOUBLE) BETWEEN 1 AND 5 THEN score END"
    bench.reconfigure({"quality": {"min_records": 10}, **Bench.tree(streams(mended))})
    flow.prepare(bench.settings, batch)
    assert flow.load(bench.settings, batch).counts.inserted == 10
    assert ledger.cursor(bench.settings, "shop", "things") == {"page": 2}
    assert bench.books_balance()


def test_a_replay_after_mending_loads_what_passes_and_keeps_the_rest_however_much_that_is(
    bench: Bench,
) -> None:
    loose = {"min_records": 10, "max_rejected_share": 1.0}
    bench.reconfigure({"quality": loose, **Bench.tree(streams())})
    bench.load([*(review(n, "five") for n in range(8)), *(review(n, "odd") for n in range(8, 20))])
    assert bench.query("SELECT status, count(*) FROM quarantine GROUP BY 1") == [("open", 20)]
    mended = "CASE score WHEN 'five' THEN '5' ELSE score END"
    closed = {"name": "all_there", "rule": "all_there", "table": "review", "level": "table"}
    closed.pop("name")
    whole = {**closed, "type": "expect_table_row_count_to_be_between", "with": {"min_value": 20}}
    strict = {"min_records": 10, "max_rejected_share": 0.0}
    bench.reconfigure({"quality": strict, **Bench.tree(streams(mended, expect=[whole]))})
    (report,) = flow.replay(bench.settings, Filter(rule="cast"))
    assert (report.counts.extracted, report.counts.inserted, report.counts.quarantined) == (20, 8, 12)
    assert bench.query("SELECT status, count(*) FROM quarantine GROUP BY 1 ORDER BY 1") == [
        ("open", 12),
        ("replayed", 8),
    ]
    assert bench.query("SELECT count(*) FROM review") == [(8,)]
    (again,) = flow.replay(bench.settings, Filter(rule="cast"))
    assert (again.counts.extracted, again.counts.quarantined) == (12, 12)
    assert bench.query("SELECT count(*) FROM quarantine") == [(20,)]
    assert bench.books_balance()


def test_a_replay_of_an_older_version_does_not_replace_what_has_come_since(bench: Bench) -> None:
    loose = {"min_records": 10, "max_rejected_share": 1.0}
    bench.reconfigure({"quality": loose, **Bench.tree(streams(version="changed"))})
    bench.load([{**review(1, "five"), "changed": "2026-03-01T00:00:00Z"}])
    bench.load([{**review(1, 4), "changed": "2026-03-02T00:00:00Z"}])
    assert bench.query("SELECT status FROM quarantine") == [("superseded",)]
    assert flow.replay(bench.settings, Filter(status=None)) == [], "nothing is open"
    assert bench.query("SELECT rating_value FROM review") == [(4.0,)]


def test_a_character_that_no_text_has_stops_no_load_on_either_database(bench: Bench) -> None:
    loose = {"min_records": 10, "max_rejected_share": 1.0}
    bench.reconfigure({"quality": loose, **Bench.tree(streams(identifiers={"device": "who"}))})
    records = [
        review(1) | {"who": "a"},
        review(2) | {"who": "b", "text": "cut\x00off"},
        review(3, "five\x00") | {"who": "c"},
        review(4) | {"id": "4\x00", "who": "d"},
        review(5) | {"who": "e\x00"},
    ]
    report = bench.load(records)
    assert (report.counts.inserted, report.counts.quarantined) == (2, 3)
    assert report.rules == {"cast": 1, "text_without_nul": 2}
    assert report.notes == {"unusable_identifiers": {"shop.device": 1}}
    assert bench.query("SELECT source_record_id, review_body FROM review ORDER BY 1") == [
        ("1", CANARY),
        ("5", CANARY),
    ]
    assert bench.query("SELECT rule, source_record_id, raw_value FROM quarantine ORDER BY 2") == [
        ("text_without_nul", "2", None),
        ("cast", "3", r"five\0"),
        ("text_without_nul", r"4\0", None),
    ]
    bench.reconfigure({"quality": loose, **Bench.tree(streams("replace(score, 'five' || chr(0), '5')"))})
    (mended,) = flow.replay(bench.settings, Filter(rule="cast"))
    assert mended.counts.inserted == 1, "what is landed is as it was delivered"
    assert bench.books_balance()
