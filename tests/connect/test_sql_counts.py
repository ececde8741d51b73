"""The reader is not its own witness: the database counts, in the snapshot that was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sql_source import KINDS, Shop

from cxflow.connect.sql.database import SourceDatabase
from cxflow.connect.sql.duckdb_file import DuckdbFile
from cxflow.connect.sql.row_tables import Partition
from cxflow.errors import ConfigError, CountError
from cxflow.model import progress
from cxflow.model.progress import Progress

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROWS = tuple((key, f"2026-03-02 09:0{key}:00+00:00") for key in range(1, 8))
BY_TIME = {"cursor": ["updated_at", "id"], "start": NINE, "end": NINE + timedelta(minutes=5)}
"""Four of the seven."""


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    made = Shop(request.param, tmp_path, postgresql)
    made.orders(*ROWS)
    return made


def before_the_count(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[int]:
    """Something that happens between the reading and the count; gives the counts."""
    counts: list[int] = []
    count = SourceDatabase.count

    def acting(self: SourceDatabase, statement: sa.Select[Any]) -> int:
        act()
        counts.append(count(self, statement))
        return counts[-1]

    monkeypatch.setattr(SourceDatabase, "count", acting)
    return counts


def drop_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that loses the first row of each partition."""
    for kind in (SourceDatabase, DuckdbFile):
        whole = kind.partitions

        def less(*arguments: Any, whole: Any = whole, **options: Any) -> Iterator[Partition]:
            for part in whole(*arguments, **options):
                yield Partition(part.records.slice(1), last=part.last)

        monkeypatch.setattr(kind, "partitions", less)


@pytest.mark.parametrize(
    ("stream", "records"),
    [
        ({}, 7),
        ({"query": "SELECT * FROM orders WHERE id > 2; -- the later ones"}, 5),
        ({"query": "SELECT o.id, p.id FROM orders o JOIN orders p ON o.id <= p.id"}, 28),
        (BY_TIME, 4),
        ({"cursor": ["id"], "look_back_keys": 0, "last": {"column": "id", "after": 5}}, 2),
    ],
)
def test_what_was_read_is_counted(shop: Shop, stream: dict[str, Any], records: int) -> None:
    manifest = shop.land(**stream).manifest
    assert (manifest.records, manifest.counted) == (records, records)


def test_rows_without_a_cursor_are_counted_as_they_are_read(shop: Shop) -> None:
    shop.add((8, None))
    read = shop.land(**BY_TIME, without_cursor="read").manifest
    skipped = shop.land(**BY_TIME, without_cursor="skip").manifest
    assert (read.counted, skipped.counted) == (5, 4)
    shop.execute("DELETE FROM orders WHERE id < 8")
    assert shop.land(**BY_TIME, without_cursor="skip").manifest.counted == 0
    assert shop.land(**BY_TIME, without_cursor="read").manifest.counted == 1


