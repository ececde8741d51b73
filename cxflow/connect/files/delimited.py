"""Reads CSV and TSV. Every cell stays text as it was written; every record is read or refused whole.

`records` finds the records of a file by its bytes and counts them; DuckDB reads their cells. A file in which DuckDB
would stumble (two kinds of line end, cells missing, bytes that are not UTF-8) is taken apart first: what can be read
goes into a copy, and each line that cannot is refused with its reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import duckdb
import numpy as np

from cxflow.connect.column_names import unique_names
from cxflow.connect.files.items import Items, rejected, with_origin
from cxflow.connect.files.records import Notation, RecordTooLongError, Slice, runs, slices, widths
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, as_utf8, opened, plainly_named, reading
from cxflow.errors import SourceError
from cxflow.model.reading import Count, Item, Query, Reject
from cxflow.model.sql import literal, literals

_DUCKDB_LINE_BYTES = 2_000_000
"""What DuckDB takes for a line's length unless told otherwise."""


@dataclass(frozen=True, slots=True)
class _Examined:
    """What a look at all bytes of a file tells."""

    file: LocalFile
    notation: Notation
    names: tuple[str, ...]
    """Of the columns."""
    before: int
    """Records before the data: rows to skip, blank lines, the header."""
    records: int
    """Of the data, those that cannot be read among them."""
    is_plain: bool
    """Whether DuckDB can read the file as it is, as far as its quotes and line ends go."""
    line_end: str
    longest: int
    """Bytes of the longest record."""
    size: int
    """Bytes of all."""
    is_copy: bool = False
    """Whether it was taken apart: its file holds the data alone, each line ending in LF."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What files have in common that one `read_csv` reads."""

    names: tuple[str, ...]
    has_header: bool
    line_end: str
    is_long: bool


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read CSV or TSV files. Raises SourceError for a file that is not what it is declared to be."""
    examined = []
    for file in files:
        source = as_utf8(stream, file, folder)
        with reading(file):
            found = _examine(stream, source)
        yield Count(found.records, file.origin, _place(source), remark_none=_is_filled(file))
        if not found.records:
            continue
        if not found.is_plain:
            found = yield from _taken_apart(stream, found, folder)
        examined.append(found)
    for group, members in _grouped(stream, examined).items():
        try:
            yield _query(stream, group, members, database, folder)
        except duckdb.InvalidInputException:
            if all(each.is_copy for each in members):
                raise
            yield from _read_damaged(stream, members, database, folder)


def _read_damaged(
    stream: FileStream, members: list[_Examined], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read files of which DuckDB could not read one as it is."""
    copies = []
    for each in members:
        copy = each if each.is_copy else (yield from _taken_apart(stream, each, folder))
        copies.append(copy)
    for group, some in _grouped(stream, copies).items():
        yield _query(stream, group, some, database, folder)


def _grouped(stream: FileStream, examined: list[_Examined]) -> dict[_Group, list[_Examined]]:
    groups: dict[_Group, list[_Examined]] = {}
    for each in examined:
        has_header = not each.is_copy and not stream.columns
        group = _Group(each.names, has_header, each.line_end, each.longest > _DUCKDB_LINE_BYTES)
        groups.setdefault(group, []).append(each)
    return groups


def _query(
    stream: FileStream,
    group: _Group,
    members: list[_Examined],
    database: duckdb.DuckDBPyConnection,
    folder: Path,
) -> Query:
    files = [plainly_named(each.file, folder) for each in members]
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in group.names)
    longest = max(each.longest for each in members)
    usual = sum(each.size for each in members) // sum(each.records for each in members)
    limits = f", max_line_size = {longest + 2}, buffer_size = {2 * longest + 4}" if group.is_long else ""
    read = (
        f"read_csv({literals([str(file.path) for file in files])}, delim = {literal(stream.delimiter)}, "
        f"quote = {literal(stream.quote)}, escape = {literal(stream.quote)}, "
        f"header = {'true' if group.has_header else 'false'}, new_line = {literal(group.line_end)}, "
        f"columns = {{{columns}}}, auto_detect = false, nullstr = {literals(stream.null_values)}, "
        f"hive_partitioning = false{limits})"
    )
    numbered = f"(SELECT *, file_index AS _cxflow_file FROM {read})"
    sql = with_origin(database, numbered, files, "_cxflow_file")
    return Query(database, sql, record_bytes=longest if group.is_long else usual)


