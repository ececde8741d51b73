"""File formats: each function lands local files of one format through a sink. Called by `files`.

Text stays text: nothing is cast here, so that leading zeros, odd dates and big numbers arrive as they were
written. DuckDB reads and writes; Python only looks at headers (and at XLSX, which DuckDB cannot read
offline).
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow import scratch
from cxflow.connect.column_names import PATH as _PATH
from cxflow.connect.column_names import RESERVED as RESERVED
from cxflow.connect.column_names import unique_names as unique_names
from cxflow.connect.connector import Sink
from cxflow.connect.text import LocalFile, open_text, plainly_named, readable, reading
from cxflow.errors import ConfigError, SourceError
from cxflow.model.names import nearest
from cxflow.model.sql import identifier, literal, literals
from cxflow.model.workbench import workbench

if TYPE_CHECKING:
    from cxflow.connect.files import FileStream

_LINES = "max_line_size = 67108864, buffer_size = 67108865"
"""In bytes. Left alone, DuckDB takes a buffer sixteen times as long as a line may be: more than it may have."""


def land(stream: FileStream, files: list[LocalFile], sink: Sink, folder: Path) -> None:
    """Land files, all of the stream's format. `folder` is for scratch files.

    Raises SourceError that names the file where one cannot be read as what it is declared to be.
    """
    try:
        with workbench() as database:
            _FORMATS[stream.file_format(files[0].origin)](stream, files, sink, database, folder)
    except duckdb.Error as problem:
        if scratch.is_full(problem):
            raise  # not the file's fault
        text = str(problem)
        culprit = next((file.origin for file in files if str(file.path) in text), files[0].origin)
        # What follows these words is a piece of the file, and may be personal: not for a message or a chain.
        why = re.split(r" with value | Input: |\n", text)[0]
        raise SourceError(f"{culprit} cannot be read: {why}", value=culprit) from None


def _csv(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    by_header: dict[tuple[int, tuple[str, ...]], list[LocalFile]] = {}
    for file in files:
        source = readable(file, stream.encoding, folder, stream.quote)
        header = (stream.skip_rows, stream.columns) if stream.columns else _header(stream, source)
        if header[1]:
            by_header.setdefault(header, []).append(source)
    for (skip, names), group in by_header.items():
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        read = (
            f"read_csv({literals([str(file.path) for file in group])}, delim = {literal(stream.delimiter)}, "
            f"quote = {literal(stream.quote)}, escape = {literal(stream.quote)}, "
            f"header = {'false' if stream.columns else 'true'}, skip = {skip}, "
            f"columns = {{{columns}}}, auto_detect = false, nullstr = {literals(stream.null_values)}, "
            f"{_LINES}, store_rejects = true, filename = {literal(_PATH)})"
        )
        if len(names) == 1:  # of one column, a blank line reads as a record without a value
            read += f" WHERE {identifier(names[0])} IS NOT NULL"
        _query_with_rejects(database, sink, _with_origin(read, group), group)


def _query_with_rejects(
    database: duckdb.DuckDBPyConnection, sink: Sink, sql: str, files: list[LocalFile]
) -> None:
    """Land a query over `read_csv`, then the lines that it could not read, each once."""
    database.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    sink.query(database, sql)
    sink.malformed(
        database,
        f"SELECT {_origin('s.file_path', files)} AS _origin, "
        f"{_received('s.file_path', files)} AS _received_at, "
        "lower(min(e.error_type::VARCHAR)) || ' in line ' || e.line AS reason, min(e.csv_line) AS payload "
        "FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
        "GROUP BY s.file_path, e.line ORDER BY s.file_path, e.line",
    )


def _header(stream: FileStream, file: LocalFile) -> tuple[int, tuple[str, ...]]:
    """The number of lines before the header, blank ones included, and the column names; none for an empty
    file."""
    skip = stream.skip_rows
    # A delimiter of several characters is one to the csv module that no header holds.
    mark = stream.delimiter if len(stream.delimiter) == 1 else "\x1f"
    with reading(file), open_text(file.path, errors="surrogateescape") as text:
        for _ in range(skip):
            text.readline()
        for line in text:
            if line.strip(" \r\n\ufeff"):
                break
            skip += 1
        else:
            return skip, ()
        lines = (each.replace(stream.delimiter, mark) for each in chain([line], text))
        quoting: dict[str, Any] = (
            {"quotechar": stream.quote} if stream.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        )
        try:
            names = unique_names(next(csv.reader(lines, delimiter=mark, **quoting), []))
        except csv.Error as problem:
            raise SourceError(
                f"the header of {file.origin} cannot be read: {problem}", value=file.origin
            ) from problem
    if any("\udc80" <= letter <= "\udcff" for name in names for letter in name):
        raise SourceError(
            f"the header of {file.origin} is not {stream.encoding}",
            value=file.origin,
            fix='say how it is written: encoding = "…"',
        )
    return skip, tuple(names)


def _lines(stream: FileStream, files: list[LocalFile], folder: Path) -> tuple[str, list[LocalFile]]:
    """A relation with each non-blank line of the files as `_line`, in order, and the files it reads."""
    sources = [readable(file, stream.encoding, folder) for file in files]
    # A delimiter that no text holds: the whole line is the one column.
    read = (
        f"read_csv({literals([str(file.path) for file in sources])}, "
        "delim = chr(31) || chr(30) || chr(29) || chr(28), quote = '', escape = '', "
        f"header = false, skip = {stream.skip_rows}, columns = {{'_line': 'VARCHAR'}}, auto_detect = false, "
        f"{_LINES}, store_rejects = true, filename = {literal(_PATH)})"
    )
    return f"(SELECT * FROM ({_with_origin(read, sources)}) WHERE trim(_line) <> '')", sources


def _jsonl(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    if not stream.skip_rows and _only_records(stream, files, sink, database, folder):
        return
    lines, sources = _lines(stream, files, folder)
    is_record = "json_valid(_line) AND ltrim(_line)[1] = '{'"
    records = f"SELECT _line AS _payload, _origin, _received_at FROM {lines} WHERE {is_record}"
    _query_with_rejects(database, sink, records, sources)
    sink.malformed(
        database,
        "SELECT _origin, _received_at, 'not a JSON object' AS reason, _line AS payload "
        f"FROM {lines} WHERE NOT ({is_record})",
    )


def _only_records(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> bool:
    """Land files in which every line is a record, in one reading; False, and nothing landed, where one is not."""
    sources = [readable(file, stream.encoding, folder) for file in files]
    read = (
        f"read_ndjson_objects({literals([str(file.path) for file in sources])}, filename = {literal(_PATH)})"
    )
    record = (
        "CASE WHEN starts_with(json::VARCHAR, '{') THEN json::VARCHAR ELSE error('no record') END AS _payload"
    )
    try:
        sink.query(database, f"SELECT {record}, _origin, _received_at FROM ({_with_origin(read, sources)})")
    except duckdb.InvalidInputException:
        return False
    return True


def _json(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    path = "$" + "".join(f'."{part}"' for part in (stream.records or "").split(".") if part)
    for file in files:
        source = readable(file, stream.encoding, folder)
        with reading(file), open_text(source.path) as text:
            document = pa.table({"document": [text.read().lstrip("\ufeff")]})
        database.register("document", document)
        # Asked first and alone: an error of a JSON function quotes the document.
        if _one(database, "SELECT json_valid(document) FROM document") != (True,):
            raise SourceError(f"{file.origin} is not valid JSON; is it cut off?", value=file.origin)
        if _one(database, f"SELECT json_type(document, {literal(path)}) FROM document") != ("ARRAY",):
            raise SourceError(
                f"{file.origin} has no list at {stream.records or 'its top'}",
                value=file.origin,
                fix='say where: records = "…"',
            )
        found = f"unnest(json_extract(document, {literal(f'{path}[*]')}))::VARCHAR"
        items = f"(SELECT {found} AS _line FROM document)"
        where = f"{literal(file.origin)} AS _origin, {_instant(file)} AS _received_at"
        sink.query(database, f"SELECT _line AS _payload, {where} FROM {items} WHERE ltrim(_line)[1] = '{{'")
        sink.malformed(
            database,
            f"SELECT {where}, 'not a JSON object' AS reason, _line AS payload FROM {items} "
            "WHERE ltrim(_line)[1] <> '{'",
        )


def _parquet(
    _stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    sources = [plainly_named(file, folder) for file in files]
    zoned: dict[str, bool] = {}
    by_names: dict[frozenset[str], list[LocalFile]] = {}
    for file in sources:
        with reading(file):
            try:
                schema = pq.read_schema(file.path)
            except pa.ArrowInvalid:
                raise SourceError(
                    f"{file.origin} is not a readable Parquet file; is it cut off?", value=file.origin
                ) from None
        by_names.setdefault(frozenset(schema.names), []).append(file)
        for field in schema:
            has_zone = pa.types.is_timestamp(field.type) and field.type.tz is not None
            if pa.types.is_timestamp(field.type) and zoned.setdefault(field.name, has_zone) != has_zone:
                # One relation holds them all, and would take the naive times for UTC.
                raise SourceError(
                    f"{file.origin}: times in {field.name!r} have a zone in some files and none in others",
                    value=field.name,
                    fix="give each kind a stream of its own",
                )
    for names, group in by_names.items():
        clashing = sorted(name for name in names if name.lower() in RESERVED)
        renamed = ", ".join(f"{identifier(name)} AS {identifier(f'{name}_2')}" for name in clashing)
        read = (
            f"(SELECT *{f' RENAME ({renamed})' if renamed else ''}, filename AS {_PATH} "
            f"FROM read_parquet({literals([str(file.path) for file in group])}, union_by_name = true))"
        )
        sink.query(database, _with_origin(read, group))


def _fixed_width(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    if not stream.fields:
        raise ConfigError("format fixed_width needs fields = { name = [first, last] }", stream=stream.name)
    lines, sources = _lines(stream, files, folder)
    shortest = max(first for first, _ in stream.fields.values())
    cells = ", ".join(
        f"CASE WHEN cell_{number} NOT IN ({', '.join(map(literal, ('', *stream.null_values)))}) "
        f"THEN cell_{number} END AS {identifier(name)}"
        for number, name in enumerate(stream.fields)
    )
    cuts = ", ".join(
        f"trim(substr(_line, {first}, {last - first + 1})) AS cell_{number}"
        for number, (first, last) in enumerate(stream.fields.values())
    )
    _query_with_rejects(
        database,
        sink,
        f"SELECT {cells}, _origin, _received_at FROM "
        f"(SELECT {cuts}, _origin, _received_at FROM {lines} WHERE length(_line) >= {shortest})",
        sources,
    )
    sink.malformed(
        database,
        "SELECT _origin, _received_at, 'line too short' AS reason, _line AS payload "
        f"FROM {lines} WHERE length(_line) < {shortest}",
    )


def _xlsx(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, _folder: Path
) -> None:
    for file in files:
        rows = _sheet_rows(stream, file)
        for _ in range(stream.skip_rows):
            next(rows, None)
        filled = (row for row in rows if any(value is not None for value in row))
        names = list(stream.columns) or unique_names(next(filled, ()))
        if not names:
            continue
        cells = [[_cell(value, stream.null_values) for value in row] for row in filled]
        sheet = pa.table(
            {
                name: pa.array([row[at] if at < len(row) else None for row in cells], pa.string())
                for at, name in enumerate(names)
            }
        )
        database.register("sheet", sheet)
        sink.query(
            database,
            f"SELECT *, {literal(file.origin)} AS _origin, {_instant(file)} AS _received_at FROM sheet",
        )


def _sheet_rows(stream: FileStream, file: LocalFile) -> Iterator[tuple[Any, ...]]:
    """A sheet's rows, read whole: openpyxl meets a damaged file only on the way."""
    try:
        import openpyxl
    except ImportError as problem:
        raise ConfigError("reading XLSX needs openpyxl", fix="install cxflow-framework[excel]") from problem
    with reading(file), file.path.open("rb") as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that it leaves aside
        try:
            book = openpyxl.load_workbook(raw, read_only=True, data_only=True)
            names = [sheet.title for sheet in book.worksheets]
            wanted = stream.sheet or (names[0] if names else None)
            rows = list(book[wanted].iter_rows(values_only=True)) if wanted in names else None
            book.close()
        except Exception as problem:
            raise SourceError(f"{file.origin} is not a readable XLSX file", value=file.origin) from problem
    if rows is None:
        raise SourceError(
            f"{file.origin} has no sheet {stream.sheet!r}{nearest(stream.sheet or '', names)}",
            value=stream.sheet,
            fix=f"its sheets: {', '.join(names)}",
        )
    return iter(rows)


