"""Files that are not what they should be: an error that names the connection, the stream and the file."""

from __future__ import annotations

import gzip
import os
import traceback
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_source import Drop

from cxflow import sources
from cxflow.connect.files import file_set
from cxflow.errors import ConfigError, CxflowError, SourceError, TransientError

ROWS = "id,b\n" + "".join(f"{number},{number * 7919 % 1_000_003}\n" for number in range(50_000))
SECRET = "ada@example.org"


def test_a_missing_file_is_named_with_connection_stream_and_path(drop: Drop) -> None:
    settings = drop.settings("reviews-*.csv", {})
    with pytest.raises(SourceError) as caught:
        sources.doctor(settings, "shop", "reviews")
    error = caught.value
    assert (error.connection, error.stream, error.value) == ("shop", "reviews", "reviews-*.csv")
    assert str(error).startswith("shop.reviews: no file matches exports/reviews-*.csv")
    assert "optional = true" in str(error)
    with pytest.raises(SourceError):
        drop.land("reviews-*.csv")
    assert not (drop.folder / "landing").exists()


def test_a_missing_optional_file_is_an_empty_batch(drop: Drop) -> None:
    found = drop.land("reviews-*.csv", optional=True)
    assert (found.manifest.records, found.manifest.parts, found.manifest.raw_columns) == (0, {}, {})


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("missing_bytes", [1, 8, 20, 60_000])
def test_a_gzip_file_that_is_cut_off_is_refused_whole(drop: Drop, missing_bytes: int, encoding: str) -> None:
    drop.write("a.csv.gz", gzip.compress(ROWS.encode())[:-missing_bytes])
    with pytest.raises(SourceError, match=r"a\.csv\.gz is cut off"):
        drop.land(encoding=encoding)
    assert not (drop.folder / "landing").exists()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.txt.gz"])
def test_a_cut_gzip_file_is_refused_in_every_text_format(drop: Drop, name: str) -> None:
    drop.write(name, gzip.compress(b'{"id": 1}\n' * 5000)[:-9])
    more = {"format": "fixed_width", "fields": {"id": [1, 3]}} if name == "a.txt.gz" else {}
    with pytest.raises(SourceError, match="is cut off"):
        drop.land(**more)


def test_a_zstd_file_that_is_cut_off_is_refused(drop: Drop) -> None:
    drop.write("a.csv.zst", pa.Codec("zstd").compress(ROWS.encode(), asbytes=True)[:-9])
    with pytest.raises(SourceError, match=r"a\.csv\.zst is cut off"):
        drop.land()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_a_plain_file_named_as_a_compressed_one_is_refused(drop: Drop, name: str) -> None:
    drop.write(name, "id,b\n1,2\n")
    with pytest.raises(SourceError, match="not what its name says"):
        drop.land()


