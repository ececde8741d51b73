"""Two transactions at once on a server, one of them stopped just before its end: who waits for whom, and what then
holds. Rounds of whole processes are in `tests/faults`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from postgresql_server import Postgresql
from trip_bench import Bench
from typer.testing import CliRunner

from cxflow import flow
from cxflow import settings as configuration
from cxflow.cli.app import app
from cxflow.errors import ConfigError, FatalError, WarehouseBusyError
from cxflow.load import batch as loading
from cxflow.load import merge
from cxflow.load.batch import LoadReport
from cxflow.settings import Settings
from cxflow.validate import runner
from cxflow.warehouse import engines, ledger, revisions, transactions

VISIT = {
    "primary_key": ["id"],
    "identifiers": {"email": "mail"},
    "to": {"touchpoint": {"activity": "'made_visit'", "channel": "'web'", "occurred_at": "day"}},
}
ORDER = {
    "primary_key": ["id"],
    "to": {"order_header": {"order_id": "number", "created_at": "day", "price_total": "10"}},
}


@pytest.fixture(scope="module")
def warehouse(postgresql: Postgresql, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(
        tmp_path_factory.mktemp("side"),
        {"visits": VISIT, "orders": ORDER, "invoices": ORDER},
        others={"app": {"visits": VISIT}},
        kpis={"min_n": 1},
        warehouse={"url": postgresql.copy(postgresql.migrated), "lock_timeout_seconds": 60},
    )


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    # The threads of a test stand for processes.
    monkeypatch.setattr(loading, "_ONE_AT_A_TIME", nullcontext())
    yield warehouse
    warehouse.clear()


def visits(first: int, last: int) -> list[dict[str, Any]]:
    """Of the same persons on the same days, whatever the numbers."""
    return [
        {"id": n, "mail": f"p{n % 3}@example.org", "day": f"2026-03-0{n % 2 + 1}T10:00:00Z"}
        for n in range(first, last)
    ]


def load(bench: Bench, stream: str, records: list[dict[str, Any]]) -> LoadReport:
    connection, name = stream.split(".")
    batch = flow.prepare(bench.settings, bench.land(records, name, connection=connection))
    return flow.load(bench.settings, batch)


class PausedLoad:
    """A load that has written everything, committed nothing, and waits until it may go on."""

    def __init__(
        self, bench: Bench, patch: pytest.MonkeyPatch, stream: str, records: list[dict[str, Any]]
    ) -> None:
        self._reached, self._over = threading.Event(), threading.Event()
        keep_state = ledger.keep_state

        def pause(warehouse: Any, batch: Any, *arguments: Any) -> None:
            keep_state(warehouse, batch, *arguments)
            if f"{batch.connection}.{batch.stream}" == stream and not self._over.is_set():
                self._reached.set()
                assert self._over.wait(60)

        patch.setattr(ledger, "keep_state", pause)
        self._pool = ThreadPoolExecutor(1)
        self._work = self._pool.submit(load, bench, stream, records)
        assert self._reached.wait(60)

    @property
    def is_over(self) -> bool:
        return self._work.done()

    def go_on(self) -> LoadReport:
        self._over.set()
        return self._work.result(60)


@contextmanager
def paused(
    bench: Bench, patch: pytest.MonkeyPatch, stream: str, records: list[dict[str, Any]]
) -> Iterator[PausedLoad]:
    """A load that is at work during the block, and ends with it at the latest."""
    found = PausedLoad(bench, patch, stream, records)
    try:
        yield found
    finally:
        found.go_on()


def wait_for_waiters(bench: Bench, number: int = 1) -> None:
    """Until so many sessions of this database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 60
    while bench.query(waiting) != [(number,)]:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def pending(bench: Bench) -> set[tuple[Any, ...]]:
    return set(
        bench.query(
            "SELECT table_name, day::text FROM pending_kpi "
            "UNION SELECT 'identity', identity_hash::text FROM pending_identity"
        )
    )


def impatient(bench: Bench) -> Settings:
    warehouse = bench.settings.warehouse.model_copy(update={"lock_timeout_seconds": 0.5})
    return bench.settings.model_copy(update={"warehouse": warehouse})


def test_loads_of_the_same_days_and_identifiers_do_not_wait_for_each_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_MANY_RECORDS", 0)  # each looks at what it has filled, too
    with paused(bench, monkeypatch, "shop.visits", visits(0, 6)) as first:
        assert load(bench, "app.visits", visits(2, 9)).counts.inserted == 7
        assert not first.is_over
        noted = pending(bench)
        assert first.go_on().counts.inserted == 6
    assert pending(bench) == noted, "the same ones, once more"
    assert len(noted) == 2 + 3
    bench.settle()
    assert pending(bench) == set()
    assert bench.query("SELECT count(*), count(DISTINCT customer_id) FROM touchpoint") == [(13, 3)]


