"""All of a load, or none; whoever loads a batch, and however many at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from trip_bench import Bench

from cxflow import flow
from cxflow.errors import UnexpectedError
from cxflow.load import batch as loading
from cxflow.load import claims, conflicts, disputes, entries, merge, pending, refusals, withdrawals
from cxflow.model.batch import BatchRef
from cxflow.warehouse import ledger, transactions


class BrokenError(Exception):
    """What the steps below raise."""


STEPS = [
    (merge, "decide"),
    (claims, "settle"),
    (disputes, "stage"),
    (disputes, "keep"),
    (refusals, "stage"),
    (withdrawals, "of_refused"),
    (entries, "stage"),
    (conflicts, "settle"),
    (merge, "outcomes"),
    (merge, "remove_rows"),
    (merge, "remove_old_rows"),
    (merge, "insert_rows"),
    (merge, "_insert"),
    (merge, "confirm_identifiers"),
    (merge, "register"),
    (entries, "keep"),
    (pending, "pend_identity"),
    (pending, "pend_rows"),
    (loading, "_write_ledger"),
    (ledger, "keep_state"),
]


def order(id: int, changed: int = 1, **fields: Any) -> dict[str, Any]:
    record = {"id": id, "changed": f"2026-03-{changed:02d}T00:00:00Z", "day": "2026-03-01T10:00:00Z"}
    return {**record, "total": 10, "lines": [1, 2], "mail": f"p{id}@example.org", **fields}


def eventful(bench: Bench) -> BatchRef:
    """A warehouse with something in it, and a prepared batch in which everything happens: an insert, an update, an
    unchanged record, a deletion, an older version, a refusal, a shared key, a superseded entry."""
    bench.load([order(9)], "dumps")
    bench.load([order(1), order(2), order(3, changed=5), order(4), order(5, changed=1, total="odd")])
    records = [
        order(1, changed=2, total=20),
        order(2),
        order(3, changed=4, total=99),
        order(4, changed=2, gone=True),
    ]
    records += [order(5, changed=2), order(6), order(7, total="odd"), order(9)]
    batch = bench.land(records, cursor={"page": 2})
    flow.prepare(bench.settings, batch)
    return batch


def test_a_load_that_fails_at_any_step_changes_nothing_and_can_be_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = eventful(bench)
    before = bench.everything()
    for module, name in [(transactions.engine_of(bench.settings), "stage"), *STEPS]:
        step: Callable[..., Any] = getattr(module, name)
        for moment in ("before", "after") if name == "stage" else ("after",):
            calls: list[str] = []

            def broken(
                *args: Any, step: Any = step, moment: str = moment, calls: list[str] = calls, **named: Any
            ) -> None:
                calls.append(moment)
                if moment == "after":
                    step(*args, **named)
                raise BrokenError

            with monkeypatch.context() as patched:
                patched.setattr(module, name, broken)
                with pytest.raises(UnexpectedError, match="BrokenError"):
                    flow.load(bench.settings, batch)
            assert calls, f"{name} is a step of this load"
            assert bench.everything() == before, f"{moment} {name}"
    report = flow.load(bench.settings, batch)
    counts = report.counts
    assert (counts.extracted, counts.inserted, counts.updated, counts.unchanged) == (8, 2, 1, 1)
    assert (counts.deleted, counts.deduplicated, counts.quarantined) == (1, 1, 2)
    assert ledger.cursor(bench.settings, "shop", "things") == {"page": 2}
    assert bench.quarantine("source_object", "source_record_id", "rule", "column_name", "status") == [
        ("dumps", "9", "duplicate_key", "order_header", "open"),
        ("dumps", "9", "duplicate_key", "order_line", "open"),
        ("things", "5", "cast", "order_header.price_total", "superseded"),
        ("things", "7", "cast", "order_header.price_total", "open"),
        ("things", "9", "duplicate_key", "order_header", "open"),
        ("things", "9", "duplicate_key", "order_line", "open"),
    ]


def test_of_several_threads_that_load_one_batch_one_wins(bench: Bench) -> None:
    batch = eventful(bench)
    start = threading.Barrier(4)
    reports: list[Any] = []

    def work() -> None:
        start.wait()
        try:
            reports.append(flow.load(bench.settings, batch))
        except BaseException as problem:
            reports.append(problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.was_loaded for report in reports) == [False, True, True, True]
    assert len({report.counts for report in reports}) == 1
    _is_loaded_once(bench)


_LOAD = """
import json, pathlib, sys
from cxflow import flow
from cxflow.errors import UnexpectedError
from cxflow.model.batch import BatchRef
from cxflow.settings import load
report = flow.load(load(pathlib.Path(sys.argv[1])), BatchRef.from_json(json.loads(sys.argv[2])))
print("was loaded" if report.was_loaded else "won")
"""


def test_of_several_processes_that_load_one_batch_one_wins(bench: Bench) -> None:
    import json

    batch = eventful(bench)
    command = [sys.executable, "-c", _LOAD, str(bench.folder), json.dumps(batch.as_json())]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [worker.communicate(timeout=120)[0].splitlines()[-1] for worker in workers]
    assert sorted(said) == ["was loaded", "won"]
    _is_loaded_once(bench)


def _is_loaded_once(bench: Bench) -> None:
    assert bench.rows("order_header", "source_record_id", "price_total::INTEGER") == [
        ("1", 20),
        ("2", 10),
        ("3", 10),
        ("4", 10),
        ("5", 10),
        ("6", 10),
    ]
    assert bench.query("SELECT count(*) FROM load_run") == [(3,)]
    assert bench.query("SELECT count(*) FROM quarantine") == [(6,)]
    assert bench.query("SELECT count(*) FROM stream_state") == [(2,)]


def test_two_batches_side_by_side_end_as_one_after_the_other(bench: Bench) -> None:
    batches = [bench.land([order(1, changed=n, total=n), order(10 + n)]) for n in (1, 2, 3)]
    for batch in batches:
        flow.prepare(bench.settings, batch)
    threads = [threading.Thread(target=flow.load, args=(bench.settings, batch)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.query("SELECT price_total::INTEGER FROM order_header WHERE source_record_id = '1'") == [(3,)]
    assert bench.query("SELECT count(*) FROM order_header") == [(4,)]
    assert bench.books_balance()
