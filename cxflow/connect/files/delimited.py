"""Reads CSV and TSV. Every cell stays text as written; every record is read or refused as a whole.

`records` finds and counts the records of a file by its bytes; DuckDB reads their cells. A file that DuckDB cannot read
(mixed line ends, missing cells, bytes that are not UTF-8) is cleaned first: its readable records go into a copy, and
every other line is refused with its reason.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxflow.connect.files.copies import cleaned, combined
from cxflow.connect.files.counting import Counting
from cxflow.connect.files.examined import Examined, examine
from cxflow.connect.files.items import Items, origin_columns, with_origin
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, as_utf8, plainly_named, reading
from cxflow.duck import literal, literals
from cxflow.model.reading import Count, Header, Query

_DUCKDB_LINE_BYTES = 2_000_000
"""DuckDB's default for the longest line."""
_MANY_FILES = 50
_SMALL_BYTES = 1 << 18
"""More than _MANY_FILES files of at most this size are read as one: DuckDB takes milliseconds to open a file."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The properties shared by files that one `read_csv` reads."""

    names: tuple[str, ...]
    delimiter: str
    has_header: bool
    line_end: str
    is_long: bool


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read CSV or TSV files. Raises SourceError for a file that is not as declared."""
    examined = []
    shapes: dict[tuple[str, ...], dict[str, str]] = {}  # shared: there may be very many files
    counting = Counting(files)
    for file in counting:
        source = as_utf8(stream, file, folder)
        with reading(file):
            found = examine(stream, source, counting)
        header = None
        if found.names and not stream.columns:
            columns = shapes.setdefault(found.names, dict.fromkeys(found.names, "VARCHAR"))
            header = Header(columns, file.received_at)
        yield Count(found.records, file.origin, _place(source), _is_filled(file), header)
        if found.records:
            examined.append(found)
    small = [each for each in examined if each.size <= _SMALL_BYTES]
    if len(small) > _MANY_FILES:
        yield from _read_small(stream, small, database, folder)
        examined = [each for each in examined if each.size > _SMALL_BYTES]
    ready = []
    for each in examined:
        ready.append(each if each.is_plain else (yield from cleaned(stream, each, folder)))  # noqa: PERF401  yields
    for group, members in _grouped(stream, ready).items():
        try:
            yield _query(stream, group, members, database, folder)
        except duckdb.InvalidInputException:
            if all(each.is_copy for each in members):
                raise
            yield from _read_damaged(stream, members, database, folder)


def _read_small(
    stream: FileStream, examined: list[Examined], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read very many small files, combining those with the same header."""
    by_names: dict[tuple[tuple[str, ...], str], list[Examined]] = {}
    for each in examined:
        by_names.setdefault((each.names, each.notation.delimiter.decode()), []).append(each)
    for (names, delimiter), members in by_names.items():
        path = yield from combined(stream, members, folder)
        options = ", header = false, new_line = '\\n'"
        read = _read_csv(stream, [str(path)], delimiter, ("_cxflow_file", *names), options)
        where = origin_columns(database, [each.file for each in members], "substr(_cxflow_file, 2)")
        yield Query(database, f"SELECT * EXCLUDE (_cxflow_file), {where} FROM {read}")


def _read_damaged(
    stream: FileStream, members: list[Examined], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read cleaned copies of files, at least one of which DuckDB could not read as it is."""
    copies = []
    for each in members:
        copies.append(each if each.is_copy else (yield from cleaned(stream, each, folder)))  # noqa: PERF401  yields
    for group, some in _grouped(stream, copies).items():
        yield _query(stream, group, some, database, folder)


def _grouped(stream: FileStream, examined: list[Examined]) -> dict[_Group, list[Examined]]:
    groups: dict[_Group, list[Examined]] = {}
    for each in examined:
        has_header = not each.is_copy and not stream.columns
        delimiter = each.notation.delimiter.decode()
        group = _Group(each.names, delimiter, has_header, each.line_end, each.longest > _DUCKDB_LINE_BYTES)
        groups.setdefault(group, []).append(each)
    return groups


def _query(
    stream: FileStream,
    group: _Group,
    members: list[Examined],
    database: duckdb.DuckDBPyConnection,
    folder: Path,
) -> Query:
    files = [plainly_named(each.file, folder) for each in members]
    longest = max(each.longest for each in members)
    usual = sum(each.size for each in members) // sum(each.records for each in members)
    options = f", header = {'true' if group.has_header else 'false'}, new_line = {literal(group.line_end)}"
    if group.is_long:
        options += f", max_line_size = {longest + 2}, buffer_size = {2 * longest + 4}"
    read = _read_csv(stream, [str(file.path) for file in files], group.delimiter, group.names, options)
    numbered = f"(SELECT *, file_index AS _cxflow_file FROM {read})"
    sql = with_origin(database, numbered, files, "_cxflow_file")
    records = sum(each.records for each in members)
    return Query(database, sql, record_bytes=longest if group.is_long else usual, records=records)


def _read_csv(
    stream: FileStream, paths: list[str], delimiter: str, names: tuple[str, ...], options: str
) -> str:
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literals(paths)}, delim = {literal(delimiter)}, quote = {literal(stream.quote)}, "
        f"escape = {literal(stream.quote)}, columns = {{{columns}}}, auto_detect = false, "
        f"nullstr = {literals(stream.null_values)}, hive_partitioning = false{options})"
    )


def _is_filled(file: LocalFile) -> bool:
    with reading(file):
        return file.path.stat().st_size > 0


def _place(file: LocalFile) -> str:
    with suppress(OSError):
        return f"bytes 0 to {file.path.stat().st_size:,}"
    return ""
