"""What a scheduled run reads: from the cursor, less the look-back, to its end, less the lag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.model.window import Window

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
PLAIN = {"primary_key": ["id"], "to": {"support_case": {"case_id": "id", "opened_at": AT}}}
STREAMS = {
    "plain": PLAIN,
    "patient": {**PLAIN, "look_back": 7200, "lag": 600},
}


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(tmp_path_factory.mktemp("windows") / "project", STREAMS, warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench) -> Iterator[Bench]:
    yield warehouse
    begin_at(warehouse, None)
    warehouse.clear()


def window(bench: Bench, stream: str, end: datetime) -> tuple[datetime | None, datetime]:
    found = flow.scheduled_window(bench.settings, "shop", stream, end)
    return found.start, found.end


def begin_at(bench: Bench, start: str | None) -> None:
    tree = Bench.tree(STREAMS)
    if start is not None:
        tree["connections"]["shop"]["start"] = start
    bench.reconfigure(tree)


def test_without_a_cursor_or_a_start_a_run_reads_from_the_sources_beginning(bench: Bench) -> None:
    assert window(bench, "plain", at(9)) == (None, at(9))
    assert window(bench, "patient", at(9)) == (None, at(8, 23, 50))


def test_without_a_cursor_a_run_begins_at_the_connections_start(bench: Bench) -> None:
    begin_at(bench, "2026-03-05T00:00:00+02:00")
    assert window(bench, "plain", at(9)) == (at(4, 22), at(9))
    begin_at(bench, "2026-03-05T00:00:00")
    assert window(bench, "patient", at(9)) == (at(5), at(8, 23, 50)), "a start without a zone is in UTC"


def test_a_run_begins_at_the_cursor_less_the_look_back(bench: Bench) -> None:
    for stream in STREAMS:
        bench.load([], stream, end=at(8))
    assert window(bench, "plain", at(9)) == (at(8), at(9))
    assert window(bench, "patient", at(9)) == (at(7, 22), at(8, 23, 50))
    begin_at(bench, "2026-03-05T00:00:00Z")
    assert window(bench, "plain", at(9)) == (at(8), at(9)), "the start is only for the first run"


def test_a_look_back_does_not_reach_before_the_connections_start(bench: Bench) -> None:
    """Its first run left out what is older."""
    bench.load([], "patient", end=at(8))
    begin_at(bench, "2026-03-07T23:00:00Z")
    assert window(bench, "patient", at(9)) == (at(7, 23), at(8, 23, 50))
    begin_at(bench, "2026-03-09T00:00:00Z")
    assert window(bench, "patient", at(9)) == (at(7, 22), at(8, 23, 50)), "a start is no reason to skip"
    begin_at(bench, "2026-03-03T00:00:00Z")
    assert window(bench, "patient", at(3)) == (at(2, 23, 50) - timedelta(microseconds=1), at(2, 23, 50))


def test_a_run_for_a_past_day_still_has_a_window(bench: Bench) -> None:
    for stream in STREAMS:
        bench.load([], stream, end=at(8))
    for stream in STREAMS:
        start, end = window(bench, stream, at(3))
        assert start is not None
        assert start < end <= at(3)
        assert Window(start, end), "it is not empty"
    start, end = window(bench, "patient", at(3))
    assert end - start >= timedelta(hours=2)


def test_a_run_up_to_the_cursor_itself_still_has_a_window(bench: Bench) -> None:
    bench.load([], "plain", end=at(8))
    start, end = window(bench, "plain", at(8))
    assert start is not None
    assert start < end == at(8)


def test_a_backfill_does_not_move_where_the_next_scheduled_run_begins(bench: Bench) -> None:
    bench.load([], "plain", end=at(8))
    bench.load([], "plain", end=at(20), mode="backfill")
    assert window(bench, "plain", at(9)) == (at(8), at(9))
