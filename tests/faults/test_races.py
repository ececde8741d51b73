"""Two workers, each a process, on the same work: one wins, and it is loaded once. They race for a batch, and for a
window, which each of them extracts for itself. `make faults` has 250 races for a batch on each engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from trip_bench import Bench

from cxflow import flow
from cxflow.landing import prepared, zone
from cxflow.model.batch import BatchRef
from cxflow.model.window import Window
from cxflow.validate import runner

RACES = int(os.environ.get("CXFLOW_RACES", "20"))
"""For a batch, on each engine."""
WINDOWS = max(5, RACES // 10)
"""Raced for on each engine: here the workers do the whole trip."""
AT = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = {
    "things": {
        "primary_key": ["id"],
        "version": "changed",
        "to": {"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "changed"}},
    }
}


@pytest.fixture(params=["duckdb", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    if request.param == "duckdb":
        return Bench(tmp_path, STREAMS)
    return Bench(tmp_path, STREAMS, warehouse={"url": request.getfixturevalue("postgresql")()})


def batches(bench: Bench) -> Iterator[BatchRef]:
    """Prepared batches of one record each, that grows newer: copies of one, for preparing takes longer than loading."""
    first = bench.land([{"id": "a", "changed": AT.isoformat()}])
    flow.prepare(bench.settings, first)
    zone, copied = bench.folder / "landing", bench.folder / "copied"
    shutil.copytree(zone / first.path, copied)  # what is loaded is no longer there
    yield first
    for number in range(1, RACES):
        batch = replace(first, batch_id=f"{first.batch_id}-{number:03}")
        shutil.copytree(copied, zone / batch.path)
        later = f"+ INTERVAL {number} MINUTE"
        with duckdb.connect(zone / batch.path / prepared.FOLDER / prepared.DATABASE) as database:
            for name, changed in (
                ("record", f"version_at {later} AS version_at, content_hash || '{number}' AS content_hash"),
                ("touchpoint", f"occurred_at {later} AS occurred_at"),
            ):
                database.execute(
                    f"CREATE OR REPLACE VIEW {prepared.OUTPUT}.{name} AS SELECT * REPLACE ({changed}) FROM main.{name}"
                )
        yield batch


def race(bench: Bench, work: Iterable[dict[str, Any]]) -> list[Counter[str]]:
    """Two workers are told of each piece of work at once. What they said of each."""
    command = [sys.executable, str(Path(__file__).with_name("fault_racer.py")), str(bench.folder)]
    said: list[Counter[str]] = []
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(2)
        ]
        pipes = [(worker.stdin, worker.stdout) for worker in workers if worker.stdin and worker.stdout]
        assert [answers.readline() for _, answers in pipes] == ["ready\n"] * 2
        for piece in work:
            for asks, _ in pipes:
                asks.write(json.dumps(piece) + "\n")
            said.append(Counter(answers.readline().strip() for _, answers in pipes))
        for asks, _ in pipes:
            asks.close()
    return said


def test_of_two_workers_on_one_batch_one_wins_and_it_is_loaded_once(bench: Bench) -> None:
    said = race(bench, (batch.as_json() for batch in batches(bench)))
    assert said == [Counter({"1 inserted, 0 updated": 1, "was loaded": 1})] + [
        Counter({"0 inserted, 1 updated": 1, "was loaded": 1})
    ] * (RACES - 1)
    assert bench.query("SELECT count(*), sum(inserted), sum(updated) FROM load_run") == [
        (RACES, 1, RACES - 1)
    ]
    [(occurred_at,)] = bench.query("SELECT occurred_at FROM touchpoint")
    assert occurred_at == AT + timedelta(minutes=RACES - 1), "the newest version, and only that"
    assert bench.query("SELECT count(*) FROM source_record") == [(1,)]
    assert bench.books_balance()
    assert zone.batches(bench.settings, "shop", "things")


def windows(bench: Bench) -> Iterator[dict[str, Any]]:
    """Windows, and for each a line more in the source than for the one before."""
    source = bench.folder / "things.jsonl"
    for number in range(WINDOWS):
        day = AT + timedelta(days=number)
        with source.open("a") as lines:
            lines.write(json.dumps({"id": f"a{number}", "changed": day.isoformat()}) + "\n")
        window = Window(None, datetime.now(UTC) + timedelta(hours=number))  # of files, by when they changed
        yield {"connection": "shop", "stream": "things", "window": window.as_json()}


def test_of_two_workers_on_one_window_one_wins_and_the_other_finds_nothing_new(bench: Bench) -> None:
    said = race(bench, windows(bench))
    # Who comes late may find the file taken care of, or read it once more and find all of it unchanged.
    assert {answer for each in said for answer in each} <= {"1 inserted, 0 updated", "0 inserted, 0 updated"}
    assert [each["1 inserted, 0 updated"] for each in said] == [1] * WINDOWS
    found = bench.query("SELECT source_record_id, count(*) FROM touchpoint GROUP BY 1 ORDER BY 1")
    assert found == sorted((f"a{number}", 1) for number in range(WINDOWS))
    assert bench.query("SELECT count(*) FROM source_record") == [(WINDOWS,)]
    assert bench.books_balance()
