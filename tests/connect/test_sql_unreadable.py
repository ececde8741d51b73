"""A value that cannot be read costs its record, not its stream."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from file_source import Landed
from sql_source import Shop

from cxflow.testing import TestProject

LATIN = "Málaga".encode("latin-1")
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql: Callable[[], str]) -> Shop:
    return Shop("postgresql", tmp_path, postgresql)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Shop:
    return Shop("sqlite", tmp_path, None)


def refused(landed: Landed) -> dict[str, Any]:
    """Reason to payload."""
    return {reason: json.loads(payload) for reason, payload in landed.malformed}


TIMES = [
    ("timestamptz", "infinity", "is infinite", "infinity"),
    ("timestamptz", "-infinity", "is infinite", "-infinity"),
    ("timestamptz", "0044-03-15 12:00:00+00 BC", "is before the year 1", "0044-03-15 12:00:00+00 BC"),
    ("timestamptz", "20260-01-01 00:00:00+00", "is after the year 9999", "20260-01-01 00:00:00+00"),
    ("timestamp", "infinity", "is infinite", "infinity"),
    ("timestamp", "4713-01-01 00:00:00 BC", "is before the year 1", "4713-01-01 00:00:00 BC"),
    ("timestamp", "294276-12-31 23:59:59", "is after the year 9999", "294276-12-31 23:59:59"),
    ("date", "infinity", "is infinite", "infinity"),
    ("date", "0044-03-15 BC", "is before the year 1", "0044-03-15 BC"),
    ("date", "10000-01-01", "is after the year 9999", "10000-01-01"),
    ("time", "24:00:00", "is 24:00, no time of a day", "24:00:00"),
    ("timetz", "24:00:00+00", "is 24:00, no time of a day", "24:00:00+00"),
    ("interval", "infinity", "is infinite", "infinity"),
    ("interval", "178000000 years", "is too long a time", "178000000 years"),
]


@pytest.mark.parametrize(("kind", "value", "why", "shown"), TIMES)
def test_a_time_that_python_cannot_represent_is_refused_with_its_record(
    on_postgresql: Shop, kind: str, value: str, why: str, shown: str
) -> None:
    on_postgresql.execute(
        f"CREATE TABLE orders (id bigint, at {kind}, total numeric(10, 2), tags text[], note text)",
        f"INSERT INTO orders VALUES (1, NULL, 1.50, '{{}}', 'a'), (2, '{value}', 10.50, '{{x}}', 'é'), "
        "(3, NULL, 3, NULL, NULL)",
    )
    landed = on_postgresql.land()
    assert landed.ids == [1, 3]
    assert refused(landed) == {
        f"at {why} (record: id 2)": {"id": 2, "at": shown, "total": "10.50", "tags": '["x"]', "note": "é"}
    }
    assert (landed.manifest.records, landed.manifest.malformed, landed.manifest.counted) == (3, 1, 3)


def test_the_first_and_the_last_time_that_python_can_represent_are_read(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, at timestamptz, day date, daytime time)",
        "INSERT INTO orders VALUES (1, '0001-01-01 00:00:00+00', '0001-01-01', '00:00'), "
        "(2, '9999-12-31 23:59:59.999999+00', '9999-12-31', '23:59:59.999999')",
    )
    first, last = on_postgresql.land().records
    assert (first["at"], last["at"]) == (
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    )


def test_times_are_read_whatever_style_the_server_writes(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, at timestamptz, took interval)",
        "INSERT INTO orders VALUES (1, '2026-03-02 09:00:00+00', '90 minutes')",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET DateStyle = ''SQL, DMY''', current_database()); "
        "EXECUTE format('ALTER DATABASE %%I SET IntervalStyle = ''iso_8601''', current_database()); END $$",
    )
    assert on_postgresql.land().records == [{"id": 1, "at": NINE, "took": 5400.0}]


def test_within_a_list_or_a_range_such_a_time_is_text(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, days date[], valid daterange)",
        "INSERT INTO orders VALUES (1, '{2026-03-02, infinity}', '[2026-03-02, infinity)')",
    )
    landed = on_postgresql.land()
    assert landed.malformed == []
    assert landed.records[0]["days"] == '["2026-03-02", "infinity"]'
    assert "infinity" in landed.records[0]["valid"]


def test_text_that_is_not_utf_8_is_refused_with_its_record(on_sqlite: Shop) -> None:
    on_sqlite.execute("CREATE TABLE orders (id integer, city text, note text, raw blob, ratio)")
    with closing(sqlite3.connect(on_sqlite.folder / "shop.sqlite")) as database, database:
        database.executemany(
            "INSERT INTO orders VALUES (?, CAST(? AS TEXT), ?, ?, ?)",
            [
                (1, "Málaga".encode(), "ünï ☕", b"\xff", 1),
                (2, LATIN, "two", b"\xff\x00", 0.5),
                (3, b"\xed\xa0\x80", "half a character", None, float("inf")),
                (4, b"Lugo", None, None, None),
            ],
        )
    landed = on_sqlite.land()
    assert [(row["id"], row["city"], row["raw"]) for row in landed.records] == [
        (1, "Málaga", "/w=="),
        (4, "Lugo", None),
    ]
    assert refused(landed) == {
        "city is not UTF-8 (record: id 2)": {
            "id": 2,
            "city": "\\x4de16c616761",
            "note": "two",
            "raw": "/wA=",
            "ratio": 0.5,
        },
        "city is not UTF-8 (record: id 3)": {
            "id": 3,
            "city": "\\xeda080",
            "note": "half a character",
            "raw": None,
            "ratio": "inf",
        },
    }
    assert (landed.manifest.records, landed.manifest.counted) == (4, 4)


def test_in_a_column_of_mixed_kinds_too(on_sqlite: Shop) -> None:
    on_sqlite.execute("CREATE TABLE orders (id, what)", "INSERT INTO orders VALUES (1, 7), (2, 'seven')")
    on_sqlite.execute("INSERT INTO orders VALUES (3, CAST(x'ff' AS TEXT)), (CAST(x'fe' AS TEXT), 9)")
    landed = on_sqlite.land()
    assert [row["what"] for row in landed.records] == ["7", "seven"]
    assert refused(landed) == {
        "what is not UTF-8 (record: id 3)": {"id": 3, "what": "\\xff"},
        "id is not UTF-8": {"id": "\\xfe", "what": 9},
    }


def test_a_database_without_an_encoding_is_read_as_utf_8(
    tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    url = sa.make_url(postgresql())
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(
            f"CREATE DATABASE {url.database}_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    shop = Shop(
        "postgresql", tmp_path, lambda: url.set(database=f"{url.database}_ascii").render_as_string(False)
    )
    with psycopg.connect(shop.url) as database:
        database.execute("CREATE TABLE orders (id bigint, city text, extra jsonb, tags text[])")
        database.execute(
            b"INSERT INTO orders VALUES (1, 'M\xc3\xa1laga', '{\"a\": \"\xc3\xa1\"}', '{\xc3\xa1}'), "
            b"(2, 'M\xe1laga', NULL, NULL), (3, 'Lugo', NULL, '{\xe1}')"
        )
    landed = shop.land()
    assert landed.records == [{"id": 1, "city": "Málaga", "extra": '{"a": "á"}', "tags": '["á"]'}]
    assert refused(landed) == {
        "city is not UTF-8 (record: id 2)": {"id": 2, "city": "\\x4de16c616761", "extra": None, "tags": None},
        "tags is not UTF-8 (record: id 3)": {"id": 3, "city": "Lugo", "extra": None, "tags": "\\x5b22e1225d"},
    }


def test_every_fault_of_a_record_is_named_and_personal_columns_show_no_value(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, email text, born date, died date)",
        "INSERT INTO orders VALUES (1, 'ada@example.org', '0044-03-15 BC', 'infinity')",
    )
    landed = on_postgresql.land(primary_key=["id", "email", "lower(email)"], pii=["email", "born"])
    ((reason, payload),) = landed.malformed
    assert reason == "born is before the year 1 and died is infinite (record: id 1)"
    assert "ada@example.org" in payload, "it goes to landing and to quarantine alone"


def test_partitions_of_nothing_but_such_records_are_read_on(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, at date, late bigint)",
        "INSERT INTO orders SELECT i, CASE WHEN i BETWEEN 1001 AND 3000 THEN date 'infinity' END, "
        "CASE WHEN i > 3000 THEN i END FROM generate_series(1, 4000) i",
    )
    landed = on_postgresql.land(cursor=["id"], last={}, partition_rows=500)
    assert landed.ids == [*range(1, 1001), *range(3001, 4001)]
    assert len(landed.malformed) == 2000
    assert landed.manifest.counted == 4000
    assert landed.cursor == {"column": "id", "after": 4000}


def test_a_key_is_remembered_though_its_record_is_refused(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, at date)", "INSERT INTO orders VALUES (1, NULL), (2, 'infinity')"
    )
    keys = {"cursor": ["id"], "look_back_keys": 0}
    first = on_postgresql.land(last={}, **keys)
    assert first.cursor == {"column": "id", "after": 2}
    assert on_postgresql.land(last=first.cursor, **keys).manifest.records == 0


def test_nothing_but_such_records_is_a_batch(on_postgresql: Shop) -> None:
    on_postgresql.orders((1, "infinity"), (2, "-infinity"))
    landed = on_postgresql.land()
    assert (landed.records, len(landed.malformed), landed.manifest.counted) == ([], 2, 2)


def test_a_dry_run_ends_at_its_limit_among_such_records(on_postgresql: Shop) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, at date)",
        "INSERT INTO orders SELECT i, CASE WHEN i > 2 THEN date 'infinity' END FROM generate_series(1, 40) i",
        "INSERT INTO orders SELECT i, NULL FROM generate_series(41, 60) i",
    )
    assert on_postgresql.land(partition_rows=10, limit=5).ids == [1, 2]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_cursor_without_end_is_in_no_window_and_read_each_time(on_postgresql: Shop, kind: str) -> None:
    """Nor does it hide what kind of column it is in, though it is the first value that is seen."""
    on_postgresql.orders(
        (1, "infinity"), (2, "2026-03-02 09:30:00+00"), (3, "-infinity"), of={"postgresql": kind}
    )
    for start in (None, NINE.replace(day=1)):
        landed = on_postgresql.land(
            cursor=["updated_at", "id"], timezone="UTC", start=start, end=TEN.replace(day=3)
        )
        assert landed.ids == [2]
        assert sorted(refused(landed)) == [f"updated_at is infinite (record: id {key})" for key in (1, 3)]
        assert landed.manifest.counted == 3


def test_such_a_record_is_in_quarantine_and_the_others_are_loaded(on_postgresql: Shop, caplog: Any) -> None:
    on_postgresql.execute(
        "CREATE TABLE orders (id bigint, updated_at timestamptz, email text)",
        "INSERT INTO orders SELECT i, '2026-03-02 09:00:00+00', 'ada@example.org' FROM generate_series(1, 99) i",
        "INSERT INTO orders VALUES (100, 'infinity', 'bob@example.org')",
    )
    on_postgresql.configure(pii=["email"])
    project = TestProject(on_postgresql.folder, (on_postgresql.folder / "cxflow.toml").read_text())
    (report,) = project.run().values()
    assert (report.counts.extracted, report.counts.inserted, report.counts.quarantined) == (100, 99, 1)
    assert project.books_balance()
    ((rule, stage, reason, payload),) = project.query(
        "SELECT rule, stage, raw_value, payload FROM quarantine"
    )
    assert (rule, stage, reason) == ("malformed", "landing", "updated_at is infinite (record: id 100)")
    assert json.loads(payload) == {"id": 100, "updated_at": "infinity", "email": "bob@example.org"}
    assert "example.org" not in caplog.text
    assert project.run()["shop.orders"].counts.quarantined == 1
    assert project.query("SELECT count(*) FROM quarantine") == [(1,)], "refused again, it is one entry"


def test_duckdb_hands_on_every_time_as_it_is(tmp_path: Path) -> None:
    """Its own times are those of the landing zone: what they may mean is judged where they are mapped."""
    shop = Shop("duckdb", tmp_path, None)
    shop.execute(
        "CREATE TABLE orders (id bigint, happened timestamptz, day date)",
        "INSERT INTO orders VALUES (1, 'infinity', '0044-03-15 (BC)'), (2, '20260-01-01 00:00:00+00', NULL)",
    )
    shop.land()
    parts = f"{tmp_path}/landing/**/part-*.parquet"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        found = database.execute(
            f"SELECT id, happened::text, day::text FROM read_parquet('{parts}')"
        ).fetchall()
    assert found == [(1, "infinity", "0044-03-15 (BC)"), (2, "20260-01-01 00:00:00+00", None)]


@pytest.mark.parametrize("value", ["infinity", "0044-03-15 (BC)", "20260-01-01"])
def test_a_cursor_of_duckdb_is_seen_to_be_a_time_by_its_type(tmp_path: Path, value: str) -> None:
    shop = Shop("duckdb", tmp_path, None)
    shop.orders((1, value), (2, "2026-03-02 09:30:00+00"))
    landed = shop.land(cursor=["updated_at"], start=NINE, end=TEN)
    assert landed.ids == ([2, 1] if value == "infinity" else [2])
