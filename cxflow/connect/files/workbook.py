"""Reads a sheet of an XLSX file, some rows at a time. openpyxl reads the cells; the independent count is the number of
rows with a value in the sheet's XML."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice, zip_longest
from pathlib import Path
from posixpath import join, normpath
from typing import Any
from xml.etree import ElementTree

import duckdb
import pyarrow as pa

from cxflow.connect.files import sheet_xml
from cxflow.connect.files.header_names import header_names
from cxflow.connect.files.items import Batches, Items, origin_columns, rejected
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, reading
from cxflow.errors import ConfigError, CxflowError, SourceError
from cxflow.model.names import nearest
from cxflow.model.reading import Count, Header, Reject

_CHUNK_CELLS = 200_000
"""Cells held in memory at a time."""
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

_Row = tuple[Any, ...]


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, _folder: Path
) -> Items:
    """Read the declared sheet of each file, or its first. Blank rows are not records."""
    for file in files:
        _refuse_large(stream, file)
        part = _sheet_part(stream, file)
        with reading(file), _readable(file):
            sheet = sheet_xml.scan(file, part, stream.null_values)
        with _rows(stream, file) as rows:
            numbered = enumerate(rows, start=1)
            above = [row for _, row in islice(numbered, stream.skip_rows)]
            filled = ((number, row) for number, row in numbered if _has_value(row) or number in sheet.faults)
            names = list(stream.columns)
            header: _Row = ()
            number = stream.skip_rows
            if not names:
                number, header = next((each for each in filled if _has_value(each[1])), (number, ()))
                names = header_names(stream, file, _without_empty_end(header))
            skipped = sum(map(_has_value, above)) + _has_value(header)
            skipped += sum(each <= number and each in sheet.only_faults for each in sheet.faults)
            count = sheet.rows - skipped
            merges = [each for each in sheet.merges if each.last_row > number]
            if merges and stream.merged_cells == "refuse":
                raise SourceError(
                    f"{file.origin} has merged cells in its data ({merges[0].shown}): all but one of them are empty",
                    value=file.origin,
                    fix='unmerge them; or set merged_cells = "repeat", if each stands for all of them',
                )
            told = Header(dict.fromkeys(names, "VARCHAR"), file.received_at) if header else None
            yield Count(count, file.origin, remark_none=True, header=told)
            if names:
                yield from _read_rows(stream, file, _repeated(filled, merges), names, sheet.faults, database)


def header(stream: FileStream, file: LocalFile) -> tuple[str, ...]:
    """The column names of the sheet; empty if there are none."""
    if stream.columns:
        return stream.columns
    _refuse_large(stream, file)
    with _rows(stream, file) as rows:
        filled = (row for row in islice(rows, stream.skip_rows, None) if _has_value(row))
        return tuple(header_names(stream, file, _without_empty_end(next(filled, ()))))


def first_rows(stream: FileStream, file: LocalFile, most: int) -> list[tuple[Any, ...]]:
    """The first rows of the sheet, the blank ones included."""
    _refuse_large(stream, file)
    with _rows(stream, file) as rows:
        return list(islice(rows, most))


def sheets(file: LocalFile) -> list[str]:
    """The names of a file's sheets, in order. Raises SourceError for a damaged file."""
    book = _openpyxl()
    with reading(file), file.path.open("rb") as raw, warnings.catch_warnings(), _readable(file):
        warnings.simplefilter("ignore")
        opened = book.load_workbook(raw, read_only=True)
        try:
            return [sheet.title for sheet in opened.worksheets]
        finally:
            opened.close()


