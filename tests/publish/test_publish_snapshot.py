"""The snapshot beside a DuckDB warehouse: what a BI role would see, and nothing else, while a run has the file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from analysts_shop import compute, fill
from trip_bench import Bench
from typer.testing import CliRunner

from cxflow import flow, private_files
from cxflow.cli.app import app
from cxflow.errors import ConfigError, TransientError, WarehouseBusyError
from cxflow.publish import snapshot, stand_ins, views
from cxflow.settings import Settings
from cxflow.warehouse import revisions, transactions
from cxflow.warehouse.engines.duckdb import DuckDB

HOLDS = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The shop in a file, with its snapshot beside it."""
    folder = tmp_path_factory.mktemp("snapshot") / "project"
    bench = Bench(
        folder,
        {},
        warehouse={"url": "duckdb:///shop.duckdb", "busy_timeout_seconds": 0.2},
        project={"timezone": "Europe/Madrid"},
        kpis={"min_n": 1},
    )
    with transactions.transaction(bench.settings) as connection:
        fill(connection)
    compute(bench.settings)
    flow.publish(bench.settings)
    return bench


def file(bench: Bench) -> Path:
    return bench.folder / "shop.marts.duckdb"


def ask(bench: Bench, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file(bench)), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        return database.execute(sql).fetchall()