def test_a_corrupt_byte_within_a_gzip_file_is_refused(drop: Drop) -> None:
    content = bytearray(gzip.compress(ROWS.encode()))
    content[len(content) // 2] ^= 0xFF
    drop.write("a.csv.gz", bytes(content))
    with pytest.raises(SourceError, match=r"a\.csv\.gz"):
        drop.land()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"id": 1, "email": "' + SECRET + '"}, {"id": '),
        ("a.json", f'{{"email": "{SECRET}"'),
        ("a.json", ""),
        ("a.xlsx", f"no zip {SECRET}"),
        ("a.parquet", f"PAR1 {SECRET}"),
        ("a.parquet", ""),
    ],
)
def test_an_unreadable_document_is_named_and_not_quoted(drop: Drop, name: str, content: str) -> None:
    drop.write(name, content)
    with pytest.raises(SourceError, match=rf"{name} is not (valid|a readable)") as caught:
        drop.land()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_value_of_the_source_is_in_no_error_of_the_database(drop: Drop) -> None:
    pq.write_table(pa.table({"id": [{"x": 1}]}), drop.write("a.parquet", ""))
    pq.write_table(pa.table({"id": [SECRET]}), drop.write("b.parquet", ""))
    with pytest.raises(SourceError, match=r"b\.parquet cannot be read") as caught:
        drop.land()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_cut_parquet_file_is_named(drop: Drop) -> None:
    path = drop.write("a.parquet", "")
    pq.write_table(pa.table({"id": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"a\.parquet is not a readable Parquet file"):
        drop.land()


def test_one_bad_file_among_good_ones_lands_nothing(drop: Drop) -> None:
    drop.write("a.json", '[{"id": 1}]')
    drop.write("b.json", '[{"id": 2')
    with pytest.raises(SourceError, match=r"b\.json"):
        drop.land()
    assert not (drop.folder / "landing").exists()


@pytest.mark.parametrize(
    "name", ["reviews-2026-02-30.csv", "reviews-latest.csv", "reviews-2026-03-02-v2.csv"]
)
def test_a_path_whose_date_is_none_is_an_error(drop: Drop, name: str) -> None:
    drop.write(name, "id\n1\n")
    with pytest.raises(SourceError, match=rf"{name} matches, but has no date in the place of {{date}}"):
        drop.land("reviews-{date}.csv")


@pytest.mark.parametrize("name", ["reviews", "reviews.dat", "reviews.csv.bz2", "reviews.gz"])
def test_a_format_that_a_name_does_not_tell_is_asked_for(drop: Drop, name: str) -> None:
    drop.write(name, "id\n1\n")
    with pytest.raises(ConfigError, match=r"the name of .* does not tell its format .*format ="):
        drop.land()


def test_an_unknown_format_is_refused_before_anything_is_read(drop: Drop) -> None:
    with pytest.raises(ConfigError, match=r"streams\.reviews\.format: Input should be 'csv', 'tsv'"):
        drop.connector(format="xml")


def test_fixed_width_needs_fields_that_run_forward(drop: Drop) -> None:
    drop.write("a.txt", "001\n")
    with pytest.raises(ConfigError, match="fixed_width needs fields"):
        drop.land(format="fixed_width")
    for wrong in ([0, 3], [4, 3]):
        with pytest.raises(ConfigError, match=r"streams\.reviews\.fields: id has the range"):
            drop.connector(format="fixed_width", fields={"id": wrong})


def test_no_path_at_all_is_refused(drop: Drop) -> None:
    with pytest.raises(ConfigError, match=r"streams\.reviews\.path"):
        drop.connector([])


@pytest.mark.parametrize("url", ["nosuchprotocol://bucket/a.csv", "nosuchprotocol://"])
def test_an_unknown_protocol_is_named(drop: Drop, url: str) -> None:
    with pytest.raises(ConfigError, match=f"{url}.* cannot be opened"):
        drop.land(url)


def test_paths_on_two_file_systems_are_refused(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    with pytest.raises(ConfigError, match="different file systems"):
        drop.land(["a.csv", "memory://elsewhere/b.csv"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read_it_is_named(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n").chmod(0)
    for cursor in ({}, None):
        with pytest.raises(SourceError, match=r"no permission to read .*a\.csv"):
            drop.land(cursor=cursor)


@pytest.mark.parametrize(
    ("problem", "kind", "says"),
    [
        (PermissionError(13, "no"), SourceError, "no permission to read"),
        (FileNotFoundError(2, "no"), TransientError, "has disappeared since it was listed"),
        (ConnectionResetError(104, "reset"), TransientError, "cannot be read"),
    ],
)
def test_a_file_system_that_fails_says_what_to_do_next(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, problem: OSError, kind: type[CxflowError], says: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    memory = fsspec.filesystem("memory")
    memory.pipe("/broken/a.csv", b"id\n1\n")
    monkeypatch.setattr(type(memory), "get_file", fail)
    with pytest.raises(kind, match=rf"{says}|a\.csv {says}"):
        drop.land("memory://broken/a.csv")
    monkeypatch.setattr(type(memory), "open", fail)
    with pytest.raises(kind, match=says):
        drop.land("memory://broken/a.csv", cursor={})


def test_a_file_that_goes_away_between_listing_and_reading_is_transient(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop.write("a.csv", "id\n1\n")

    def fetch(_: file_set.FileSet, file: file_set.SourceFile, *__: object) -> Path:
        path.unlink()
        return Path(file.path)

    monkeypatch.setattr(file_set.FileSet, "fetch", fetch)
    with pytest.raises(TransientError, match="has disappeared since it was listed"):
        drop.land()