@pytest.mark.parametrize("stream", [{}, {"query": "SELECT * FROM orders"}, BY_TIME, {"cursor": ["id"]}])
def test_a_reader_that_loses_rows_lands_nothing(
    shop: Shop, stream: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_a_row(monkeypatch)
    there = 4 if stream is BY_TIME else 7
    says = (
        f"holds {there} records by an independent count, and {there - 1} were read: nothing of it was landed"
    )
    with pytest.raises(CountError, match=f"^(orders|query) {says}"):
        shop.land(**stream)
    assert not list((shop.folder / "landing").rglob("*.parquet"))
    assert not list((shop.folder / "landing").rglob("manifest.json"))


def test_a_reader_that_finds_no_cursor_where_there_is_one_lands_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SourceDatabase, "first", lambda *_: None)
    monkeypatch.setattr(DuckdbFile, "first", lambda *_: None)
    monkeypatch.setattr(SourceDatabase, "partitions", lambda *_, **__: iter(()))
    monkeypatch.setattr(DuckdbFile, "partitions", lambda *_, **__: iter(()))
    with pytest.raises(CountError, match="holds 7 records by an independent count, and 0 were read"):
        shop.land(**BY_TIME)


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
@pytest.mark.parametrize("stream", [{}, BY_TIME])
def test_a_row_that_another_session_adds_before_the_count_changes_nothing(
    kind: str,
    stream: dict[str, Any],
    tmp_path: Path,
    postgresql: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(kind, tmp_path, postgresql)
    shop.orders(*ROWS)
    if kind == "sqlite":
        # With its usual journal a writer waits until the reading is over; with a log of changes it need not.
        with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
            database.execute("PRAGMA journal_mode = WAL")
    counts = before_the_count(monkeypatch, lambda: shop.add((9, "2026-03-02 09:03:00+00:00")))
    landed = shop.land(**stream)
    assert counts == [len(landed.ids)]
    assert 9 not in landed.ids
    monkeypatch.undo()
    assert 9 in shop.land(**stream).ids, "it is there, and the next run reads it"


def test_a_file_of_sqlite_with_its_usual_journal_keeps_writers_off_until_it_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.orders(*ROWS)

    def write() -> None:
        with (
            closing(sqlite3.connect(tmp_path / "shop.sqlite", timeout=0, isolation_level=None)) as writer,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            writer.execute("INSERT INTO orders VALUES (9, NULL)")

    counts = before_the_count(monkeypatch, write)
    assert shop.land().manifest.counted == 7
    assert counts == [7]


VARYING = {
    "postgresql": "SELECT i AS id FROM generate_series(1, (random() * 100000)::int) i",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
    "SELECT i AS id FROM n LIMIT abs(random()) % 100000",
    "duckdb": "SELECT i AS id FROM range((random() * 100000)::bigint) t(i)",
}
"""Once in a hundred thousand times they yield as many rows twice."""


def test_a_query_that_yields_other_rows_each_time_is_told_as_such(shop: Shop) -> None:
    says = r"^shop.orders: query yields different rows each time it runs \(random\): [\d,]+ when it was read"
    with pytest.raises(ConfigError, match=says):
        shop.land(query=VARYING[shop.kind])
    assert not list((shop.folder / "landing").rglob("manifest.json"))


def test_a_view_that_yields_other_rows_each_time_is_told_as_such(shop: Shop) -> None:
    shop.execute(f"CREATE VIEW sampled AS {VARYING[shop.kind]}")
    with pytest.raises(
        ConfigError, match=r"^shop.orders: sampled yields different rows each time it runs: [\d,]+ when"
    ):
        shop.land(table="sampled")


def test_random_values_are_no_random_rows(shop: Shop) -> None:
    assert shop.land(query="SELECT id, random() AS lot FROM orders").manifest.counted == 7


def test_a_dry_run_does_not_count(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """To count a large table takes as long as to read it, and a dry run reads little."""
    counts = before_the_count(monkeypatch, lambda: None)
    shop.land(limit=3)
    assert counts == []


def test_a_database_of_which_no_snapshot_is_known_is_not_counted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (SourceDatabase, *SourceDatabase.__subclasses__()):
        monkeypatch.setattr(kind, "has_one_snapshot", False)
    assert shop.land().manifest.counted is None


def test_who_shows_progress_knows_the_number_of_rows_first_and_it_is_counted_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = before_the_count(monkeypatch, lambda: None)
    monkeypatch.setattr(progress, "_LEAST_SECONDS", 0.0)
    heard: list[Progress] = []
    with progress.listening(heard.append):
        manifest = shop.land(partition_rows=3).manifest
    assert (manifest.records, manifest.counted) == (7, 7)
    assert counts == [7]
    reading = [(each.done, each.total) for each in heard if each.stage == "reading"]
    assert {(0, 7), (3, 7), (6, 7)} <= {*reading}
    assert reading[-1][0] == 7
