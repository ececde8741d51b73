"""Two workers, each a process, on the same batch: one wins, and it is loaded once. 500 times, half on each engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from trip_bench import Bench

from cxflow import flow
from cxflow.model.batch import BatchRef
from cxflow.store import landing
from cxflow.validate import runner

RACES = 250
"""On each engine."""
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
    yield first
    zone = bench.folder / "landing"
    for number in range(1, RACES):
        batch = replace(first, batch_id=f"{first.batch_id}-{number:03}")
        shutil.copytree(zone / first.path, zone / batch.path)
        then = AT + timedelta(minutes=number)
        for name in ("record", "touchpoint"):
            file = zone / batch.path / "prepared" / f"{name}.parquet"
            moved = "* REPLACE (version_at + to_minutes($n) AS version_at, md5($v) AS content_hash)"
            if name == "touchpoint":
                moved = "* REPLACE (occurred_at + to_minutes($n) AS occurred_at)"
            values = {"n": number, "v": then.isoformat()} if name == "record" else {"n": number}
            with duckdb.connect() as database:
                database.execute("SET TimeZone = 'UTC'")
                table = database.execute(f"SELECT {moved} FROM '{file}'", values).to_arrow_table()
                database.register("changed", table)
                database.execute(f"COPY changed TO '{file}' (FORMAT parquet)")
        yield batch


def test_of_two_workers_on_one_batch_one_wins_and_it_is_loaded_once(bench: Bench) -> None:
    command = [sys.executable, str(Path(__file__).with_name("fault_racer.py")), str(bench.folder)]
    said: list[Counter[str]] = []
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(2)
        ]
        pipes = [(worker.stdin, worker.stdout) for worker in workers]
        assert [answers.readline() for _, answers in pipes if answers] == ["ready\n"] * 2
        for batch in batches(bench):
            line = json.dumps(batch.as_json()) + "\n"
            for asks, _ in pipes:
                assert asks
                asks.write(line)
            said.append(Counter(answers.readline().strip() for _, answers in pipes if answers))
        for asks, _ in pipes:
            assert asks
            asks.close()
    assert said == [Counter({"won": 1, "was loaded": 1})] * RACES
    assert bench.query("SELECT count(*), sum(inserted), sum(updated) FROM load_run") == [
        (RACES, 1, RACES - 1)
    ]
    [(occurred_at,)] = bench.query("SELECT occurred_at FROM touchpoint")
    assert occurred_at == AT + timedelta(minutes=RACES - 1), "the newest version, and only that"
    assert bench.query("SELECT count(*) FROM source_record") == [(1,)]
    assert bench.books_balance()
    assert landing.batches(bench.settings, "shop", "things")
