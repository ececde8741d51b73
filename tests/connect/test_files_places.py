"""Which files a path means: globs, several paths, days, URLs, odd names."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_source import DAY, Drop
from fsspec.implementations.local import LocalFileSystem

from cxflow.errors import ConfigError, SourceError
from cxflow.model.window import Window

INSTANT = timedelta(microseconds=1)


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
    assert (found.ids, found.received) == (["1"], [datetime(2026, 3, 2, tzinfo=UTC) - INSTANT])


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
    ends = [datetime(2026, 3, 29, 22, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC)]
    assert found.received == [end - INSTANT for end in ends]
    found = drop.land("reviews-{date}.csv", connection=connection, timezone="America/Sao_Paulo")
    ends = [datetime(2026, 3, 30, 3, tzinfo=UTC), datetime(2026, 3, 31, 3, tzinfo=UTC)]
    assert found.received == [end - INSTANT for end in ends]


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
    assert drop.land(path, start=None).received == [datetime(2026, 3, 2, tzinfo=UTC) - INSTANT]


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
    assert found.received == [datetime(2026, 3, day, tzinfo=UTC) - INSTANT for day in (2, 3, 4)]
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


def _odd(name: bytes) -> str:
    """A file name that is not UTF-8, as Python spells it."""
    return os.fsdecode(name)


CSV = b"id\n1\n"
JSON_RECORD = b'{"id":"1"}'
ODD_FILES = {
    b"caf\xe9.csv": CSV,
    b"caf\xe9/x.csv": CSV,
    b"\xff\xfe.csv": CSV,
    b"a\\\xe9.csv": CSV,
    b"a*\xe9.csv": CSV,
    b"caf\xe9.csv.gz": gzip.compress(CSV),
    b"caf\xe9.jsonl": JSON_RECORD,
    b"caf\xe9.json": b"[" + JSON_RECORD + b"]",
    b"\xe9" * 200 + b".csv": CSV,
}


@pytest.mark.parametrize("name", ODD_FILES, ids=ascii)
def test_a_file_whose_name_is_not_utf_8_is_read_under_a_name_that_is(drop: Drop, name: bytes) -> None:
    drop.write(_odd(name), ODD_FILES[name])
    shown = name.decode(errors="backslashreplace")
    first = drop.land("**/*.*", cursor={})
    assert (first.payloads or first.ids) == ([JSON_RECORD.decode()] if b"json" in name else ["1"])
    assert first.origins == [shown.rsplit("/", 1)[-1]]
    json.dumps(first.cursor, ensure_ascii=False).encode()
    assert first.cursor["folder"] + next(iter(first.cursor["files"])) == f"{drop.exports}/{shown}"
    assert drop.land("**/*.*", cursor=first.cursor).manifest.records == 0
    connector = drop.connector("**/*.*")
    [line] = connector.plan(connector.stream("reviews"), Window(None, datetime.now(UTC)), None)
    assert line.startswith(f"{drop.exports}/{shown} (")


def test_a_parquet_file_whose_name_is_not_utf_8_is_read(drop: Drop) -> None:
    pq.write_table(pa.table({"id": [7]}), drop.write("a.parquet", ""))
    (drop.exports / "a.parquet").rename(drop.exports / _odd(b"\xe9.parquet"))
    found = drop.land()
    assert (found.ids, found.origins) == ([7], ["\\xe9.parquet"])


def test_the_day_of_a_file_whose_name_is_not_utf_8_is_found(drop: Drop) -> None:
    drop.write(_odd(b"caf\xe9-2026-03-01.csv"), CSV)
    assert drop.land("*-{date}.csv").received == [datetime(2026, 3, 2, tzinfo=UTC) - INSTANT]
    drop.write(_odd(b"caf\xe9-soon.csv"), CSV)
    with pytest.raises(SourceError, match=r"caf\\xe9-soon\.csv matches, but has no date"):
        drop.land("*-{date}.csv")


def test_two_names_that_would_be_shown_alike_are_refused(drop: Drop) -> None:
    drop.write(_odd(b"caf\xe9.csv"), CSV)
    drop.write("caf\\xe9.csv", CSV)
    with pytest.raises(SourceError, match=r"two files would have the path .*caf\\xe9\.csv") as caught:
        drop.land()
    assert caught.value.fix == "rename one of them"


def test_a_faulty_file_whose_name_is_not_utf_8_is_named(drop: Drop) -> None:
    drop.write(_odd(b"caf\xe9.csv.gz"), gzip.compress(CSV * 99)[:-9])
    with pytest.raises(SourceError, match=r"caf\\xe9\.csv\.gz is cut off"):
        drop.land()


def test_an_object_of_a_very_long_name_is_read(drop: Drop, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe(f"/bucket/{'x' * 500}.csv", CSV)
    assert drop.land("memory://bucket/*.csv").ids == ["1"]


def _archive(path: Path, *names: str, at: datetime = DAY) -> None:
    """A ZIP of one-line files, packed on a clock of UTC."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, at.timetuple()[:6]), f"id\n{Path(name).stem}\n")