def test_who_settles_waits_for_the_loads_at_work_and_keeps_out_those_that_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paused(bench, monkeypatch, "shop.visits", visits(0, 6)) as first, ThreadPoolExecutor(2) as pool:
        resolved = pool.submit(flow.resolve_identity, bench.settings)
        wait_for_waiters(bench, 1)
        late = pool.submit(load, bench, "app.visits", visits(6, 9))
        wait_for_waiters(bench, 2)
        first.go_on()
        assert resolved.result(60).identifiers == 3, "those of the load that was at work"
        assert late.result(60).counts.inserted == 3
    assert {kind for kind, _ in pending(bench)} == {"identity", "touchpoint"}, "noted for the next time"
    bench.settle()
    assert pending(bench) == set()
    assert bench.query("SELECT count(*), count(DISTINCT customer_id) FROM touchpoint") == [(9, 3)]


def test_two_streams_that_bring_the_same_key_at_once_come_to_what_one_after_the_other_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"id": "a", "number": "1", "day": "2026-03-01T10:00:00Z"}
    with paused(bench, monkeypatch, "shop.orders", [order]) as first, ThreadPoolExecutor(1) as pool:
        second = pool.submit(load, bench, "shop.invoices", [order, {**order, "id": "b", "number": "2"}])
        wait_for_waiters(bench)
        assert first.go_on().counts.inserted == 1
        counts = second.result(60).counts
    assert (counts.inserted, counts.quarantined) == (1, 1)
    assert bench.quarantine("source_object", "source_record_id", "rule") == [
        ("invoices", "a", "duplicate_key"),
        ("orders", "a", "duplicate_key"),
    ]
    assert bench.rows("order_header", "source_object", "order_id") == [("invoices", "shop:2")]
    assert bench.books_balance()


def test_a_load_that_finds_a_shared_key_begins_anew_after_the_loads_at_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claims of a refused record are in no canonical table: a load at work beside would not see them."""
    order = {"id": "a", "number": "1", "day": "2026-03-01T10:00:00Z"}
    load(bench, "shop.orders", [order])
    batch = flow.prepare(bench.settings, bench.land([{**order, "id": "b"}], "orders"))
    with (
        paused(bench, monkeypatch, "shop.invoices", [{**order, "id": "c", "number": "2"}]) as first,
        ThreadPoolExecutor(1) as pool,
    ):
        second = pool.submit(flow.load, bench.settings, batch)
        wait_for_waiters(bench)
        assert bench.query("SELECT count(*) FROM key_claim") == [(0,)]
        first.go_on()
        assert second.result(60).withdrawn == 1
    assert bench.rows("order_header", "source_object", "order_id") == [("invoices", "shop:2")]
    third = load(bench, "shop.invoices", [{**order, "id": "d"}])
    assert (third.counts.quarantined, third.withdrawn) == (1, 0)
    assert bench.books_balance()


def test_two_streams_that_wait_for_each_others_keys_both_load(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends such a circle: the one that it stops begins anew."""
    met = threading.Barrier(2, timeout=60)
    tries: list[str] = []
    register = merge.register

    def write_in_turn(loading: Any, found: Any) -> None:
        stream = loading.batch.stream
        tries.append(stream)
        if tries.count(stream) == 1:
            mine, yours = ("1", "2") if stream == "orders" else ("2", "1")
            insert(loading.warehouse, stream, mine)
            met.wait()
            insert(loading.warehouse, stream, yours)
        register(loading, found)

    def insert(connection: sa.Connection, stream: str, number: str) -> None:
        connection.exec_driver_sql(
            "INSERT INTO product (product_id, source_system, source_object, source_record_id, is_deleted, run_id, "
            f"loaded_at) VALUES ('{number}', 'shop', '{stream}', 'x', false, 'x', now())"
        )

    monkeypatch.setattr(merge, "register", write_in_turn)
    day = "2026-03-01T10:00:00Z"
    with ThreadPoolExecutor(2) as pool:
        loads = [
            pool.submit(load, bench, f"shop.{stream}", [{"id": "a", "number": stream, "day": day}])
            for stream in ("orders", "invoices")
        ]
        assert [work.result(60).counts.inserted for work in loads] == [1, 1]
    assert len(tries) == 3, "one of them twice"
    assert bench.query("SELECT count(DISTINCT source_object), count(*) FROM product") == [(1, 2)]


def test_a_row_that_is_refused_time_and_again_is_a_defect_and_no_conflict(bench: Bench) -> None:
    bench.execute("CREATE UNIQUE INDEX one_a_day ON touchpoint (occurred_at)")
    try:
        with pytest.raises(FatalError, match=r"refuses a row of touchpoint \(one_a_day\)"):
            load(bench, "shop.visits", visits(0, 6))
    finally:
        bench.execute("DROP INDEX one_a_day")


def test_a_wait_for_another_process_ends_and_names_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    who = r"^process \d+ of the server \(user postgres, application cxflow\)"
    says = rf"{who} has held a lock of the warehouse for 0\.5 s"
    with paused(bench, monkeypatch, "shop.visits", visits(0, 3)):
        for work in (flow.resolve_identity, flow.compute_kpis, revisions.migrate):
            with pytest.raises(WarehouseBusyError, match=says):
                work(impatient(bench))


