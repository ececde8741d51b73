"""The whole trip on PostgreSQL, on a server of the tests' own: the same rows, customers and KPIs as on DuckDB."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cxflow import demo, flow
from cxflow.errors import ConfigError, SchemaError, TransientError
from cxflow.model.window import Window
from cxflow.settings import load
from cxflow.store import engine, ledger, schema
from cxflow.testing import TestProject

MADRID = ZoneInfo("Europe/Madrid")
HISTORY = datetime(2026, 3, 25, tzinfo=MADRID)
Database = Callable[[], str]


def configuration(url: str | None) -> str:
    text = (Path(demo.__file__).parent / "cxflow.toml").read_text()
    return text + (f'\n[warehouse]\nurl = "{url}"\n' if url else "")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    demo.generate(folder, scale=0.05)
    return folder


def project(folder: Path, exports: Path, url: str | None) -> TestProject:
    shutil.copytree(exports / "exports", folder / "exports")
    text = configuration(url)
    # So small a company has as many defects as a large one: the gate is not what is tested here.
    return TestProject(folder, text + "\n[quality]\nmax_rejected_share = 1.0\n")


@pytest.fixture(scope="module")
def both(
    exports: Path, postgresql: Database, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TestProject, TestProject]:
    """The history and the first two days, on DuckDB and on PostgreSQL."""
    found = []
    for name, url in (("duckdb", None), ("postgresql", postgresql())):
        each = project(tmp_path_factory.mktemp(name), exports, url)
        each.run(mode="backfill", end=HISTORY)
        each.settle()
        for day in (1, 2):
            each.run(end=HISTORY + timedelta(days=day))
            each.settle()
        found.append(each)
    return found[0], found[1]


def kpis(each: TestProject) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = each.query(
        "SELECT kpi, grain, period_start, dimension, dimension_value, n, value, ci_low, ci_high FROM mart_kpi"
    )
    return {
        row[:5]: (row[5], *(pytest.approx(number) if number else number for number in row[6:]))
        for row in rows
    }


def test_both_databases_come_to_the_same_rows_and_customers(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    assert postgresql.digest() == duckdb.digest()
    assert len(postgresql.rows("touchpoint", "touchpoint_id")) > 500
    assert postgresql.books_balance()


def test_both_databases_come_to_the_same_kpis(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    assert kpis(postgresql) == kpis(duckdb)
    assert len(kpis(postgresql)) > 1000


def test_both_databases_keep_the_same_books_and_quarantine(both: tuple[TestProject, TestProject]) -> None:
    duckdb, postgresql = both
    books = (
        "source_system",
        "source_object",
        "mode",
        "extracted",
        "inserted",
        "updated",
        "quarantined",
        "report",
    )
    assert postgresql.rows("load_run", *books) == duckdb.rows("load_run", *books)
    refused = (
        "source_system",
        "source_object",
        "source_record_id",
        "rule",
        "column_name",
        "raw_value",
        "status",
    )
    assert postgresql.rows("quarantine", *refused) == duckdb.rows("quarantine", *refused)


def test_a_second_load_changes_nothing_on_postgresql(both: tuple[TestProject, TestProject]) -> None:
    _, postgresql = both
    before = postgresql.digest()
    reports = postgresql.run(mode="backfill", end=HISTORY + timedelta(days=2))
    assert postgresql.digest() == before
    assert {(r.counts.inserted, r.counts.updated, r.counts.deleted) for r in reports.values()} == {(0, 0, 0)}


def test_a_load_that_fails_leaves_nothing_behind_on_postgresql(
    both: tuple[TestProject, TestProject], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, postgresql = both
    settings = postgresql.settings
    before, cursor = postgresql.digest(), ledger.cursor(settings, "shop", "orders")
    window = flow.scheduled_window(settings, "shop", "orders", HISTORY + timedelta(days=3))
    batch = flow.prepare(settings, flow.extract(settings, "shop", "orders", window, "scheduled"))
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "keep_state", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            flow.load(settings, batch)
    assert postgresql.digest() == before
    assert ledger.cursor(settings, "shop", "orders") == cursor
    assert flow.load(settings, batch).counts.extracted > 0
    assert ledger.cursor(settings, "shop", "orders") != cursor


def test_of_two_workers_on_one_batch_one_wins(both: tuple[TestProject, TestProject]) -> None:
    _, postgresql = both
    settings = postgresql.settings
    window = Window(HISTORY + timedelta(days=3), HISTORY + timedelta(days=5))
    batch = flow.prepare(settings, flow.extract(settings, "surveys", "answers", window, "backfill"))
    reports: list[Any] = []
    workers = [threading.Thread(target=lambda: reports.append(flow.load(settings, batch))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(report.was_loaded for report in reports) == [False, True]
    assert reports[0].counts == reports[1].counts


def test_the_key_of_every_table_is_unique_by_index(both: tuple[TestProject, TestProject]) -> None:
    _, postgresql = both
    indexes = postgresql.query("SELECT tablename, indexdef FROM pg_indexes")
    assert set(postgresql.digest()) <= {name for name, index in indexes if " UNIQUE " in index}


@pytest.mark.parametrize(
    ("change", "problem", "says"),
    [
        (("postgresql://postgres@/", "postgresql://nobody@/"), ConfigError, "refuses the connection"),
        (("?host=", "?host=/nowhere"), TransientError, "cannot be reached"),
    ],
)
def test_a_server_that_does_not_let_in_says_so(
    postgresql: Database, tmp_path: Path, change: tuple[str, str], problem: type[Exception], says: str
) -> None:
    url = postgresql().replace("postgres:@", "postgres@")
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{url.replace(*change)}"\n')
    refused = pytest.raises(problem, match=says)
    with refused, engine.transaction(load(tmp_path)):
        pytest.fail("it let us in")


def test_an_empty_database_asks_to_be_migrated_and_a_second_migration_does_nothing(
    postgresql: Database, tmp_path: Path
) -> None:
    (tmp_path / "cxflow.toml").write_text(f'[warehouse]\nurl = "{postgresql()}"\n')
    settings = load(tmp_path)
    asks = pytest.raises(SchemaError, match="cxflow migrate")
    with asks, engine.transaction(settings) as connection:
        schema.require(connection)
    assert schema.migrate(settings) == (None, schema.head())
    assert schema.migrate(settings) == (schema.head(), schema.head())


def test_times_come_back_in_utc_from_postgresql(both: tuple[TestProject, TestProject]) -> None:
    _, postgresql = both
    [(first,)] = postgresql.query("SELECT min(occurred_at) FROM touchpoint")
    assert first.utcoffset() == timedelta(0)