def _read_rows(
    stream: FileStream,
    file: LocalFile,
    rows: Iterator[tuple[int, _Row]],
    names: list[str],
    faults: Mapping[int, str],
    database: duckdb.DuckDBPyConnection,
) -> Items:
    schema = pa.schema([(name, pa.string()) for name in names])
    refused: list[Reject] = []

    def batches() -> Iterator[pa.RecordBatch]:
        size = max(_CHUNK_CELLS // len(names), 1)
        while chunk := list(islice(rows, size)):
            kept = []
            for number, row in chunk:
                if fault := faults.get(number) or (
                    _has_value(row[len(names) :]) and "more cells than columns"
                ):
                    refused.append(Reject(fault, _shown(row)))
                else:
                    kept.append(row)
            columns = zip_longest(*(row[: len(names)] for row in kept)) if kept else iter(())
            texts = [[_cell(value, stream) for value in column] for column in columns]
            texts += [[None] * len(kept)] * (len(names) - len(texts))
            yield pa.record_batch([pa.array(column, pa.string()) for column in texts], schema=schema)

    where = origin_columns(database, [file], "0")
    yield from Batches(schema, batches).query(database, f"SELECT *, {where} FROM batches")
    yield from rejected(file, refused)


@contextmanager
def _rows(stream: FileStream, file: LocalFile) -> Iterator[Iterator[_Row]]:
    """The rows of the sheet, read lazily. Raises SourceError for a damaged file, also while they are read."""
    openpyxl = _openpyxl()
    with reading(file), file.path.open("rb") as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unsupported styles and extensions
        with _readable(file):
            book = openpyxl.load_workbook(raw, read_only=True, data_only=True)
        try:
            name = _sheet_name(stream, file, [sheet.title for sheet in book.worksheets])
            sheet = book[name] if name is not None else None
            if sheet is not None:
                sheet.reset_dimensions()  # the declared size may be stale
            yield _watched(file, sheet.iter_rows(values_only=True) if sheet is not None else iter(()))
        finally:
            book.close()


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ImportError as problem:
        raise ConfigError("reading XLSX needs openpyxl", fix="install cxflow-framework[excel]") from problem
    return openpyxl


@contextmanager
def _readable(file: LocalFile) -> Iterator[None]:
    try:
        yield
    except (CxflowError, duckdb.Error):
        raise
    except Exception as problem:
        raise SourceError(f"{file.origin} is not a readable XLSX file", value=file.origin) from problem


def _watched(file: LocalFile, rows: Iterator[_Row]) -> Iterator[_Row]:
    with _readable(file):
        yield from rows


def _sheet_name(stream: FileStream, file: LocalFile, names: list[str]) -> str | None:
    if stream.sheet is None:
        return names[0] if names else None
    if stream.sheet not in names:
        raise SourceError(
            f"{file.origin} has no sheet {stream.sheet!r}{nearest(stream.sheet, names)}",
            value=stream.sheet,
            fix=f"its sheets: {', '.join(names)}",
        )
    return stream.sheet


def _refuse_large(stream: FileStream, file: LocalFile) -> None:
    """Raise SourceError for a file that unpacks to more than allowed: its shared strings are held in memory."""
    with reading(file), _readable(file), zipfile.ZipFile(file.path) as parts:
        size = sum(part.file_size for part in parts.infolist())
        if size > stream.max_workbook_bytes:
            raise SourceError(
                f"{file.origin} unpacks to {size:,} bytes, more than {stream.max_workbook_bytes:,}",
                value=file.origin,
                fix="if that is intended, raise max_workbook_bytes (it needs as much memory), or export CSV",
            )


def _repeated(
    rows: Iterator[tuple[int, _Row]], merges: Sequence[sheet_xml.Range]
) -> Iterator[tuple[int, _Row]]:
    """The rows, with the value of each merged range in all of its cells."""
    waiting = sorted(merges, key=lambda each: each.row)
    active: list[tuple[sheet_xml.Range, Any]] = []
    for number, row in rows:
        active = [each for each in active if each[0].last_row >= number]
        while waiting and waiting[0].row <= number:
            found = waiting.pop(0)
            if found.last_row >= number:
                active.append((found, row[found.column - 1] if found.column <= len(row) else None))
        if active:
            cells = [*row, *[None] * (max(each.last_column for each, _ in active) - len(row))]
            for each, value in active:
                cells[each.column - 1 : each.last_column] = [value] * (each.last_column - each.column + 1)
            row = tuple(cells)
        yield number, row


def _sheet_part(stream: FileStream, file: LocalFile) -> str | None:
    """The name of the XML part with the sheet's rows."""
    with reading(file), _readable(file), zipfile.ZipFile(file.path) as parts:
        book = next((name for name in parts.namelist() if re.fullmatch(r"xl/workbook\d*\.xml", name)), None)
        if book is None:
            return None
        workbook = ElementTree.fromstring(parts.read(book))
        relations = ElementTree.fromstring(parts.read(f"xl/_rels/{book.removeprefix('xl/')}.rels"))
    targets = {
        each.get("Id"): each.get("Target", "")
        for each in relations
        if each.get("Type", "").endswith("/worksheet")
    }
    for sheet in (each for each in workbook.iter() if each.tag.endswith("}sheet")):
        target = targets.get(sheet.get(_RELATION))
        if target is not None and stream.sheet in (None, sheet.get("name")):
            return normpath(target.lstrip("/") if target.startswith("/") else join("xl", target))
    return None


def _has_value(row: _Row) -> bool:
    return any(value is not None for value in row)


def _without_empty_end(row: _Row) -> _Row:
    """A header without the empty cells after its last name."""
    last = max((at for at, value in enumerate(row, start=1) if value is not None), default=0)
    return row[:last]


def _shown(row: _Row) -> bytes:
    return "\t".join("" if value is None else str(value) for value in row).encode()


def _cell(value: Any, stream: FileStream) -> str | None:
    """A cell as text: whole numbers without a point, others with the stream's decimal mark, times in ISO 8601,
    durations as h:mm:ss."""
    if value is None:
        return None
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() else str(value).replace(".", stream.decimal)
    elif isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        text = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    elif isinstance(value, date) and not isinstance(value, datetime):
        text = f"{value.isoformat()}T00:00:00"
    else:
        text = str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
    return None if text == "" or text in stream.null_values else text