@pytest.mark.parametrize(
    "held",
    [
        "LOCK TABLE touchpoint IN ACCESS EXCLUSIVE MODE",
        "UPDATE touchpoint SET channel = 'secret'",
        "CREATE INDEX by_hand ON source_record (run_id)",
    ],
)
def test_a_wait_for_somebody_at_a_prompt_ends_and_names_the_session_but_nothing_it_said(
    bench: Bench, held: str
) -> None:
    load(bench, "shop.visits", visits(0, 3))
    changed = [{**visit, "mail": "other@example.org"} for visit in visits(0, 3)]
    batch = flow.prepare(bench.settings, bench.land(changed, "visits"))
    with psycopg.connect(bench.settings.warehouse.url, application_name="a prompt") as somebody:
        somebody.execute(held)
        with pytest.raises(WarehouseBusyError) as caught:
            flow.load(impatient(bench), batch)
        pid = somebody.info.backend_pid
        somebody.rollback()
    assert caught.value.place == "shop.visits"
    assert f"process {pid} of the server (user postgres, application a prompt)" in caught.value.message
    assert "secret" not in str(caught.value)
    assert flow.load(bench.settings, batch).counts.updated == 3


def test_a_second_first_run_waits_for_the_one_that_makes_the_tables_and_finds_it_done(
    postgresql: Postgresql, tmp_path: Path
) -> None:
    url = postgresql()
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{url}"\nlock_timeout_seconds = 60\n')
    settings = configuration.load(tmp_path)
    code = "from cxflow.cli import main; main()"
    command = [sys.executable, "-c", code, "--project", str(tmp_path), "--json", "migrate"]
    with transactions.transaction(settings) as first:
        assert revisions.current(first) is None
        revisions._upgrade(first, None)
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with psycopg.connect(url, autocommit=True) as watch:
            deadline = time.monotonic() + 60
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while watch.execute(waiting).fetchone() == (0,):
                assert time.monotonic() < deadline
                assert second.poll() is None, second.communicate()
                time.sleep(0.02)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert json.loads(out) == {"before": revisions.head(), "after": revisions.head()}
    assert revisions.ensure(settings) is False


def test_a_migration_waits_for_the_loads_at_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with paused(bench, monkeypatch, "shop.visits", visits(0, 3)) as first, ThreadPoolExecutor(1) as pool:
        migrated = pool.submit(revisions.migrate, bench.settings)
        wait_for_waiters(bench)
        assert not migrated.done()
        first.go_on()
        assert migrated.result(60) == (revisions.head(), revisions.head())


def test_a_cursor_is_forgotten_after_the_load_that_writes_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bench, "shop.visits", visits(0, 3))
    with paused(bench, monkeypatch, "shop.visits", visits(3, 6)) as first, ThreadPoolExecutor(1) as pool:
        forgotten = pool.submit(ledger.forget, bench.settings, "shop", "visits")
        wait_for_waiters(bench)
        first.go_on()
        assert forgotten.result(60) == 1
    assert bench.query("SELECT count(*) FROM stream_state") == [(0,)]


def test_whoever_looks_neither_waits_nor_writes_nor_needs_a_right_but_to_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(bench, "shop.visits", [*visits(0, 3), {"id": 9, "mail": None, "day": "some day"}])
    bench.settle()
    bench.execute("DROP ROLE IF EXISTS looker", "CREATE ROLE looker LOGIN")
    bench.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    text = (bench.folder / "cxflow.toml").read_text()
    (bench.folder / "cxflow.toml").write_text(
        text.replace("//postgres:@", "//looker@").replace(
            "lock_timeout_seconds = 60", "lock_timeout_seconds = 1"
        )
    )
    try:
        with transactions.transaction(bench.settings) as settling:
            engines.of(settling).lock_definitions(settling)
            engines.of(settling).lock_streams(settling)
            settling.exec_driver_sql("UPDATE touchpoint SET channel = 'phone'")
            for look in (
                "kpis",
                "status",
                "state list",
                "quarantine list",
                "quarantine list --entries",
                "publish --sql",
            ):
                result = CliRunner().invoke(app, ["--project", str(bench.folder), *look.split()])
                assert result.exit_code == 0, (look, result.output)
            assert "✓ warehouse" in CliRunner().invoke(app, ["--project", str(bench.folder), "doctor"]).output
    finally:
        (bench.folder / "cxflow.toml").write_text(text)
        bench.execute("DROP OWNED BY looker", "DROP ROLE looker")


def test_nothing_can_be_written_while_reading(bench: Bench) -> None:
    with (
        pytest.raises(ConfigError, match="is read-only here"),
        transactions.reading(bench.settings) as connection,
    ):
        connection.exec_driver_sql("DELETE FROM touchpoint")


def test_several_questions_of_one_look_are_answered_for_one_moment(bench: Bench) -> None:
    with transactions.reading(bench.settings) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM touchpoint").scalar() == 0
        load(bench, "shop.visits", visits(0, 3))
        assert connection.exec_driver_sql("SELECT count(*) FROM source_record").scalar() == 0
    assert bench.query("SELECT count(*) FROM source_record") == [(3,)]
