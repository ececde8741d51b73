"""Files of a gigabyte: not a record is lost around the borders of anybody's buffers. `make test-long` runs them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from file_source import DAY, Drop

from cxflow.connect.extraction import Extraction
from cxflow.extract import extract
from cxflow.landing import zone
from cxflow.model.window import Window

pytestmark = pytest.mark.long

GIGABYTE = 1 << 30
MIB = 1 << 20

Lines = Callable[[int], Iterator[tuple[int, bytes]]]
"""Chunks of a file of so many bytes, each with its number of records."""


def dense(size: int) -> Iterator[tuple[int, bytes]]:
    """The shortest rows there are, in chunks that no power of two divides."""
    number, written = 0, 0
    while written < size:
        rows = b"".join(b"%d,x\n" % n for n in range(number, number + 99_991))
        yield 99_991, rows
        number, written = number + 99_991, written + len(rows)


def usual(size: int) -> Iterator[tuple[int, bytes]]:
    """People with an e-mail address and a telephone number, some cells quoted, some with a line break."""
    number, written = 0, 0
    while written < size:
        rows = b"".join(
            b'%d,ada%d@example.org,"+34 600 %06d","said ""hi""%s"\n'
            % (n, n, n % 1_000_000, b"\n" if n % 7 else b"")
            for n in range(number, number + 50_000)
        )
        yield 50_000, rows
        number, written = number + 50_000, written + len(rows)


def sparse(size: int) -> Iterator[tuple[int, bytes]]:
    """Rows of one byte to eight megabytes, quoted and not."""
    number, written = 0, 0
    while written < size:
        length = (number * 2_654_435_761) % (8 * MIB if number % 5 == 0 else 9_973)
        text = b"x" * length
        row = b'%d,"%s"\n' % (number, text) if number % 2 else b"%d,%s\n" % (number, text)
        yield 1, row
        number, written = number + 1, written + len(row)


def bordering(size: int) -> Iterator[tuple[int, bytes]]:
    """Rows that end one byte before, at and behind each multiple of 16 MiB, short ones between."""
    written, number = 0, 0
    for border in range(16 * MIB, size, 16 * MIB):
        for step in (-1, 0, 1):
            short = b"%d,s\n" % number
            fill = border + step - written - len(short) - len(b"%d,\n" % (number + 1))
            if fill < 0:
                continue
            row = short + b"%d,%s\n" % (number + 1, b"y" * min(fill, MIB))
            while fill > MIB:  # no row is longer than a megabyte
                yield 2, row
                written, number = written + len(row), number + 2
                short = b"%d,s\n" % number
                fill = border + step - written - len(short) - len(b"%d,\n" % (number + 1))
                row = short + b"%d,%s\n" % (number + 1, b"y" * max(min(fill, MIB), 0))
            if fill >= 0:
                yield 2, row
                written, number = written + len(row), number + 2


def write(path: Path, header: bytes, lines: Lines, size: int) -> int:
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(header)
        records = 0
        for count, chunk in lines(size):
            file.write(chunk)
            records += count
    return records


def landed(drop: Drop) -> tuple[int, int, int | None]:
    """Records and malformed ones, as the landed Parquet has them, and the independent count."""
    manifest = manifest_of(drop)
    parts = drop.folder / "landing/shop/reviews" / manifest.batch_id / "part-*.parquet"
    row = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM '{parts}'").fetchone()
    assert row is not None
    assert row[0] == row[1], "no record twice"
    return row[0], manifest.malformed, manifest.counted


def manifest_of(drop: Drop, **stream: str) -> zone.Manifest:
    connector = drop.connector(**stream)
    window = Window(None, DAY.replace(year=2100))
    batch = extract(
        connector.settings, Extraction(connector, connector.stream("reviews"), window, {}, "scheduled")
    )
    return zone.read_manifest(connector.settings, batch)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("lines", [dense, usual, sparse, bordering])
def test_a_csv_of_a_gigabyte_loses_no_row(drop: Drop, lines: Lines, name: str) -> None:
    size = GIGABYTE if name == "a.csv" else GIGABYTE // 4
    header = b"id,email,phone,note\n" if lines is usual else b"id,note\n"
    records = write(drop.exports / name, header, lines, size)
    assert landed(drop) == (records, 0, records)


@pytest.mark.parametrize("lines", [dense, usual, sparse])
def test_a_damaged_csv_of_a_gigabyte_loses_no_row(drop: Drop, lines: Lines) -> None:
    path = drop.exports / "a.csv"
    records = write(path, b"id,email,phone,note\n" if lines is usual else b"id,note\n", lines, GIGABYTE)
    with path.open("ab") as file:
        file.write(b'a,"never closed\nb,c,d,e,f\n' + (b"z,ok,ok,ok\n" if lines is usual else b"z,ok\n"))
    assert landed(drop) == (records + 1, 2, records + 3)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_json_lines_of_a_gigabyte_lose_no_record(drop: Drop, is_damaged: bool) -> None:
    path = drop.exports / "a.jsonl"
    number = 0
    with path.open("wb") as file:
        while file.tell() < GIGABYTE:
            for length in (7, 300, 5_000, 3 * MIB if number % 600 == 0 else 20):
                file.write(b'{"id": %d, "note": "%s"}\n' % (number, b"x" * length))
                number += 1
        if is_damaged:
            file.write(b"[1]\n")
    connector = drop.connector()
    window = Window(None, DAY.replace(year=2100))
    asked = Extraction(connector, connector.stream("reviews"), window, {}, "scheduled")
    batch = extract(connector.settings, asked)
    manifest = zone.read_manifest(connector.settings, batch)
    assert (manifest.records, manifest.malformed, manifest.counted) == (
        number + is_damaged,
        int(is_damaged),
        number + is_damaged,
    )


def test_a_document_of_two_gigabytes_is_read_in_bounded_memory(drop: Drop) -> None:
    path = drop.exports / "a.json"
    number = 0
    with path.open("wb") as file:
        file.write(b'{"data": {"items": [')
        while file.tell() < 2 * GIGABYTE:
            text = b'{"id": %d, "amount": 12345678901234567.123456789, "note": "%s"}'
            items = [text % (n, b'\\"]}' * (n % 40)) for n in range(number, number + 10_000)]
            file.write((b"," if number else b"") + b", ".join(items))
            number += 10_000
        file.write(b']}, "next": null}')
    connector = drop.connector(records="data.items")
    window = Window(None, DAY.replace(year=2100))
    asked = Extraction(connector, connector.stream("reviews"), window, {}, "scheduled")
    batch = extract(connector.settings, asked)
    manifest = zone.read_manifest(connector.settings, batch)
    assert (manifest.records, manifest.malformed, manifest.counted) == (number, 0, number)
