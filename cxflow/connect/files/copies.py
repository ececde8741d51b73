"""Copies the readable records of delimited files, and rejects the others.

Called by `delimited` for files that DuckDB cannot read as they are, and for very many small ones, which go into one
copy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from cxflow.connect.files import broken_lines
from cxflow.connect.files.examined import Examined, file_slices, text_of
from cxflow.connect.files.items import rejected
from cxflow.connect.files.records import Notation, Slice, runs, widths
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import opened, reading
from cxflow.model.reading import Item, Page, Reject

_BROKEN = "line break without a carriage return in line"
INDEX_MARK = b"\x1f"
"""Precedes the index of a file, which might otherwise be one of the stream's null values."""


def cleaned(stream: FileStream, seen: Examined, folder: Path) -> Generator[Item, None, Examined]:
    """Copy the readable records of a file, each ending in LF, and yield the others as rejects."""
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".txt", delete=False) as copy:
        yield from _copied(stream, seen, copy)
    file = replace(seen.file, path=Path(copy.name))
    return replace(seen, file=file, line_end="\\n", is_copy=True)


def combined(stream: FileStream, many: list[Examined], folder: Path) -> Generator[Item, None, Path]:
    """Copy the readable records of many files with one delimiter into one, each preceded by the index of its file, from
    0."""
    delimiter = many[0].notation.delimiter
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".txt", delete=False) as copy:
        for index, seen in enumerate(many):
            yield from _copied(stream, seen, copy, INDEX_MARK + b"%d%s" % (index, delimiter))
    return Path(copy.name)


def _copied(stream: FileStream, seen: Examined, copy: IO[bytes], prefix: bytes = b"") -> Iterator[Page]:
    """Write the readable records, and yield the others as rejects."""
    before = seen.before
    held: tuple[bytes, int] | None = (
        None  # a record, and its line, that the next slice may show to be a piece
    )
    is_tainted = False
    with reading(seen.file), opened(stream, seen.file) as source:
        for found in file_slices(stream, seen.file, source, seen.notation):
            faults = dict(found.faults)
            wide = widths(found, seen.notation)
            blank = found.blank
            for number in np.flatnonzero(wide != len(seen.names)).tolist():
                kind = "missing columns" if wide[number] < len(seen.names) else "too many columns"
                faults.setdefault(number, f"{kind} in line {_line_of(found, number, seen.notation)}")
            faults |= _not_utf8(found, seen.notation)
            is_data = np.arange(len(found.ends)) >= before
            before = max(0, before - len(found.ends))
            is_bad = np.zeros(len(found.ends), bool)
            is_bad[list(faults)] = True
            is_bad &= is_data & ~blank
            if seen.is_mostly_crlf:
                joined = broken_lines.ends_in_bare_lf(found)
                seeds = is_bad.copy()
                seeds[0] |= is_tainted
                for number in np.flatnonzero(broken_lines.pieces(seeds, blank, joined) & is_data).tolist():
                    faults[number] = f"{_BROKEN} {_line_of(found, number, seen.notation)}"
                    is_bad[number] = True
                if is_tainted and is_data[0] and not blank[0] and not is_bad[0]:
                    faults[0], is_bad[0] = f"{_BROKEN} {found.line}", True
                if held is not None:
                    yield from _settled(seen, copy, prefix, held, is_piece=bool(is_bad[0]))
                    held = None
            good = is_data & ~blank & ~is_bad
            if seen.is_mostly_crlf and joined[-1]:
                last = len(good) - 1
                is_tainted = bool(is_bad[last])
                if good[last]:
                    good[last] = False
                    held = text_of(found, last), _line_of(found, last, seen.notation)
            else:
                is_tainted = False
            _write(copy, found, good, seen.notation, prefix)
            bad = np.flatnonzero(is_bad).tolist()
            yield from rejected(seen.file, (Reject(faults[number], text_of(found, number)) for number in bad))
        if held is not None:
            yield from _settled(seen, copy, prefix, held, is_piece=False)


def _settled(
    seen: Examined, copy: IO[bytes], prefix: bytes, held: tuple[bytes, int], *, is_piece: bool
) -> Iterator[Page]:
    """Refuse the last record of a slice if it is a piece of a broken line, else write it."""
    text, line = held
    if is_piece:
        yield from rejected(seen.file, [Reject(f"{_BROKEN} {line}", text)])
    else:
        copy.write(prefix + _as_duckdb_reads(text, seen.notation) + b"\n")


def _write(copy: IO[bytes], found: Slice, good: np.ndarray, notation: Notation, prefix: bytes) -> None:
    starts, ends = found.starts, found.ends
    if not prefix and found.is_regular and b"\r" not in found.data and found.data.endswith(b"\n"):
        for first, last in runs(good):
            copy.write(found.data[int(starts[first]) : int(ends[last - 1])])
        return
    text_ends = found.text_ends()
    for number in np.flatnonzero(good).tolist():
        text = found.data[int(starts[number]) : int(text_ends[number])]
        copy.write(prefix + _as_duckdb_reads(text, notation) + b"\n")


def _as_duckdb_reads(text: bytes, notation: Notation) -> bytes:
    """A record without blanks before a quoted first cell: DuckDB strips them before every cell but the first."""
    if text[:1] == b" " and notation.quote and text.lstrip(b" ").startswith(notation.quote):
        return text.lstrip(b" ")
    return text


def _not_utf8(found: Slice, notation: Notation) -> dict[int, str]:
    """Number of each record with bytes that are not UTF-8, to the reason for its reject."""
    try:
        found.data.decode()
    except UnicodeDecodeError:
        faults = {}
        for number, text in enumerate(found.texts()):
            try:
                text.decode()
            except UnicodeDecodeError:
                faults[number] = f"invalid encoding in line {_line_of(found, number, notation)}"
        return faults
    return {}


def _line_of(found: Slice, number: int, notation: Notation) -> int:
    return found.line + notation.line_ends(found.data, 0, int(found.starts[number]))
