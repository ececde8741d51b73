"""File formats: each function lands local files of one format through a sink. Called by `files`.

Text stays text: nothing is cast here, so that leading zeros, odd dates and big numbers arrive as they were
written. DuckDB reads and writes; Python only looks at headers (and at XLSX, which DuckDB cannot read offline).
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from cxflow.connect.connector import Sink
from cxflow.errors import ConfigError, SourceError
from cxflow.model.sql import identifier, literal, literals

if TYPE_CHECKING:
    from cxflow.connect.files import FileStream

_NATIVE_ENCODINGS = ("utf-8", "utf8", "utf-8-sig", "ascii")
_MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to land."""

    path: Path
    """Where it can be read here."""
    origin: str
    """What to call it."""
    delivered_at: datetime


def land(stream: FileStream, files: list[LocalFile], sink: Sink, folder: Path) -> None:
    """Land files, all of the stream's format. `folder` is for scratch files.

    Raises SourceError that names the file where one cannot be read as what it is declared to be.
    """
    database = duckdb.connect()
    try:
        database.execute("SET TimeZone = 'UTC'")
        _FORMATS[stream.file_format(files[0].origin)](stream, files, sink, database, folder)
    except duckdb.Error as problem:
        text = str(problem)
        culprit = next((file.origin for file in files if str(file.path) in text), files[0].origin)
        raise SourceError(f"{culprit} cannot be read: {text.splitlines()[0]}", value=culprit) from problem
    finally:
        database.close()


