"""Scans all bytes of a delimited file for its header, its number of records, and whether DuckDB can read it as it is.

Called by `delimited`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

import numpy as np

from cxflow.connect.files.header_names import header_names
from cxflow.connect.files.records import Notation, RecordTooLongError, Slice, slices
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, opened
from cxflow.errors import SourceError


@dataclass(frozen=True, slots=True)
class Examined:
    """The result of scanning a file."""

    file: LocalFile
    notation: Notation
    names: tuple[str, ...]
    """The column names."""
    before: int
    """Records before the data: rows to skip, blank lines, the header."""
    records: int
    """Data records, including those that cannot be read."""
    is_plain: bool
    """Whether the file's quotes and line ends let DuckDB read it as it is."""
    line_end: str
    longest: int
    """Bytes of the longest record."""
    size: int
    """Bytes of all records."""
    is_copy: bool = False
    """Whether its file is a cleaned copy: data only, each record ending in LF."""


def examine(stream: FileStream, file: LocalFile) -> Examined:
    """Read the header, and count the records after it. Raises SourceError if the file is not as declared."""
    notation = Notation(stream.delimiter.encode(), stream.quote.encode())
    names: tuple[str, ...] = stream.columns
    to_skip, before, records, longest, size, blanks = stream.skip_rows, 0, 0, 0, 0, 0
    has_names, is_plain = bool(names), True
    ends_in_cr: set[bool] = set()
    with opened(stream, file) as source:
        if _ends_in_bare_cr(source.peek(1), notation):  # type: ignore[attr-defined]
            notation, is_plain = replace(notation, bare_cr=True), False
        for found in file_slices(stream, file, source, notation):
            first, blank = 0, found.blank
            count = len(found.ends)
            while first < count and (to_skip or not has_names):
                if to_skip:
                    to_skip -= 1
                elif (text := text_of(found, first)).strip(b" \t"):
                    names, has_names = _header(stream, file, found, first, text), True
                    is_plain = is_plain and before == 0
                before, first = before + 1, first + 1
            _refuse_open_quote(stream, file, found, first)
            is_blank = int(blank[first:].sum())
            records += count - first - is_blank
            blanks += is_blank
            size += len(found.data)
            longest = max(longest, int((found.ends - found.starts).max()))
            is_plain = is_plain and not any(number >= first for number in found.faults)
            ends_in_cr |= _ends_in_cr(found)
    if stream.columns and stream.skip_rows:
        is_plain = False  # DuckDB counts lines otherwise
    return Examined(
        file,
        notation,
        names,
        before,
        records,
        is_plain and len(ends_in_cr) < 2 and not (blanks and len(names) == 1),
        "\\r\\n" if ends_in_cr == {True} else "\\n",
        longest,
        size,
    )


def file_slices(
    stream: FileStream, file: LocalFile, source: IO[bytes], notation: Notation
) -> Iterator[Slice]:
    """A file in pieces of whole records, as `slices` gives them. Raises SourceError for a record that is too long, with
    its line and byte."""
    try:
        yield from slices(source, notation, stream.max_record_bytes)
    except RecordTooLongError as problem:
        raise SourceError(
            f"{file.origin}: the record that begins in line {problem.line:,}, at byte {problem.begin:,}, is longer "
            f"than {stream.max_record_bytes:,} bytes",
            value=file.origin,
            fix="if it is a CSV file, raise max_record_bytes",
        ) from None


def _ends_in_bare_cr(begin: bytes, notation: Notation) -> bool:
    """Whether the first line of a text ends in CR alone."""
    if b"\r" not in begin:
        return False
    match = replace(notation, bare_cr=True).record.match(begin.removeprefix(b"\xef\xbb\xbf"))
    return bool(match) and match[0].endswith(b"\r") and match.end() < len(begin)  # type: ignore[index,union-attr]


def _ends_in_cr(found: Slice) -> set[bool]:
    """The kinds of line end in a slice: True for CR LF, False for LF."""
    if b"\r" not in found.data:
        return {False}
    text = np.frombuffer(found.data, np.uint8)
    ended = found.ends[text[found.ends - 1] == 10]
    with_cr = (ended > 1) & (text[np.maximum(ended - 2, 0)] == 13)
    last = found.data[-1:] == b"\r"  # the slice ends within a CR LF, or in a bare CR
    return set(with_cr.tolist()) | ({True, False} if last else set())


def _header(stream: FileStream, file: LocalFile, found: Slice, number: int, text: bytes) -> tuple[str, ...]:
    if number in found.faults:
        raise SourceError(
            f"the header of {file.origin} cannot be read: {found.faults[number]}", value=file.origin
        )
    notation = Notation(stream.delimiter.encode(), stream.quote.encode())
    try:
        cells = [cell.decode() for cell in notation.cells(text)]
    except UnicodeDecodeError:
        raise SourceError(
            f"the header of {file.origin} is not {stream.encoding}",
            value=file.origin,
            fix='set encoding = "…"',
        ) from None
    return tuple(header_names(stream, file, cells))


def _refuse_open_quote(stream: FileStream, file: LocalFile, found: Slice, first: int) -> None:
    if stream.open_quote == "refuse":
        return
    for number, fault in found.faults.items():
        if number >= first and fault.startswith("open quote"):
            raise SourceError(
                f"{file.origin} has an {fault}",
                value=file.origin,
                fix='close it, or set open_quote = "refuse"',
            )


def text_of(found: Slice, number: int) -> bytes:
    """A record of a slice, without its line end."""
    return found.data[int(found.starts[number]) : int(found.text_ends()[number])]
