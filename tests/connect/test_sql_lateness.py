"""`cxflow doctor` says how late rows commit, where PostgreSQL knows it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from postgresql_server import Postgresql, server
from sql_source import Shop
from typer.testing import CliRunner

from cxflow import sources
from cxflow.cli.app import app
from cxflow.connect.sql import lateness
from cxflow.settings import load


@pytest.fixture(scope="module")
def tracking() -> Iterator[Postgresql]:
    """A server that remembers when transactions committed."""
    with tempfile.TemporaryDirectory(prefix="cxflow-postgresql-", ignore_cleanup_errors=True) as folder:
        with server(Path(folder)) as first, psycopg.connect(first.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        with server(Path(folder)) as second:
            yield Postgresql(second)


def remarks(shop: Shop, **stream: Any) -> list[str]:
    shop.configure(stream.pop("connection", None), **{"cursor": ["updated_at", "id"], **stream})
    return sources.doctor(load(shop.folder), "shop", "orders")


COLUMNS = [
    ("timestamptz", "now() - interval '{}'", {}),
    ("timestamp", "(now() - interval '{}') AT TIME ZONE 'America/Lima'", {"timezone": "America/Lima"}),
    ("bigint", "extract(epoch FROM now() - interval '{}')::bigint", {"cursor_type": "epoch"}),
    ("bigint", "(extract(epoch FROM now() - interval '{}') * 1000)::bigint", {"cursor_type": "epoch_ms"}),
]


@pytest.mark.parametrize(("kind", "written", "declared"), COLUMNS)
def test_the_latest_commit_is_told_against_the_look_back(
    tracking: Postgresql, tmp_path: Path, kind: str, written: str, declared: dict[str, Any]
) -> None:
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders(of={"postgresql": kind})
    assert remarks(shop, **declared) == [], "there is no row"
    for key, ago in enumerate(["1 minute", "20 minutes", "3 minutes"]):
        shop.execute(f"INSERT INTO orders VALUES ({key}, {written.format(ago)})")
    (within,) = remarks(shop, **declared)
    assert "the newest 3 rows of orders committed up to 0:20:0" in within
    assert within.endswith("after 'updated_at', within the look_back of 1:00:00")
    (beyond,) = remarks(shop, **declared, look_back=600)
    assert "the look_back is 0:10:00: a run in between would have lost rows" in beyond
    assert beyond.endswith('set look_back = "PT1H"')
    shop.execute(f"INSERT INTO orders VALUES (9, {written.format('150 minutes')})")
    assert remarks(shop, **declared)[0].endswith('set look_back = "PT3H"')
    assert "within the look_back" in remarks(shop, **declared, lag=7200)[0], (
        "what is withheld is read later anyway"
    )
    assert "within the look_back" in remarks(shop, **declared, look_back="PT3H")[0], "the advice is enough"


def test_a_long_transaction_is_late_though_it_is_one_statement(tracking: Postgresql, tmp_path: Path) -> None:
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders()
    engine = sa.create_engine(shop.url)
    with engine.connect() as writer:
        writer.exec_driver_sql("INSERT INTO orders VALUES (1, clock_timestamp())")
        writer.exec_driver_sql("SELECT pg_sleep(1.1)")
        writer.commit()
    engine.dispose()
    assert "committed up to 0:00:0" in remarks(shop)[0]
    assert "committed up to 0:00:00" not in remarks(shop)[0]


def test_only_the_newest_rows_are_looked_at(
    tracking: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness, "NEWEST_ROWS", 2)
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders()
    shop.execute("INSERT INTO orders SELECT 1, now() - interval '1 day' * i FROM generate_series(0, 9) i")
    assert "the newest 2 rows of orders committed up to 1 day, 0:00:00" in remarks(shop)[0]


def test_infinite_times_and_rows_without_one_are_left_out(tracking: Postgresql, tmp_path: Path) -> None:
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders((1, "infinity"), (2, None), (3, "-infinity"))
    assert remarks(shop) == []
    shop.execute("INSERT INTO orders VALUES (4, now())")
    assert "the newest row of orders committed up to 0:00:00" in remarks(shop)[0]


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        ("text", {"connection": {"timezone": "UTC"}}),
        ("date", {"connection": {"timezone": "UTC"}}),
        ("timestamp", {}),
        ("timestamptz", {"cursor": ["id"]}),
        ("timestamptz", {"cursor": []}),
        ("timestamptz", {"query": "SELECT * FROM orders"}),
        ("timestamptz", {"table": "seen"}),
    ],
)
def test_where_it_cannot_be_measured_nothing_is_said(
    tracking: Postgresql, tmp_path: Path, kind: str, declared: dict[str, Any]
) -> None:
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders((1, "2026-03-02 09:00:00+00:00"), of={"postgresql": kind})
    shop.execute("CREATE VIEW seen AS SELECT * FROM orders")
    assert remarks(shop, **declared) == []


@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "duckdb"])
def test_a_database_that_does_not_know_commits_is_not_asked(
    kind: str, tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    shop = Shop(kind, tmp_path, postgresql)
    shop.orders((1, "2026-03-02 09:00:00+00:00"))
    assert remarks(shop) == []


def test_doctor_shows_it_and_does_not_fail(
    tracking: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders()
    shop.execute("INSERT INTO orders VALUES (1, now() - interval '90 minutes')")
    shop.configure(cursor=["updated_at"])
    found = CliRunner().invoke(app, ["doctor"])
    assert found.exit_code == 0
    assert "✓ shop.orders: can be read" in found.output
    assert "– shop.orders: the newest row of orders committed up to 1:30:00 after" in found.output


def test_a_table_that_takes_too_long_to_sort_is_left_alone(
    tracking: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop("postgresql", tmp_path, tracking)
    shop.orders((1, "2026-03-02 09:00:00+00:00"))
    engine = sa.create_engine(shop.url)
    monkeypatch.setattr(lateness, "TIMEOUT_SECONDS", 0.2)
    shop.configure(cursor=["updated_at"])
    connector = shop.connector(cursor=["updated_at"])
    with engine.begin() as writer:
        writer.exec_driver_sql("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        assert connector.remarks(connector.stream("orders")) == []
    engine.dispose()