def _csv(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    by_header: dict[tuple[str, ...], list[LocalFile]] = {}
    for file in files:
        readable = _as_utf8(stream, file, folder)
        names = stream.columns or _header(stream, readable)
        if names:
            by_header.setdefault(tuple(names), []).append(readable)
    for names, group in by_header.items():
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        read = (
            f"read_csv({literals([str(file.path) for file in group])}, delim = {literal(stream.delimiter)}, "
            f"quote = {literal(stream.quote)}, escape = {literal(stream.quote)}, "
            f"header = {'false' if stream.columns else 'true'}, skip = {stream.skip_rows}, "
            f"columns = {{{columns}}}, auto_detect = false, nullstr = {literals(stream.null_values)}, "
            f"max_line_size = {_MAX_LINE_BYTES}, store_rejects = true, filename = '_path')"
        )
        database.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
        sink.query(database, _with_origin(read, group))
        sink.malformed(
            database,
            f"SELECT {_origin('s.file_path', group)} AS _origin, {_received('s.file_path', group)} AS _received_at, "
            "lower(any_value(e.error_type)::VARCHAR) || ' in line ' || e.line AS reason, "
            "any_value(e.csv_line) AS payload "
            "FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
            "GROUP BY s.file_path, e.line ORDER BY s.file_path, e.line",
        )


def _header(stream: FileStream, file: LocalFile) -> list[str]:
    """The column names: trimmed, empty ones numbered, a repeated one given a suffix. Empty for an empty file."""
    with _open_text(file.path) as text:
        for _ in range(stream.skip_rows):
            text.readline()
        row = next(csv.reader(text, delimiter=stream.delimiter, quotechar=stream.quote or None), [])
    return unique_names(row)


def unique_names(row: Iterable[object]) -> list[str]:
    """Header cells as column names that can be told apart."""
    names: list[str] = []
    for position, cell in enumerate(row, start=1):
        name = str(cell).strip().lstrip("\ufeff") if cell is not None else ""
        name = name or f"column_{position}"
        repeated = sum(1 for earlier in names if earlier == name or earlier.startswith(f"{name}_"))
        names.append(f"{name}_{repeated + 1}" if name in names else name)
    return names


def _lines(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> str:
    """A relation with each non-blank line of the files as `_line`, in order."""
    readable = [_as_utf8(stream, file, folder) for file in files]
    # A delimiter that no text holds: the whole line is the one column.
    read = (
        f"read_csv({literals([str(file.path) for file in readable])}, delim = chr(31), quote = '', escape = '', "
        f"header = false, skip = {stream.skip_rows}, columns = {{'_line': 'VARCHAR'}}, auto_detect = false, "
        f"max_line_size = {_MAX_LINE_BYTES}, filename = '_path')"
    )
    return f"(SELECT * FROM ({_with_origin(read, readable)}) WHERE trim(_line) <> '')"


def _jsonl(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    lines = _lines(stream, files, database, folder)
    is_record = "json_valid(_line) AND ltrim(_line)[1] = '{'"
    sink.query(database, f"SELECT _line AS _payload, _origin, _received_at FROM {lines} WHERE {is_record}")
    sink.malformed(
        database,
        "SELECT _origin, _received_at, 'not a JSON object' AS reason, _line AS payload "
        f"FROM {lines} WHERE NOT ({is_record})",
    )


def _json(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    path = f"$.{stream.records}[*]" if stream.records else "$[*]"
    for file in files:
        readable = _as_utf8(stream, file, folder)
        with _open_text(readable.path) as text:
            document = pa.table({"document": [text.read().lstrip("\ufeff")]})
        database.register("document", document)
        valid, kind = _one(
            database, f"SELECT json_valid(document), json_type(document, {literal(path[:-3])}) FROM document"
        )
        if not valid:
            raise SourceError(f"{file.origin} is not valid JSON; is it cut off?", value=file.origin)
        if kind != "ARRAY":
            raise SourceError(
                f"{file.origin} has no list at {path[:-3]}", value=file.origin, fix='say where: records = "…"'
            )
        items = f"(SELECT unnest(json_extract(document, {literal(path)}))::VARCHAR AS _line FROM document)"
        where = f"{literal(file.origin)} AS _origin, TIMESTAMPTZ {literal(file.delivered_at.isoformat())} AS _received_at"
        sink.query(database, f"SELECT _line AS _payload, {where} FROM {items} WHERE ltrim(_line)[1] = '{{'")
        sink.malformed(
            database,
            f"SELECT {where}, 'not a JSON object' AS reason, _line AS payload FROM {items} "
            "WHERE ltrim(_line)[1] <> '{'",
        )


def _parquet(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    read = f"read_parquet({literals([str(file.path) for file in files])}, union_by_name = true, filename = '_path')"
    sink.query(database, _with_origin(read, files))


def _fixed_width(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    if not stream.fields:
        raise ConfigError("format fixed_width needs fields = { name = [first, last] }", stream=stream.name)
    lines = _lines(stream, files, database, folder)
    shortest = max(first for first, _ in stream.fields.values())
    cells = ", ".join(
        f"nullif(trim(substr(_line, {first}, {last - first + 1})), '') AS {identifier(name)}"
        for name, (first, last) in stream.fields.items()
    )
    sink.query(
        database, f"SELECT {cells}, _origin, _received_at FROM {lines} WHERE length(_line) >= {shortest}"
    )
    sink.malformed(
        database,
        "SELECT _origin, _received_at, 'line too short' AS reason, _line AS payload "
        f"FROM {lines} WHERE length(_line) < {shortest}",
    )


def _xlsx(
    stream: FileStream, files: list[LocalFile], sink: Sink, database: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    try:
        import openpyxl
    except ImportError as problem:
        raise ConfigError("reading XLSX needs openpyxl", fix="install cxflow-framework[excel]") from problem
    for file in files:
        try:
            book = openpyxl.load_workbook(file.path, read_only=True, data_only=True)
        except Exception as problem:
            raise SourceError(f"{file.origin} is not a readable XLSX file", value=file.origin) from problem
        if stream.sheet and stream.sheet not in book.sheetnames:
            raise SourceError(
                f"{file.origin} has no sheet {stream.sheet!r}: {book.sheetnames}", value=stream.sheet
            )
        rows = (book[stream.sheet] if stream.sheet else book.worksheets[0]).iter_rows(values_only=True)
        for _ in range(stream.skip_rows):
            next(rows, None)
        names = list(stream.columns) or unique_names(next(rows, ()))
        cells = [[_cell(value) for value in row] for row in rows if any(value is not None for value in row)]
        book.close()
        sheet = pa.table(
            {
                name: pa.array([row[at] if at < len(row) else None for row in cells], pa.string())
                for at, name in enumerate(names)
            }
        )
        database.register("sheet", sheet)
        sink.query(
            database,
            f"SELECT *, {literal(file.origin)} AS _origin, "
            f"TIMESTAMPTZ {literal(file.delivered_at.isoformat())} AS _received_at FROM sheet",
        )


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


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
    return f"SELECT * EXCLUDE (_path), {_origin('_path', files)} AS _origin, {_received('_path', files)} AS _received_at FROM {read}"


def _origin(column: str, files: list[LocalFile]) -> str:
    return _lookup(column, [(str(file.path), literal(file.origin)) for file in files])


def _received(column: str, files: list[LocalFile]) -> str:
    return _lookup(
        column, [(str(file.path), f"TIMESTAMPTZ {literal(file.delivered_at.isoformat())}") for file in files]
    )


def _lookup(column: str, pairs: list[tuple[str, str]]) -> str:
    """A constant of each file, as SQL; a map keeps the rows in their order where a join would not."""
    keys = literals([path for path, _ in pairs])
    return f"map_extract_value(map({keys}, [{', '.join(value for _, value in pairs)}]), {column})"


def _as_utf8(stream: FileStream, file: LocalFile, folder: Path) -> LocalFile:
    """The file itself where DuckDB can read it, else a copy in UTF-8.

    Raises SourceError where the bytes are not of the declared encoding.
    """
    if stream.encoding.lower() in _NATIVE_ENCODINGS:
        return file
    with tempfile.NamedTemporaryFile(
        "w", dir=folder, suffix=".txt", encoding="utf-8", newline="", delete=False
    ) as copy:
        try:
            with _open_text(file.path, stream.encoding) as text:
                while block := text.read(1 << 20):
                    copy.write(block)
        except (UnicodeDecodeError, EOFError) as problem:
            raise SourceError(
                f"{file.origin} is not {stream.encoding}: {problem}", value=file.origin
            ) from problem
        except LookupError:
            raise ConfigError(
                f"unknown encoding {stream.encoding!r}", stream=stream.name, value=stream.encoding
            ) from None
    return LocalFile(Path(copy.name), file.origin, file.delivered_at)


def _open_text(path: Path, encoding: str = "utf-8-sig") -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    if path.suffix == ".zst":
        return io.TextIOWrapper(pa.input_stream(str(path), compression="zstd"), encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def text_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text file, plain or compressed, undecodable bytes replaced. For connectors' own parsers."""
    raw = pa.input_stream(str(path), compression="detect")
    with io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline=None) as text:
        yield from text
