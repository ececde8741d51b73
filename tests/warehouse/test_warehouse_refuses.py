"""A warehouse that says no: each refusal says what to do next, quotes no value, and leaves nothing half done."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from trip_bench import Bench
from typer.testing import CliRunner

from cxflow import flow
from cxflow.cli.app import app
from cxflow.errors import (
    ConfigError,
    CxflowError,
    FatalError,
    SchemaError,
    TransientError,
    WarehouseBusyError,
)
from cxflow.settings import load
from cxflow.validate import runner
from cxflow.warehouse import ledger, revisions, transactions

Database = Callable[[], str]
CANARY = "canary.person@example.org"
STREAMS = {
    "things": {
        "primary_key": ["id"],
        "to": {"review": {"review_id": "id", "review_body": "text", "date_published": "day"}},
    }
}


@pytest.fixture(autouse=True)
def _without_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: [])


def reviews(first: int, last: int, words: int = 1) -> list[dict[str, Any]]:
    text = " ".join([CANARY] * words)
    return [{"id": n, "text": f"{n} {text}", "day": "2026-03-01T10:00:00Z"} for n in range(first, last)]


def state(bench: Bench) -> Any:
    books = ("load_run", "stream_state", "quarantine", "source_record", "pending_kpi")
    return bench.digest(), [bench.rows(name) for name in books]


def refused(bench: Bench, kind: type[CxflowError], records: list[dict[str, Any]]) -> CxflowError:
    """Load some records, which is refused; nothing has changed, and nothing personal is said."""
    before = state(bench)
    batch = flow.prepare(bench.settings, bench.land(records))
    with pytest.raises(kind) as caught:
        flow.load(bench.settings, batch)
    assert type(caught.value) is kind
    assert caught.value.place == "shop.things"
    assert caught.value.fix
    assert CANARY not in str(caught.value)
    assert state(bench) == before
    return caught.value


@contextmanager
def disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of its own at a folder; the function given mounts it again with other options."""
    place.mkdir(parents=True, exist_ok=True)

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine lets no test mount a disk: {done.stderr.strip()}")

    if shutil.which("mount") is None:
        pytest.skip("this machine has no mount")
    mount(f"size={size}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


# ---------------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="module")
def served(postgresql: Database, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A warehouse on PostgreSQL, with a load in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run", lambda *_: [])
        bench = Bench(tmp_path_factory.mktemp("served"), STREAMS, warehouse={"url": postgresql()})
        bench.load(reviews(0, 3))
    return bench


def as_user(bench: Bench, folder: Path, user: str) -> Bench:
    """The same project, seen by another user of the server."""
    url = bench.settings.warehouse.url.replace("//postgres:@", f"//{user}@")
    other = Bench.__new__(Bench)
    other.folder = folder
    shutil.copytree(bench.folder, folder, dirs_exist_ok=True)
    other.reconfigure(Bench.tree(STREAMS), warehouse={"url": url})
    return other


def run(bench: Bench, *statements: str) -> None:
    with transactions.transaction(bench.settings) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


CODES = {
    "40001": (TransientError, "another load changed the same rows"),
    "40P01": (TransientError, "another load changed the same rows"),
    "53100": (TransientError, "the disk is full"),
    "53200": (TransientError, "ran out of memory"),
    "53300": (TransientError, "no connection left"),
    "55P03": (WarehouseBusyError, "another session has held a lock"),
    "57014": (TransientError, "cancelled a statement"),
    "57P01": (TransientError, "closed the connection"),
    "57P03": (TransientError, "closed the connection"),
    "08006": (TransientError, "connection to the server broke"),
    "25P03": (TransientError, "ended the transaction"),
    "25006": (ConfigError, "is read-only here"),
    "3F000": (SchemaError, "schema does not exist"),
    "22P02": (FatalError, "does not fit its column"),
    "23514": (FatalError, "refuses a row"),
    "58030": (FatalError, "cannot read or write its files"),
    "XX001": (FatalError, "damaged"),
    "XX002": (FatalError, "index of the server is damaged"),
    "P0001": (FatalError, "failed unexpectedly (RaiseException, P0001)"),
}


@pytest.mark.parametrize("code", CODES)
def test_an_error_of_the_server_says_what_to_do_next(served: Bench, code: str) -> None:
    kind, says = CODES[code]
    fails = f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(CxflowError) as caught, transactions.transaction(served.settings) as connection:
        connection.exec_driver_sql(fails)
    assert type(caught.value) is kind
    assert says in caught.value.message
    assert caught.value.fix
    assert CANARY not in str(caught.value)
    if issubclass(kind, TransientError):  # Airflow logs its traceback before it tries again
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None


def test_a_row_that_breaks_a_rule_made_by_hand_names_the_rule_and_no_value(served: Bench) -> None:
    run(served, "ALTER TABLE review ADD CONSTRAINT short CHECK (length(review_body) < 200)")
    problem = refused(served, FatalError, reviews(10, 12, words=50))
    assert "the warehouse refuses a row of review (short)" in problem.message
    run(served, "ALTER TABLE review DROP CONSTRAINT short")


FAILURES = {
    "the server ends the connection": ["SELECT pg_terminate_backend(pg_backend_pid())"],
    "a statement takes too long": ["SET LOCAL statement_timeout = 20", "SELECT pg_sleep(20)"],
    "a lock is not to be had": [
        "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"
    ],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_in_mid_load_leaves_nothing_and_the_next_try_loads(
    served: Bench, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    def fail(warehouse: sa.Connection, *_: Any) -> None:
        for statement in FAILURES[failure]:
            warehouse.exec_driver_sql(statement)

    records = reviews(100, 110)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "keep_state", fail)
        refused(served, TransientError, records)
    counts = served.load(records).counts
    assert (counts.extracted, counts.inserted + counts.unchanged) == (10, 10)


def test_a_user_who_may_not_make_tables_is_told_at_migrate(postgresql: Database, tmp_path: Path) -> None:
    url = postgresql()
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{url}"\n')
    owner = load(tmp_path)
    with transactions.transaction(owner) as connection:
        connection.exec_driver_sql("CREATE ROLE newcomer LOGIN")
    text = (tmp_path / "cxflow.toml").read_text().replace("//postgres:@", "//newcomer@")
    (tmp_path / "cxflow.toml").write_text(text)
    with pytest.raises(ConfigError, match="lacks a right: permission denied for schema public") as caught:
        revisions.migrate(load(tmp_path))
    assert "docs/warehouse.md" in str(caught.value.fix)
    with transactions.transaction(owner) as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_a_user_who_may_not_write_is_told_at_load(served: Bench, tmp_path: Path) -> None:
    run(served, "CREATE ROLE onlooker LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker")
    problem = refused(as_user(served, tmp_path, "onlooker"), ConfigError, reviews(20, 22))
    assert "the warehouse's user lacks a right: permission denied for table" in problem.message


def test_a_server_without_a_free_connection_says_so(served: Bench, tmp_path: Path) -> None:
    run(served, "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    crowded = as_user(served, tmp_path, "crowd")
    with (
        pytest.raises(TransientError, match="no connection left"),
        transactions.transaction(crowded.settings),
    ):
        pytest.fail("it let us in")


def test_a_user_who_may_not_log_in_is_a_matter_of_configuration(served: Bench, tmp_path: Path) -> None:
    run(served, "CREATE ROLE barred NOLOGIN")
    barred = as_user(served, tmp_path, "barred")
    with (
        pytest.raises(ConfigError, match="not permitted to log in"),
        transactions.transaction(barred.settings),
    ):
        pytest.fail("it let us in")


@pytest.mark.parametrize("server", ["127.0.0.1:1", "nowhere.invalid", "[::1]:1"])
def test_a_server_that_is_not_there_cannot_be_reached(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXFLOW_TEST_URL", f"postgresql://cx:{CANARY[:6]}@{server}/cx")
    (tmp_path / "cxflow.toml").write_text('[warehouse]\nurl = "${CXFLOW_TEST_URL}"\n')
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        revisions.migrate(load(tmp_path))
    assert CANARY[:6] not in str(caught.value)
    assert caught.value.value == "warehouse.url"


def test_a_full_tablespace_is_told_and_the_load_passes_once_there_is_room(served: Bench) -> None:
    [(folder,)] = served.query("SHOW data_directory")
    place = Path(folder).with_name("small")
    with disk(place, "1m") as mount_again:
        shutil.chown(place, Path(folder).stat().st_uid, Path(folder).stat().st_gid)
        command = sa.create_engine(served.settings.warehouse.url, isolation_level="AUTOCOMMIT")
        with command.connect() as server:
            server.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{place}'")
            server.exec_driver_sql("ALTER TABLE review SET TABLESPACE small")
            try:
                records = reviews(1000, 5000, words=10)
                problem = refused(served, TransientError, records)
                assert problem.message == "the disk is full; nothing of this step was kept"
                mount_again("size=64m")
                assert served.load(records).counts.inserted == 4000
            finally:
                server.exec_driver_sql("ALTER TABLE review SET TABLESPACE pg_default")
                server.exec_driver_sql("DROP TABLESPACE small")
        command.dispose()


# -------------------------------------------------------------------------------------------------- DuckDB


def on_disk(folder: Path, place: Path) -> Bench:
    """A project whose warehouse is a file on a disk of its own, with a load in it."""
    bench = Bench(folder / "project", STREAMS, warehouse={"url": f"duckdb:///{place}/w.duckdb"})
    bench.load(reviews(0, 3))
    return bench


def test_a_full_disk_is_told_and_the_load_passes_once_there_is_room(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "8m") as mount_again:
        bench = on_disk(tmp_path, tmp_path / "disk")
        records = [{**record, "text": f"{n * 7919} " * 200} for n, record in enumerate(reviews(1000, 9000))]
        problem = refused(bench, TransientError, records)
        assert problem.message == "the disk is full; nothing of this step was kept"
        mount_again("size=256m")
        assert bench.load(records).counts.inserted == 8000


def test_a_file_that_can_only_be_read_is_a_matter_of_configuration(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "8m") as mount_again:
        bench = on_disk(tmp_path, tmp_path / "disk")
        before = state(bench)
        mount_again("ro")
        with pytest.raises(ConfigError, match=r"is read-only here.*a file that this user may write"):
            flow.publish(bench.settings)
        looks = {
            look: CliRunner().invoke(app, ["--project", str(bench.folder), look])
            for look in ("status", "doctor")
        }
        mount_again("rw")
        assert state(bench) == before
    assert looks["status"].exit_code == 0
    assert re.search(r"✗ warehouse: duckdb:\S+ is read-only for this user", looks["doctor"].output)


def test_a_damaged_file_is_told_for_what_it_is(tmp_path: Path) -> None:
    bench = on_disk(tmp_path, tmp_path)
    file = tmp_path / "w.duckdb"
    content = bytearray(file.read_bytes())
    for position in range(12288 + 100, len(content), 4096):  # past the headers: every block's content
        content[position] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(FatalError, match=r"damaged|cannot be opened") as caught:
        bench.digest()
    assert "backup" in str(caught.value.fix)


def test_too_little_memory_is_told_and_nothing_is_kept(tmp_path: Path) -> None:
    bench = on_disk(tmp_path, tmp_path)
    before = state(bench)
    with pytest.raises(ConfigError, match="more memory than DuckDB may take"):
        run(
            bench,
            "SET temp_directory = ''",
            "SET memory_limit = '20MB'",
            "DELETE FROM review",
            "CREATE TEMP TABLE much AS SELECT md5(n::VARCHAR) FROM range(2000000) AS r (n)",
        )
    assert state(bench) == before


def test_a_value_that_duckdb_stumbles_over_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text("")
    with (
        pytest.raises(FatalError, match="does not fit its column") as caught,
        transactions.transaction(load(tmp_path)) as connection,
    ):
        connection.exec_driver_sql(f"SELECT '{CANARY}'::INTEGER")
    assert CANARY not in str(caught.value)