def _cell(value: Any, null_values: tuple[str, ...]) -> str | None:
    """A cell as text: whole numbers without a point, times in ISO 8601, durations as h:mm:ss."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    elif isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        text = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    else:
        text = str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
    return None if text == "" or text in null_values else text


_Reader = Callable[["FileStream", list[LocalFile], Sink, duckdb.DuckDBPyConnection, Path], None]
_FORMATS: dict[str, _Reader] = {
    "csv": _csv,
    "tsv": _csv,
    "jsonl": _jsonl,
    "json": _json,
    "parquet": _parquet,
    "fixed_width": _fixed_width,
    "xlsx": _xlsx,
}


def _one(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = database.execute(sql).fetchone()
    return row if row is not None else ()


def _with_origin(read: str, files: list[LocalFile]) -> str:
    return (
        f"SELECT * EXCLUDE ({_PATH}), {_origin(_PATH, files)} AS _origin, "
        f"{_received(_PATH, files)} AS _received_at FROM {read}"
    )


def _origin(column: str, files: list[LocalFile]) -> str:
    return _lookup(column, [(str(file.path), literal(file.origin)) for file in files])


def _received(column: str, files: list[LocalFile]) -> str:
    return _lookup(column, [(str(file.path), _instant(file)) for file in files])


def _instant(file: LocalFile) -> str:
    return f"TIMESTAMPTZ {literal(file.delivered_at.isoformat())}"


def _lookup(column: str, pairs: list[tuple[str, str]]) -> str:
    """A constant of each file, as SQL; a map keeps the rows in their order where a join would not."""
    if len(pairs) == 1:
        return pairs[0][1]
    keys = literals([path for path, _ in pairs])
    return f"map_extract_value(map({keys}, [{', '.join(value for _, value in pairs)}]), {column})"
