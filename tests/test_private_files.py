"""What cxflow writes is its owner's alone, whatever the umask; what exists keeps its mode."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from trip_bench import Bench
from typer.testing import CliRunner

from cxflow import flow, private_files
from cxflow.cli.app import app
from cxflow.landing import keeper, partial, zone
from cxflow.warehouse import transactions

UMASKS = [0o000, 0o022, 0o077]
THINGS = {"primary_key": ["id"], "to": {"support_case": {"case_id": "id", "opened_at": "t"}}}
RECORD = {"id": "1", "t": "2026-03-01T10:00:00Z"}


@pytest.fixture(params=UMASKS, ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def _open_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    """The kinds of entries in a folder, and below, and their modes."""
    return {("folder" if path.is_dir() else path.suffix): mode(path) for path in sorted(folder.rglob("*"))}


@pytest.mark.usefixtures("_umask")
def test_the_landing_zone_and_the_warehouse_are_their_owners_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {"things": THINGS}, landing={"url": "data/landing"})
    batch = bench.land([RECORD], malformed=["{"])
    flow.prepare(bench.settings, batch)
    landing = bench.folder / "data" / "landing"
    assert modes(landing) == {"folder": 0o700, ".parquet": 0o600, ".json": 0o600, ".duckdb": 0o600}
    assert (mode(landing), mode(landing.parent)) == (0o700, 0o700)
    flow.load(bench.settings, batch)
    assert mode(bench.folder / "warehouse.duckdb") == 0o600


@pytest.mark.usefixtures("_open_umask")
def test_the_log_of_the_warehouse_is_as_private_as_the_warehouse(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {"things": THINGS})
    log = bench.folder / "warehouse.duckdb.wal"
    for shared, expected in ((0o600, 0o600), (0o660, 0o660)):
        (bench.folder / "warehouse.duckdb").chmod(shared)
        with transactions.transaction(bench.settings) as first, first.engine.connect() as second:
            second.exec_driver_sql("CREATE OR REPLACE TABLE made (a INTEGER)")
            second.commit()
            assert mode(log) == expected


@pytest.mark.usefixtures("_open_umask")
def test_the_pages_of_an_unfinished_pull_are_their_owners_alone(tmp_path: Path) -> None:
    source = tmp_path / "page"
    source.write_text("x")
    target = tmp_path / "zone" / "shop" / "things" / "1.partial"
    keeper._put(zone.LocalFileSystem(), tmp_path, str(target), ["page"], "{}")
    assert {path.name: mode(path) for path in target.iterdir()} == {"page": 0o600, partial.CHECKPOINT: 0o600}
    assert [mode(folder) for folder in (target, *target.parents[:3])] == [0o700] * 4


@pytest.mark.usefixtures("_open_umask")
def test_a_folder_or_warehouse_that_the_user_shares_stays_shared(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {"things": THINGS})
    landing = bench.folder / "landing"
    landing.mkdir(mode=0o750)
    (bench.folder / "warehouse.duckdb").chmod(0o640)
    bench.load([RECORD])
    assert mode(landing) == 0o750
    assert mode(landing / "shop") == 0o700
    assert mode(bench.folder / "warehouse.duckdb") == 0o640
    assert os.umask(0o000) == 0o000, "the umask is as it was"


@pytest.mark.usefixtures("_open_umask")
def test_doctor_tells_what_others_can_read_and_leaves_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {"things": THINGS})
    bench.load([RECORD])
    (bench.folder / "things.jsonl").write_text("")

    def told() -> str:
        return CliRunner().invoke(app, ["--project", str(bench.folder), "doctor"]).output

    assert "other users may read" not in told()
    warehouse, landing = bench.folder / "warehouse.duckdb", bench.folder / "landing"
    warehouse.chmod(0o644)
    part = next(landing.rglob("*.parquet"))
    part.chmod(0o640)
    for folder in part.parents[:3]:
        folder.chmod(0o750)
    assert "landing" not in told().partition("other users may read")[2], "its root is closed"
    landing.chmod(0o750)
    said = told()
    assert f"{warehouse} has mode 0644: other users may read or write it" in said
    assert f"chmod go= {warehouse}" in said
    assert f"{part} has mode 0640: other users may read or write it" in said
    assert f"chmod -R go= {landing}" in said
    assert mode(warehouse) == 0o644


@pytest.mark.usefixtures("_open_umask")
def test_blocks_of_two_threads_leave_the_umask_as_it_was(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with private_files.like(tmp_path / "absent"):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with private_files.like(tmp_path / "absent"):
        thread.start()
        assert inside.wait(10)
    (tmp_path / "meanwhile").touch()
    leave.set()
    thread.join()
    (tmp_path / "after").touch()
    assert (mode(tmp_path / "meanwhile"), mode(tmp_path / "after")) == (0o600, 0o666)
