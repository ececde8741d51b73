"""What a slice must share with its set, and what it must not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editions import file_of
from pyarrow import parquet
from real_sets import REAL, SETS, SLICE, rows_of

FILES = {file: (of, stream) for of in SETS.values() for stream, file in of.files.items()}


@pytest.fixture(params=FILES, ids=lambda file: Path(file).name)
def both(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A real file and its slice."""
    of, stream = FILES[request.param]
    return file_of(of, stream, REAL), file_of(of, stream, SLICE)


def shape(file: Path) -> Any:
    """How a file is written, whatever stands in it."""
    if file.suffix == ".parquet":
        columns = parquet.ParquetFile(file).schema
        of_file = parquet.read_metadata(file)
        return (
            [(column.name, column.physical_type, str(column.logical_type)) for column in columns],
            {of_file.row_group(0).column(at).compression for at in range(len(columns))},
            of_file.format_version,
        )
    if file.suffix == ".xlsx":
        header, *rows = rows_of(file)
        types = [{type(row[at]) for row in rows if at < len(row)} for at in range(len(header))]
        return header, types, {len(row) for row in rows}
    raw = file.read_bytes()
    return {
        "header": raw.splitlines(keepends=True)[0],
        "ends with a line": raw.endswith(b"\n"),
        "has CRLF": b"\r\n" in raw,
        "has bare LF": raw.count(b"\n") > raw.count(b"\r\n"),
        "has records of several lines": file.suffix == ".csv" and len(rows_of(file)) < raw.count(b"\n"),
        "has quotation marks": b'"' in raw,
        "has quotation marks within a text": any('"' in cell for cell in texts(file)),
        "is ASCII": raw.removeprefix(b"\xef\xbb\xbf").isascii(),
    }


def texts(file: Path) -> Iterator[str]:
    """The cells below the header."""
    for row in rows_of(file)[1:]:
        yield from map(str, row)


def test_a_slice_is_written_as_its_set_is(both: tuple[Path, Path]) -> None:
    real, kept = both
    assert shape(kept) == shape(real)


@pytest.mark.parametrize("file", FILES)
def test_a_slice_is_small(file: str) -> None:
    of, stream = FILES[file]
    assert file_of(of, stream, SLICE).stat().st_size < 15_000


def test_no_row_of_a_set_is_in_its_slice(both: tuple[Path, Path]) -> None:
    real, kept = (set(records(file)) for file in both)
    assert not kept & real


def records(file: Path) -> list[tuple[Any, ...]]:
    """The rows below the header."""
    if file.suffix == ".parquet":
        return list(parquet.read_table(file).to_pandas().astype(str).itertuples(index=False, name=None))
    return rows_of(file)[1:]