@contextmanager
def held(bench: Bench) -> Iterator[int]:
    """A process that writes to the warehouse; its id."""
    command = [sys.executable, "-c", HOLDS, str(bench.folder / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.communicate()


def cxflow(bench: Bench, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--project", str(bench.folder)])


def leftovers(bench: Bench) -> list[str]:
    known = {"cxflow.toml", "shop.duckdb", "shop.duckdb.wal", "shop.marts.duckdb", "report.html"}
    return sorted(path.name for path in bench.folder.iterdir() if path.name not in known)


def test_it_holds_the_views_as_tables_and_nothing_else(shop: Bench) -> None:
    names = (
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal"
    )
    assert {name for (name,) in ask(shop, names)} == set(views.descriptions())
    for name in set(views.descriptions()) - {"mart_snapshot"}:
        assert sorted(ask(shop, f"FROM {name}"), key=repr) == shop.rows(name, "*"), name
    assert leftovers(shop) == []


def test_no_personal_value_is_anywhere_in_the_file(shop: Bench) -> None:
    shop.query("CHECKPOINT") if (shop.folder / "shop.duckdb.wal").exists() else None
    assert b"canary" in (shop.folder / "shop.duckdb").read_bytes(), "it is there to be found"
    assert b"canary" not in file(shop).read_bytes()


def test_its_tables_and_columns_have_their_comments(shop: Bench) -> None:
    of_column = (
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'mart_delivery' AND column_name = 'carrier'"
    )
    assert ask(shop, of_column) == [("the carrier",)]
    assert ask(shop, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND comment IS NULL") == [(0,)]
    assert ask(shop, "SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL") == [(0,)]


def test_its_age_is_a_row_in_it(shop: Bench) -> None:
    [before] = ask(shop, "SELECT taken_at, reporting_zone, revision FROM mart_snapshot")
    assert before[1:] == ("Europe/Madrid", revisions.head())
    flow.publish(shop.settings)
    [after] = ask(shop, "SELECT taken_at FROM mart_snapshot")
    assert before[0] < after[0]


def test_an_open_reader_goes_on_with_the_one_before(shop: Bench) -> None:
    orders = "SELECT count(*) FROM mart_order"
    with duckdb.connect(str(file(shop)), read_only=True) as reader:
        assert reader.execute(orders).fetchall() == [(5,)]
        shop.execute("UPDATE order_header SET is_deleted = TRUE WHERE order_id = 'o5'")
        try:
            flow.publish(shop.settings)
            assert reader.execute(orders).fetchall() == [(5,)]
            command = (
                f"import duckdb; print(duckdb.connect({str(file(shop))!r}, read_only=True).sql('{orders}'))"
            )
            other = subprocess.run(
                [sys.executable, "-c", command], capture_output=True, text=True, check=True
            )
            assert "4" in other.stdout
        finally:
            shop.execute("UPDATE order_header SET is_deleted = FALSE WHERE order_id = 'o5'")
    flow.publish(shop.settings)
    assert ask(shop, orders) == [(5,)]


def test_it_is_its_owners_alone_and_keeps_the_mode_that_it_was_given(shop: Bench) -> None:
    file(shop).unlink()
    before = os.umask(0o000)
    try:
        snapshot.write(shop.settings)
        assert private_files.mode(file(shop)) == "0600"
        file(shop).chmod(0o640)
        snapshot.write(shop.settings)
        assert stat.S_IMODE(file(shop).stat().st_mode) == 0o640
    finally:
        os.umask(before)
        file(shop).chmod(0o600)


def test_of_two_at_once_the_one_that_was_read_later_stays(
    shop: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has read the warehouse when the second begins; it is put into its place after the second."""
    has_read, may_end = threading.Event(), threading.Event()
    put = snapshot._put_in_place

    def slow(new: Path, place: Path, taken: float) -> None:
        if threading.current_thread() is first:
            has_read.set()
            assert may_end.wait(30)
        put(new, place, taken)

    monkeypatch.setattr(snapshot, "_put_in_place", slow)
    first = threading.Thread(target=snapshot.write, args=(shop.settings,))
    first.start()
    assert has_read.wait(30)
    snapshot.write(shop.settings)
    kept = ask(shop, "SELECT taken_at FROM mart_snapshot")
    may_end.set()
    first.join()
    assert ask(shop, "SELECT taken_at FROM mart_snapshot") == kept
    assert leftovers(shop) == []


def test_a_full_disk_leaves_the_one_before_and_the_load_untouched(
    shop: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: DuckDB, _connection: Any, target: Path, *_: Any) -> None:
        target.write_bytes(b"half of it")
        raise duckdb.IOException(f'Could not write file "{target}": No space left on device')

    before, digest = file(shop).read_bytes(), shop.digest()
    monkeypatch.setattr(DuckDB, "copy_views", full)
    with pytest.raises(TransientError) as caught:
        flow.publish(shop.settings)
    assert caught.value.message.startswith("the snapshot shop.marts.duckdb was not written: the disk is full")
    assert "what was loaded is kept, and readers go on with the snapshot before" in str(caught.value.fix)
    assert file(shop).read_bytes() == before
    assert shop.digest() == digest
    assert leftovers(shop) == []


def test_a_folder_that_cannot_be_written_is_told(shop: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(
        ConfigError, match=r"shop\.marts\.duckdb cannot be written: Permission denied"
    ) as caught:
        snapshot.write(shop.settings)
    assert "set warehouse.snapshot to false" in str(caught.value.fix)


def test_what_a_killed_process_left_is_swept_and_so_is_the_log_of_a_tool_that_wrote(shop: Bench) -> None:
    abandoned = shop.folder / "shop.marts-killed.snapshot"
    abandoned.mkdir()
    (abandoned / "shop.marts.duckdb").write_bytes(b"half of it")
    log = shop.folder / "shop.marts.duckdb.wal"
    log.write_bytes(b"what a tool wrote")
    flow.publish(shop.settings)
    assert leftovers(shop) == []
    assert ask(shop, "SELECT count(*) FROM mart_order") == [(5,)]


def test_a_setting_turns_it_off_and_a_server_has_none(tmp_path: Path) -> None:
    off = Bench(tmp_path / "off", {}, warehouse={"url": "duckdb:///shop.duckdb", "snapshot": False})
    flow.publish(off.settings)
    assert not file(off).exists()
    server = Settings.model_validate({"warehouse": {"url": "postgresql://cx@db.example.org/cx"}})
    assert snapshot.path(server) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("kpis",),
        ("kpis", "nps", "--by", "channel", "--grain", "month"),
        ("kpis", "nps", "--as-of", "2126-01-01"),
        ("kpis", "first_contact_resolution"),
    ],
    ids=" ".join,
)
def test_kpis_are_told_from_it_while_a_run_holds_the_warehouse(
    shop: Bench, arguments: tuple[str, ...]
) -> None:
    free = cxflow(shop, *arguments, "--json")
    with held(shop) as pid:
        busy = cxflow(shop, *arguments, "--json")
        worded = cxflow(shop, *arguments)
    assert (free.exit_code, busy.exit_code) == (0, 0)
    assert busy.stdout == free.stdout
    assert len(free.stdout) > 100
    assert f"process {pid}, python" in worded.stderr
    assert "holds the warehouse: this is its snapshot of" in worded.stderr
    assert "0 minutes old" in worded.stderr


def test_status_and_report_are_told_from_it_too(shop: Bench) -> None:
    free = json.loads(cxflow(shop, "status", "--json").stdout)
    with held(shop):
        busy = json.loads(cxflow(shop, "status", "--json").stdout)
        report = cxflow(shop, "report", "--json")
    assert free["snapshot"] is None
    assert busy["snapshot"] is not None
    (of_free,), (of_busy,) = free["streams"], busy["streams"]
    assert (of_free["quarantine_open"], of_free["vanished"]) == (1, 0)
    unknown = {"outdated": None, "vanished": None}
    assert of_busy == of_free | unknown
    assert report.exit_code == 0
    assert json.loads(report.stdout)["snapshot"] is not None
    page = (shop.folder / "report.html").read_text()
    assert "canary" not in page
    assert "Net Promoter Score" in page


@pytest.mark.parametrize("fault", ["of another version", "damaged"])
def test_without_a_usable_snapshot_a_command_waits_and_names_the_holder(
    shop: Bench, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    whole = file(shop).read_bytes()
    if fault == "damaged":
        file(shop).write_bytes(whole[:1000])
    else:
        monkeypatch.setattr(snapshot.revisions, "head", lambda: "another")
    try:
        with held(shop) as pid:
            answer = cxflow(shop, "kpis")
    finally:
        file(shop).write_bytes(whole)
    assert answer.exit_code == 75
    assert f"another process has held the warehouse for 0.2 s (process {pid}, python" in answer.stderr


def test_a_reader_that_holds_the_warehouse_is_named_to_a_writer(shop: Bench) -> None:
    reads = HOLDS.replace("(sys.argv[1])", "(sys.argv[1], read_only=True)")
    command = [sys.executable, "-c", reads, str(shop.folder / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError, match=rf"for 0.2 s \(process {reader.pid}, python"):
            flow.publish(shop.settings)
        assert cxflow(shop, "kpis").stderr == "", "another reader disturbs nobody"
        reader.communicate()


def test_a_tool_that_speaks_sqlalchemy_lists_the_tables_with_their_comments_and_cannot_write(
    shop: Bench,
) -> None:
    engine = sa.create_engine(f"duckdb:///{file(shop)}?access_mode=read_only", poolclass=sa.NullPool)
    with engine.connect() as connection:
        seen = sa.inspect(connection)
        assert set(seen.get_table_names()) == set(views.descriptions())
        assert (
            seen.get_table_comment("mart_delivery")["text"]
            == "Every parcel, with its order and the order's customer."
        )
        columns = {each["name"]: each["comment"] for each in seen.get_columns("mart_delivery")}
        assert columns["carrier"] == "the carrier"
        with pytest.raises(sa.exc.DBAPIError, match="read-only mode"):
            connection.exec_driver_sql("DELETE FROM mart_order")


@pytest.mark.parametrize("name", ["kpi_value", "kpi_status", "kpi_left_out"])
def test_commands_find_in_it_every_column_of_the_kpis(name: str) -> None:
    dialect = sa.create_engine("duckdb:///:memory:").dialect
    (made,) = (text for text in stand_ins.statements(dialect) if f'VIEW "{name}" AS' in text)
    assert "NULL" not in made