def test_the_files_of_an_archive_are_read_once(drop: Drop) -> None:
    archive = drop.folder / "exports.zip"
    _archive(archive, "1.csv", "2.csv", "in/3.csv", "4.txt")
    path = "zip://*.csv::exports.zip"
    first = drop.land(path, cursor={}, connection={"timezone": "Europe/Madrid"})
    assert (first.ids, first.origins) == (["1", "2"], ["1.csv", "2.csv"])
    assert first.received == [DAY - timedelta(hours=1)] * 2, "a ZIP has no zone: its connection's"
    _archive(archive, "1.csv", "2.csv", "5.csv")
    second = drop.land(path, cursor=first.cursor, connection={"timezone": "Europe/Madrid"})
    assert second.ids == ["5"]
    assert drop.land(f"zip://**/*.csv::{archive}").ids == ["1", "2", "5"]
    assert drop.land(f"zip://*.csv::file://{archive}").ids == ["1", "2", "5"]
    assert drop.land(["zip://1.csv::exports.zip", "zip://5.csv::exports.zip"]).ids == ["1", "5"]


def test_a_file_of_an_archive_that_changed_at_the_same_time_and_size_is_read(drop: Drop) -> None:
    path, archive = "zip://a.csv::exports.zip", drop.folder / "exports.zip"
    cursor: dict[str, object] = {}
    for content in (b"id\n1\n", b"id\n2\n"):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(zipfile.ZipInfo("a.csv", DAY.timetuple()[:6]), content)
        found = drop.land(path, cursor=cursor)
        assert found.ids == [content.decode()[-2]]
        cursor = found.cursor


def test_a_day_in_an_archive_and_a_time_that_is_none(drop: Drop) -> None:
    with zipfile.ZipFile(drop.folder / "exports.zip", "w") as archive:
        info = zipfile.ZipInfo("r-2026-03-01.csv")
        info.date_time = (1980, 0, 0, 0, 0, 0)
        archive.writestr(info, CSV)
    received = drop.land("zip://r-{date}.csv::exports.zip").received
    assert received == [datetime(2026, 3, 2, tzinfo=UTC) - INSTANT]
    assert drop.land("zip://r-*.csv::exports.zip").received == [datetime(1970, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("zip://*.csv::absent.zip", r"zip://\*\.csv::absent\.zip names an archive that does not exist"),
        ("zip://*.csv::cxflow.toml", r"zip://\*\.csv::cxflow\.toml cannot be opened: File is not a zip file"),
        ("tar://*.csv::cxflow.toml", r"tar://\*\.csv::cxflow\.toml cannot be opened"),
        ("zip://*.csv::exports", r"zip://\*\.csv::exports cannot be opened: .*Is a directory"),
        ("zip://*.csv", r"zip://\*\.csv cannot be opened: .*Is a directory"),
        ("zip://*.csv::ok.zip", r"no file matches zip://\*\.csv::ok\.zip"),
    ],
)
def test_an_archive_that_is_none_is_named(drop: Drop, path: str, says: str) -> None:
    _archive(drop.folder / "ok.zip", "a.txt")
    with pytest.raises(SourceError, match=says):
        drop.land(path, connection={"root": ""})


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("zip://*.csv::nonsense://x", "Protocol not known: nonsense"),
        ("nonsense://x/*.csv", "Protocol not known: nonsense"),
        (
            "a**b.csv",
            r"a\*\*b\.csv is not a valid path: Invalid pattern: '\*\*' can only be an entire path component",
        ),
    ],
)
def test_a_path_of_no_file_system_is_a_fault_of_the_configuration(drop: Drop, path: str, says: str) -> None:
    drop.write("a.csv", CSV)
    with pytest.raises(ConfigError, match=says):
        drop.land(path)


def test_an_encrypted_or_damaged_member_of_an_archive_is_named(drop: Drop) -> None:
    archive = drop.folder / "exports.zip"
    _archive(archive, "1.csv")
    whole = archive.read_bytes()
    encrypted = bytearray(whole)
    encrypted[6] |= 1  # the flag in the member's own header
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1  # and in the archive's directory
    archive.write_bytes(encrypted)
    with pytest.raises(SourceError, match=r"1\.csv cannot be read: .*encrypted"):
        drop.land("zip://*.csv::exports.zip")
    damaged = whole.replace(b"PK\x03\x04", b"PK\x03\x05", 1)
    archive.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"1\.csv cannot be read: Bad magic number"):
        drop.land("zip://*.csv::exports.zip")


def test_a_folder_that_may_not_be_listed_is_named(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, its files would count as gone, and those of an optional stream as not there."""

    def refused(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    drop.write("closed/a.csv", CSV)
    drop.write("b.csv", CSV)
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", refused)
    for path in ("closed/*.csv", "**/*.csv"):
        with pytest.raises(SourceError, match=f"no permission to list {drop.exports}/closed"):
            drop.land(path, optional=True)
    assert drop.land("*.csv").ids == ["1"]
    assert drop.land("absent/*.csv", optional=True).records == []


def test_a_folder_that_is_a_loop_of_links_is_named(drop: Drop) -> None:
    (drop.exports / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match=r"/loop cannot be listed: Too many levels of symbolic links"):
        drop.land("loop/*.csv", optional=True)
    drop.write("a.csv", CSV)
    assert drop.land("**/*.csv").ids == ["1"], "a link among the files of a folder leads nowhere"


@pytest.mark.parametrize("seconds", [1e12, -1e12, 2e9])
def test_a_file_whose_clock_went_astray_stops_nobody(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    def astray(self: LocalFileSystem, path: Any, **options: Any) -> Any:
        return {**info(self, path, **options), "mtime": seconds}

    drop.write("a.csv", CSV)
    info = LocalFileSystem.info
    monkeypatch.setattr(LocalFileSystem, "info", astray)
    found = drop.land(cursor={})
    assert found.records == ([{"id": "1"}] if seconds < 0 else []), "what is delivered in the future waits"