def _examine(stream: FileStream, file: LocalFile) -> _Examined:
    """Read the header, and count what follows it."""
    notation = Notation(stream.delimiter.encode(), stream.quote.encode())
    names: tuple[str, ...] = stream.columns
    to_skip, before, records, longest, size, blanks = stream.skip_rows, 0, 0, 0, 0, 0
    has_names, is_plain = bool(names), True
    ends_in_cr: set[bool] = set()
    with opened(stream, file) as source:
        if _ends_in_bare_cr(source.peek(1), notation):  # type: ignore[attr-defined]
            notation, is_plain = replace(notation, bare_cr=True), False
        for found in _slices(stream, file, source, notation):
            first, blank = 0, found.blank
            count = len(found.ends)
            while first < count and (to_skip or not has_names):
                if to_skip:
                    to_skip -= 1
                elif (text := _text(found, first)).strip(b" \t"):
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
    return _Examined(
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


def _slices(stream: FileStream, file: LocalFile, source: IO[bytes], notation: Notation) -> Iterator[Slice]:
    try:
        yield from slices(source, notation, stream.max_record_bytes)
    except RecordTooLongError as problem:
        raise SourceError(
            f"{file.origin}: the record that begins in line {problem.line:,}, at byte {problem.begin:,}, is longer "
            f"than {stream.max_record_bytes:,} bytes",
            value=file.origin,
            fix="is it a CSV file? then raise max_record_bytes",
        ) from None


def _ends_in_bare_cr(begin: bytes, notation: Notation) -> bool:
    """Whether the first line of a text ends in CR alone."""
    if b"\r" not in begin:
        return False
    match = replace(notation, bare_cr=True).record.match(begin.removeprefix(b"\xef\xbb\xbf"))
    return bool(match) and match[0].endswith(b"\r") and match.end() < len(begin)  # type: ignore[index,union-attr]


def _ends_in_cr(found: Slice) -> set[bool]:
    """Which kinds of line end a slice has: whether there is a CR before the LF."""
    if b"\r" not in found.data:
        return {False}
    text = np.frombuffer(found.data, np.uint8)
    ended = found.ends[text[found.ends - 1] == 10]
    with_cr = (ended > 1) & (text[np.maximum(ended - 2, 0)] == 13)
    last = found.data[-1:] == b"\r"  # cut off behind it
    return set(with_cr.tolist()) | ({True, False} if last else set())


def _header(stream: FileStream, file: LocalFile, found: Slice, number: int, text: bytes) -> tuple[str, ...]:
    if number in found.faults:
        raise SourceError(
            f"the header of {file.origin} cannot be read: {found.faults[number]}", value=file.origin
        )
    notation = Notation(stream.delimiter.encode(), stream.quote.encode())
    try:
        names = unique_names(cell.decode() for cell in notation.cells(text))
    except UnicodeDecodeError:
        raise SourceError(
            f"the header of {file.origin} is not {stream.encoding}",
            value=file.origin,
            fix='say how it is written: encoding = "…"',
        ) from None
    if len(names) > stream.max_columns:
        raise SourceError(
            f"{file.origin} has {len(names):,} columns, more than {stream.max_columns:,}",
            value=file.origin,
            fix="is that its header? then raise max_columns",
        )
    return tuple(names)


def _refuse_open_quote(stream: FileStream, file: LocalFile, found: Slice, first: int) -> None:
    if stream.open_quote == "refuse":
        return
    for number, fault in found.faults.items():
        if number >= first and fault.startswith("open quote"):
            raise SourceError(
                f"{file.origin} has an {fault}",
                value=file.origin,
                fix='close it, or say open_quote = "refuse"',
            )


def _text(found: Slice, number: int) -> bytes:
    """A record of a slice, without its line end."""
    return found.data[int(found.starts[number]) : int(found.text_ends()[number])]


def _is_filled(file: LocalFile) -> bool:
    with reading(file):
        return file.path.stat().st_size > 0


def _place(file: LocalFile) -> str:
    with suppress(OSError):
        return f"bytes 0 to {file.path.stat().st_size:,}"
    return ""


def _taken_apart(stream: FileStream, seen: _Examined, folder: Path) -> Generator[Item, None, _Examined]:
    """Copy what can be read of a file, each line ending in LF, and give the rest as rejects."""
    before = seen.before
    with (
        reading(seen.file),
        opened(stream, seen.file) as source,
        tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".txt", delete=False) as copy,
    ):
        for found in _slices(stream, seen.file, source, seen.notation):
            faults = dict(found.faults)
            wide = widths(found, seen.notation)
            blank = found.blank
            for number in np.flatnonzero(wide != len(seen.names)).tolist():
                kind = "missing columns" if wide[number] < len(seen.names) else "too many columns"
                faults.setdefault(number, f"{kind} in line {_line_of(found, number, seen.notation)}")
            faults |= _not_utf8(found, seen.notation)
            is_data = np.arange(len(found.ends)) >= before
            before = max(0, before - len(found.ends))
            bad = sorted(number for number in faults if is_data[number] and not blank[number])
            good = is_data & ~blank
            good[bad] = False
            _write(copy, found, good, seen.notation)
            yield from rejected(seen.file, (Reject(faults[number], _text(found, number)) for number in bad))
    file = replace(seen.file, path=Path(copy.name))
    return replace(seen, file=file, line_end="\\n", is_copy=True)


def _write(copy: IO[bytes], found: Slice, good: np.ndarray, notation: Notation) -> None:
    starts, ends = found.starts, found.ends
    if found.is_regular and b"\r" not in found.data and found.data.endswith(b"\n"):
        for first, last in runs(good):
            copy.write(found.data[int(starts[first]) : int(ends[last - 1])])
        return
    text_ends = found.text_ends()
    for number in np.flatnonzero(good).tolist():
        text = found.data[int(starts[number]) : int(text_ends[number])]
        if text[:1] == b" " and notation.quote and text.lstrip(b" ").startswith(notation.quote):
            text = text.lstrip(b" ")  # DuckDB takes them off before every cell but the first
        copy.write(text + b"\n")


def _not_utf8(found: Slice, notation: Notation) -> dict[int, str]:
    """The records with bytes that are not UTF-8, and why they cannot be read."""
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
