"""Scans all bytes of a delimited file for its header, its number of records, and whether DuckDB can read it as it is.

Called by `delimited`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

import numpy as np

from cxflow.connect.files.counting import Counting
from cxflow.connect.files.header_names import header_names
from cxflow.connect.files.records import Notation, RecordTooLongError, Slice, slices
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, opened
from cxflow.errors import SourceError
from cxflow.model.stream import Stream


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
    is_mostly_crlf: bool = False
    """Whether most of its lines end in CR LF, but not all."""


_SEPARATOR = re.compile(
    rb'(?:\xef\xbb\xbf)?"?[sS][eE][pP]=([\t\x20\x21\x23-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e])"?(?:\r\n?|\n|\Z)'
)
"""A first line that tells the delimiter to Excel, and is no row."""
_DELIMITERS = ";\t|,"
"""The usual ones."""


def examine(stream: FileStream, file: LocalFile, counting: Counting) -> Examined:
    """Read the header, and count the records after it, a step of `counting`.

    Raises SourceError if the file is not as declared.
    """
    names: tuple[str, ...] = stream.columns
    to_skip, before, records, longest, size, blanks = stream.skip_rows, 0, 0, 0, 0, 0
    has_names, is_plain = bool(names), True
    ends_in_cr: set[bool] = set()
    crlf = 0
    with opened(stream, file) as source:
        notation, has_separator = _notation(stream, file, source.peek(1))  # type: ignore[attr-defined]
        to_skip = max(to_skip, has_separator)
        if _ends_in_bare_cr(source.peek(1), notation):  # type: ignore[attr-defined]
            notation, is_plain = replace(notation, bare_cr=True), False
        for found in file_slices(stream, file, source, notation):
            first, blank = 0, found.blank
            count = len(found.ends)
            while first < count and (to_skip or not has_names):
                if to_skip:
                    to_skip -= 1
                elif text_of(found, first).strip(b" \t"):
                    names, has_names = _header(stream, file, found, first, notation), True
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
            crlf += found.data.count(b"\r\n") if b"\r" in found.data else 0
            counting.at(source, records)
    counting.add(records)
    if stream.columns and before:
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
        is_mostly_crlf=len(ends_in_cr) > 1 and not notation.bare_cr and 2 * crlf > before + records + blanks,
    )


def header(stream: FileStream, file: LocalFile, source: IO[bytes]) -> tuple[str, ...]:
    """The column names of a file, read no further than its header; empty if there is none. `source` is its text."""
    if stream.columns:
        return stream.columns
    begin = source.peek(1)  # type: ignore[attr-defined]
    notation, has_separator = _notation(stream, file, begin)
    if _ends_in_bare_cr(begin, notation):
        notation = replace(notation, bare_cr=True)
    to_skip = max(stream.skip_rows, has_separator)
    for found in file_slices(stream, file, source, notation):
        for number in range(len(found.ends)):
            if to_skip:
                to_skip -= 1
            elif text_of(found, number).strip(b" \t"):
                return _header(stream, file, found, number, notation)
    return ()


def _notation(stream: FileStream, file: LocalFile, begin: bytes) -> tuple[Notation, bool]:
    """The syntax of a file, and whether its first line tells the delimiter (`sep=;`).

    Raises SourceError if that is not the declared one.
    """
    is_declared = "delimiter" in stream.model_fields_set
    usual = "\t" if stream.file_format(file.origin) == "tsv" else ","
    delimiter = stream.delimiter if is_declared else usual
    told = _SEPARATOR.match(begin)
    if told:
        delimiter = told[1].decode()
        if is_declared and delimiter != stream.delimiter:
            raise SourceError(
                f"{file.origin} says that its cells are separated by {json.dumps(delimiter)} (`sep=`), and the stream "
                f"that they are by {json.dumps(stream.delimiter)}",
                value=file.origin,
                fix="remove delimiter: then each such file is read as it says",
            )
    return Notation(delimiter.encode(), stream.quote.encode()), told is not None


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


def _header(
    stream: FileStream, file: LocalFile, found: Slice, number: int, notation: Notation
) -> tuple[str, ...]:
    text = text_of(found, number)
    if number in found.faults:
        if notation.delimiter not in text:
            _refuse_other_delimiter(stream, file, text.decode(errors="replace"), notation)
        raise SourceError(
            f"the header of {file.origin} cannot be read: {found.faults[number]}", value=file.origin
        )
    try:
        cells = [cell.decode() for cell in notation.cells(text)]
    except UnicodeDecodeError:
        raise SourceError(
            f"the header of {file.origin} is not {stream.encoding}",
            value=file.origin,
            fix='set encoding = "…"',
        ) from None
    if len(cells) == 1:
        _refuse_other_delimiter(stream, file, cells[0], notation)
    return tuple(header_names(stream, file, cells))


def _refuse_other_delimiter(stream: FileStream, file: LocalFile, name: str, notation: Notation) -> None:
    """Raise SourceError if the only name of a header seems to be several, unless the mapping speaks of that name."""
    marks = [mark for mark in _DELIMITERS if mark in name and mark.encode() != notation.delimiter]
    if not marks or name.strip().lower() in _mapping(stream).lower():
        return
    mark = max(marks, key=name.count)
    raise SourceError(
        f"the header of {file.origin} has one column and contains {json.dumps(mark)}: its cells seem to be separated "
        f"by that and not by {json.dumps(notation.delimiter.decode())}",
        value=file.origin,
        fix=f"set delimiter = {json.dumps(mark)}; if only some files are written so, declare a stream for them",
    )


def _mapping(stream: Stream) -> str:
    """All expressions of the stream, one per line."""
    texts = [
        *stream.primary_key,
        *stream.identifiers.values(),
        stream.version,
        stream.deleted,
        *stream.may_lack,
    ]
    for projection in (item for items in stream.to.values() for item in items):
        texts += [*projection.columns.values(), projection.where, projection.for_each]
    return "\n".join(text for text in texts if text)


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
