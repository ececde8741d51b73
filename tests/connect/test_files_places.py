"""Which files a path means: globs, several paths, days, URLs, odd names."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_source import DAY, Drop

from cxflow.errors import ConfigError
from cxflow.model.window import Window


def test_a_glob_takes_what_matches_and_nothing_else(drop: Drop) -> None:
    for name in ("reviews-1.csv", "reviews-2.csv", "orders-1.csv", "old/reviews-0.csv"):
        drop.write(name, f"id\n{name}\n")
    assert drop.land("reviews-*.csv").origins == ["reviews-1.csv", "reviews-2.csv"]
    assert drop.land("reviews-[02].csv").origins == ["reviews-2.csv"]
    assert drop.land("**/reviews-*.csv").ids == ["old/reviews-0.csv", "reviews-1.csv", "reviews-2.csv"]


def test_several_paths_are_read_each_file_once(drop: Drop) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        drop.write(name, f"id\n{name}\n")
    assert drop.land(["c.csv", "[ab].csv", "b*.csv"]).ids == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.parametrize(
    "name",
    ["a.csv.tmp", "a.csv.part", "a.csv.partial", "a.csv.crdownload", "a.csv.filepart", ".a.csv", "folder/x"],
)
def test_unfinished_and_hidden_files_and_folders_are_left_out(drop: Drop, name: str) -> None:
    drop.write("a.csv", "id\n1\n")
    drop.write(name, "id\n2\n")
    assert drop.land(["*", ".*"]).ids == ["1"]


def test_a_link_stands_for_its_file_and_a_dangling_one_for_nothing(drop: Drop) -> None:
    drop.write("data/2026.csv", "id\n1\n")
    (drop.exports / "latest.csv").symlink_to("data/2026.csv")
    (drop.exports / "gone.csv").symlink_to("data/2025.csv")
    (drop.exports / "folder.csv").symlink_to("data")
    found = drop.land("*.csv")
    assert (found.ids, found.received, found.origins) == (["1"], [DAY], ["latest.csv"])


@pytest.mark.parametrize(
    "name", ["a[1].csv", "a*.csv", "a?.csv", "it's (1) ñ.csv", 'a"b.csv', "a;b,c.csv", "a[1].csv.gz"]
)
def test_a_file_of_any_name_is_read_and_no_other_in_its_place(drop: Drop, name: str) -> None:
    drop.write("a1.csv", "id\nother\n", DAY - timedelta(days=9))
    content = b"id\n1\n"
    drop.write(name, gzip.compress(content) if name.endswith(".gz") else content)
    found = drop.land(start=DAY - timedelta(days=1))
    assert (found.ids, found.origins) == (["1"], [name])


def test_a_parquet_or_json_lines_file_of_a_globbing_name_is_read(drop: Drop) -> None:
    drop.write("a1.jsonl", '{"id": "other"}\n', DAY - timedelta(days=9))
    drop.write("a[1].jsonl", '{"id": "1"}\n')
    assert drop.land(start=DAY - timedelta(days=1)).payloads == ['{"id": "1"}']
    for name, value in (("b1.parquet", 7), ("b[1].parquet", 1)):
        pq.write_table(pa.table({"id": [value]}), drop.write(name, ""))
        os.utime(drop.exports / name, (value, value))
    assert drop.land("b*.parquet", end=datetime.fromtimestamp(5, UTC)).ids == [1]


def test_a_project_in_a_folder_of_a_globbing_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "a1" / "exports").mkdir(parents=True)
    (tmp_path / "a1" / "exports" / "x.csv").write_text("id\nother\n")
    (tmp_path / "a[1]").mkdir()
    drop = Drop(tmp_path / "a[1]")
    drop.write("x.csv", "id\n1\n")
    drop.write("reviews-2026-03-02.csv", "id\n2\n")
    connector = drop.connector("x.csv")
    assert len(connector.plan(connector.stream("reviews"), Window(None, datetime.now(UTC)), None)) == 1
    connector = drop.connector("reviews-{date}.csv")
    assert len(connector.plan(connector.stream("reviews"), Window(None, datetime.now(UTC)), None)) == 1


@pytest.mark.parametrize("root", ["../inbox", "./../inbox/", "{absolute}", "exports/../../inbox"])
def test_a_root_may_lie_anywhere(tmp_path: Path, root: str) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "reviews-2026-03-01.csv").write_text("id\n1\n")
    drop = Drop(tmp_path / "project")
    connection = {"root": root.format(absolute=tmp_path / "inbox")}
    found = drop.land("reviews-{date}.csv", connection=connection)
    assert (found.ids, found.received) == (["1"], [datetime(2026, 3, 1, tzinfo=UTC)])


def test_an_absolute_path_needs_no_root(drop: Drop) -> None:
    path = drop.write("a.csv", "id\n1\n")
    assert drop.land(str(path), connection={"root": "elsewhere"}).ids == ["1"]
    assert drop.land(f"file://{path}", connection={"root": "elsewhere"}).ids == ["1"]


def test_the_day_in_a_path_is_the_day_of_delivery_in_the_streams_zone(drop: Drop) -> None:
    drop.write("reviews-2026-03-29.csv", "id\n1\n")
    drop.write("reviews-2026-03-30.csv", "id\n2\n")
    connection = {"timezone": "Europe/Madrid"}
    found = drop.land("reviews-{date}.csv", connection=connection)
    # Madrid is an hour ahead before the last Sunday of March, two after it.
    assert found.received == [datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]
    found = drop.land("reviews-{date}.csv", connection=connection, timezone="America/Sao_Paulo")
    assert found.received == [datetime(2026, 3, 29, 3, tzinfo=UTC), datetime(2026, 3, 30, 3, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("{date}/reviews-{date}.csv", "2026-03-01/reviews-2026-03-01.csv"),
        ("**/reviews-{date}.csv", "reviews-2026-03-01.csv"),
        ("**/reviews-{date}.csv", "a/b/reviews-2026-03-01.csv"),
        ("reviews-{date}-[0-9].c?v", "reviews-2026-03-01-7.csv"),
        ("reviews-{date}-[!a-z]*", "reviews-2026-03-01-7.csv"),
        ("*/{date}.csv", "shop [1]/2026-03-01.csv"),
        ("{date}.csv.gz", "2026-03-01.csv.gz"),
    ],
)
def test_a_day_is_found_wherever_it_stands_in_a_path(drop: Drop, path: str, name: str) -> None:
    content = b"id\n1\n"
    drop.write(name, gzip.compress(content) if name.endswith(".gz") else content)
    assert drop.land(path, start=None).received == [datetime(2026, 3, 1, tzinfo=UTC)]


def test_an_unknown_zone_of_a_stream_is_refused_before_anything_is_read(drop: Drop) -> None:
    with pytest.raises(
        ConfigError, match=r"streams\.reviews\.timezone: unknown time zone 'Europe/Madird'; did"
    ):
        drop.connector(timezone="Europe/Madird")


def test_a_file_that_may_still_be_written_waits(drop: Drop) -> None:
    now = datetime.now(UTC)
    drop.write("old.csv", "id\n1\n", now - timedelta(seconds=400))
    drop.write("young.csv", "id\n2\n", now - timedelta(seconds=200))
    found = drop.land(cursor={}, settle_seconds=300)
    assert found.ids == ["1"]
    later = drop.land(cursor=found.cursor, settle_seconds=100)
    assert later.ids == ["2"]
    assert drop.land(cursor={}).ids == ["1", "2"]


def test_a_plan_names_what_would_be_read_and_reads_nothing(drop: Drop) -> None:
    drop.write("a.csv.gz", b"not gzip at all")
    connector = drop.connector()
    stream = connector.stream("reviews")
    assert connector.plan(stream, Window(None, datetime.now(UTC)), None) == [
        f"{drop.exports}/a.csv.gz (15 bytes, delivered 2026-03-02)"
    ]
    assert connector.plan(stream, Window(None, DAY), None) == []


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store, as far as fsspec goes: no folders, no renaming into place, no modification times."""
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def test_files_behind_a_url_are_read(drop: Drop, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/bucket/in/reviews-2026-03-02.csv", b"id,b\n2,y\n")
    memory.pipe("/bucket/in/reviews-2026-03-01.csv.gz", gzip.compress(b"id,b\n1,x\n"))
    memory.pipe("/bucket/in/[odd]-2026-03-03.csv", b"id,b\n3,z\n")
    memory.pipe("/bucket/in/.reviews-2026-03-04.csv", b"id,b\n4,z\n")
    memory.pipe("/bucket/in/reviews-2026-03-04.csv.tmp", b"id,b\n4,z\n")
    pattern = "*-{date}.csv*"
    found = drop.land(pattern, connection={"root": "memory://bucket/in"})
    assert found.ids == ["1", "2", "3"]
    assert found.received == [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3)]
    assert drop.land(f"memory://bucket/in/{pattern}").ids == ["1", "2", "3"]
    assert drop.land(f"bucket/in/{pattern}", connection={"root": "memory://"}).ids == ["1", "2", "3"]


