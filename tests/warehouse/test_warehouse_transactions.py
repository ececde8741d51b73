"""Opening the warehouse: patience with a locked file, plain words for everything else."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgresql_server import Postgresql
from trip_bench import NewWarehouse

from cxflow.errors import ConfigError, SchemaError, TransientError, WarehouseBusyError
from cxflow.settings import Settings, load
from cxflow.warehouse import transactions

HOLD = """
import duckdb, sys, time
database = duckdb.connect(sys.argv[1], read_only=sys.argv[3:] == ["reading"])
print("held", flush=True)
if sys.argv[2] == "until told":
    sys.stdin.readline()
else:
    time.sleep(float(sys.argv[2]))
"""


def _settings(folder: Path, **warehouse: object) -> Settings:
    lines = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in warehouse.items()
    ]
    (folder / "cxflow.toml").write_text("\n".join(["[warehouse]", *lines]))
    return load(folder)


@contextmanager
def _held(path: Path, how: str, *reading: str) -> Iterator[subprocess.Popen[str]]:
    """Another process has the file open: for writing, unless it says otherwise."""
    command = [sys.executable, "-c", HOLD, str(path), how, *reading]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            other.kill()


def test_a_warehouse_held_by_another_process_is_busy_after_the_patience(tmp_path: Path) -> None:
    settings = _settings(tmp_path, busy_timeout_seconds=0.3)
    with _held(tmp_path / "warehouse.duckdb", "until told") as other:
        begun = time.monotonic()
        says = rf"held the warehouse for 0\.3 s \(process {other.pid}, python.*busy_timeout_seconds"
        busy = pytest.raises(WarehouseBusyError, match=says)
        with busy, transactions.transaction(settings):
            pytest.fail("the file is held")
        assert 0.3 <= time.monotonic() - begun < 10
    with transactions.transaction(settings) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_a_warehouse_that_is_let_go_in_time_is_opened(tmp_path: Path) -> None:
    settings = _settings(tmp_path, busy_timeout_seconds=60)
    with _held(tmp_path / "warehouse.duckdb", "0.5"), transactions.transaction(settings) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_readers_of_a_file_are_not_in_each_others_way(tmp_path: Path) -> None:
    settings = _settings(tmp_path, busy_timeout_seconds=0.3)
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
    with _held(tmp_path / "warehouse.duckdb", "until told", "reading"):
        with transactions.reading(settings) as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM kept")) == 0
        with pytest.raises(WarehouseBusyError), transactions.transaction(settings):
            pytest.fail("somebody reads it")
    with (
        _held(tmp_path / "warehouse.duckdb", "until told"),
        pytest.raises(WarehouseBusyError),
        transactions.reading(settings),
    ):
        pytest.fail("somebody writes to it")


def test_nothing_can_be_written_while_reading(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
    with (
        pytest.raises(ConfigError, match="is read-only here"),
        transactions.reading(settings) as connection,
    ):
        connection.execute(sa.text("INSERT INTO kept VALUES (1)"))


def test_a_process_reads_what_it_writes_to_elsewhere(tmp_path: Path) -> None:
    settings = _settings(tmp_path, busy_timeout_seconds=0.3)
    with transactions.transaction(settings) as writing:
        writing.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
        with transactions.reading(settings) as connection:
            assert sa.inspect(connection).get_table_names() == []


def test_looking_for_a_file_that_is_not_there_does_not_make_it(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no tables yet"), transactions.reading(_settings(tmp_path)):
        pytest.fail("there is nothing to read")
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_a_file_that_another_process_has_just_begun_is_waited_for(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    (tmp_path / "warehouse.duckdb").touch()
    threading.Timer(0.3, (tmp_path / "warehouse.duckdb").unlink).start()
    with transactions.transaction(settings) as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_what_a_killed_writer_left_is_read(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    code = (
        "import duckdb, os, signal, sys; database = duckdb.connect(sys.argv[1]); "
        "database.execute('CREATE TABLE kept AS SELECT 7 AS n'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "warehouse.duckdb")], check=False)
    assert (tmp_path / "warehouse.duckdb.wal").exists()
    with transactions.reading(settings) as connection:
        assert connection.scalar(sa.text("SELECT n FROM kept")) == 7


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path, new_database: NewWarehouse) -> None:
    settings = _settings(tmp_path, **new_database())
    with transactions.transaction(settings) as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
    with pytest.raises(SchemaError), transactions.transaction(settings) as connection:  # noqa: PT012
        connection.execute(sa.text("CREATE TABLE lost (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO kept VALUES (1)"))
        connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))
    with transactions.transaction(settings) as connection:
        assert sa.inspect(connection).get_table_names() == ["kept"]
        assert connection.scalar(sa.text("SELECT count(*) FROM kept")) == 0


def test_times_come_back_in_utc_wherever_the_machine_is(tmp_path: Path, new_database: NewWarehouse) -> None:
    with transactions.transaction(_settings(tmp_path, **new_database())) as connection:
        found = connection.scalar(sa.text("SELECT TIMESTAMPTZ '2026-03-29 03:00:00+02'"))
        assert (found.isoformat(), found.utcoffset()) == ("2026-03-29T01:00:00+00:00", timedelta(0))


def test_the_file_is_free_again_after_a_transaction(tmp_path: Path) -> None:
    with transactions.transaction(_settings(tmp_path)):
        pass
    with _held(tmp_path / "warehouse.duckdb", "until told"):
        pass


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("duckdb:///warehouse.duckdb", "{folder}/warehouse.duckdb"),
        ("duckdb:///data/w.duckdb", "{folder}/data/w.duckdb"),
        ("duckdb:////elsewhere/w.duckdb", "/elsewhere/w.duckdb"),
        ("duckdb:///:memory:", ":memory:"),
        ("postgresql+psycopg://analyst@db.example.org/cx", "cx"),
    ],
)
def test_a_file_is_seen_from_the_projects_folder(tmp_path: Path, url: str, database: str) -> None:
    found = transactions.warehouse_url(_settings(tmp_path, url=url)).database
    assert found == database.format(folder=tmp_path.resolve())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nosuchdatabase://host/cx", "a warehouse cannot be 'nosuchdatabase'"),
        ("sqlite:///cx.db", "a warehouse cannot be 'sqlite'"),
        ("duckdb:///:memory:", "in memory"),
        ("duckdb:///nowhere/w.duckdb", "there is no folder .*nowhere"),
        ("just some words", "warehouse.url is not a database URL"),
        ("", "warehouse.url is not a database URL"),
    ],
)
def test_a_url_of_no_known_database_is_a_matter_of_configuration(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says), transactions.transaction(_settings(tmp_path, url=url)):
        pytest.fail("there is no such database")


def test_a_file_that_is_no_database_is_not_taken_for_a_busy_one(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"locked away " * 1000)
    with pytest.raises(ConfigError, match="cannot be opened"), transactions.transaction(_settings(tmp_path)):
        pytest.fail("it is no database")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("duckdb:///folder", "the warehouse cannot be opened: .*Is a directory"),
        (f"duckdb:///{'x' * 300}", "the warehouse cannot be opened: .*File name too long"),
        ("duckdb:///w.duckdb?nonsense=1", 'the warehouse cannot be opened: .*parameter "nonsense"'),
        ("postgresql+nonsense://host/db", "there is no driver 'postgresql\\+nonsense'"),
    ],
)
def test_a_url_that_no_warehouse_can_be_at_is_a_matter_of_configuration(
    tmp_path: Path, url: str, says: str
) -> None:
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(ConfigError, match=says) as caught,
        transactions.transaction(_settings(tmp_path, url=url)),
    ):
        pytest.fail("there is no such database")
    assert caught.value.value == "warehouse.url"


def test_a_url_with_a_secret_in_it_is_not_quoted(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError)
    with refused as caught, transactions.transaction(_settings(tmp_path, url="postgresql//hunter2@db")):
        pytest.fail("there is no such database")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem", "says"),
    [
        (("postgresql://postgres@/", "postgresql://nobody@/"), ConfigError, "refuses the connection"),
        (("?host=", "?host=/nowhere"), TransientError, "cannot be reached"),
    ],
)
def test_a_server_that_does_not_let_in_says_so(
    postgresql: Postgresql, tmp_path: Path, change: tuple[str, str], problem: type[Exception], says: str
) -> None:
    url = postgresql().replace("postgres:@", "postgres@")
    refused = pytest.raises(problem, match=says)
    with refused, transactions.transaction(_settings(tmp_path, url=url.replace(*change))):
        pytest.fail("it let us in")