def test_files_behind_a_url_are_read_once(drop: Drop, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/bucket/a.csv", b"id\n1\n")
    first = drop.land("memory://bucket/*.csv", cursor={})
    memory.pipe("/bucket/b.csv", b"id\n2\n")
    memory.pipe("/bucket/a.csv", b"id\n1\n")
    second = drop.land("memory://bucket/*.csv", cursor=first.cursor)
    memory.mv("/bucket/b.csv", "/bucket/c.csv")
    third = drop.land("memory://bucket/*.csv", cursor=second.cursor)
    memory.pipe("/bucket/a.csv", b"id\n3\n")
    fourth = drop.land("memory://bucket/*.csv", cursor=third.cursor)
    assert [found.ids for found in (first, second, fourth)] == [["1"], ["2"], ["3"]]
    assert third.records == []


class _Forgetful(fsspec.get_filesystem_class("memory")):  # type: ignore[misc]  fsspec has no types
    """A store that remembers its listings, as those of object stores do, until told not to."""

    protocol = "forgetful"
    listings: dict[str, object] = {}  # noqa: RUF012  one for the whole class, as the store itself

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("forgetful:/")))

    def ls(self, path: str, detail: bool = True, **options: object) -> object:
        key = f"{path}{detail}"
        self.listings.setdefault(key, super().ls(path, detail=detail, **options))
        return self.listings[key]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.listings.clear()


def test_a_file_delivered_by_others_since_the_last_listing_is_seen(
    drop: Drop, memory: fsspec.AbstractFileSystem
) -> None:
    fsspec.register_implementation("forgetful", _Forgetful, clobber=True)
    memory.pipe("/bucket/a.csv", b"id\n1\n")
    first = drop.land("forgetful://bucket/*.csv", cursor={})
    memory.pipe("/bucket/b.csv", b"id\n2\n")
    assert drop.land("forgetful://bucket/*.csv", cursor=first.cursor).ids == ["2"]
