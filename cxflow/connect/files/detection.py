"""Finds how a file is written, from its beginning: the settings of a stream that reads it. Called by `cxflow init`.

What it finds is written into `cxflow.toml` for a person to check; a run detects nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from cxflow import scratch
from cxflow.connect.files import text, workbook
from cxflow.connect.files.stream import FileFormat, FileStream, told_by_name
from cxflow.connect.files.text import LocalFile
from cxflow.errors import ConfigError

_ENCODING_BYTES = 64 << 20
"""How much of a text decides on its encoding: accents may be rare."""
_JSON_BYTES = 64 << 20
"""A larger JSON document is not searched for its list of records."""
_SAMPLE_CHARACTERS = 1 << 20
"""How much of a text decides on the delimiter, whatever the length of its lines."""
_ROWS = 50
"""How many rows decide on the delimiter and the header."""
_DELIMITERS = ",;\t|"
_SPREADSHEETS = ("cp1252", "latin-1")
"""Encodings of texts that are not UTF-8, from Western spreadsheets; the second reads any byte."""
_OTHERS = {
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "save it as .xlsx or CSV"),
    b"%PDF": ("a PDF file", "export the data as CSV"),
    b"\x1f\x8b": ("compressed twice", "unpack it once"),
    b"\x28\xb5\x2f\xfd": ("compressed twice", "unpack it once"),
}


def settings_of(path: Path) -> dict[str, Any]:
    """The settings of a file stream that differ from their defaults: format, delimiter, encoding, skip_rows, sheet,
    records.

    Raises ConfigError if there is no file, or none that can be read; SourceError for a damaged one.
    """
    file = local_file(path)
    with text.reading(file), scratch.folder("detection") as folder:
        return _settings(text.packed_by_content(file, folder), told_by_name(path.name))


def local_file(path: Path) -> LocalFile:
    """A file as the formats read it. Raises ConfigError if there is none."""
    if not path.is_file():
        raise ConfigError(
            f"{path} is a folder" if path.is_dir() else f"there is no file {path}",
            value=str(path),
            fix="name one of its files" if path.is_dir() else None,
        )
    return LocalFile(path, str(path), datetime.fromtimestamp(path.stat().st_mtime, UTC))


def _settings(file: LocalFile, told: FileFormat | None) -> dict[str, Any]:
    """`told`: the format that the file's own name tells."""
    with text.opened(_stream(file), file) as raw:
        start = raw.read(1 << 16)
    found = _binary(file, start)
    if found == "parquet":
        return _named(found, told)
    if found == "xlsx":
        return {**_named(found, told), **_sheet(file)}
    encoding = _encoding(file)
    written = {} if encoding is None else {"encoding": encoding}
    head = start.decode(encoding or text.marked_encoding(file.path) or "utf-8-sig", errors="ignore").lstrip()
    if told in ("json", "jsonl") or (told is None and head[:1] in ("{", "[")):
        kind: FileFormat = told if told in ("json", "jsonl") else _kind_of_json(head)
        return {
            **_named(kind, told),
            **written,
            **(_list_of_records(file, encoding) if kind == "json" else {}),
        }
    with _text(file, encoding) as lines:
        rows, delimiter = _delimited(lines)
    kind = told if told in ("csv", "tsv") else "tsv" if delimiter == "\t" else "csv"
    found_settings = _named(kind, told)
    if delimiter != ("\t" if kind == "tsv" else ","):
        found_settings["delimiter"] = delimiter
    return {**found_settings, **written, **_title(rows)}


def _named(found: FileFormat, told: FileFormat | None) -> dict[str, Any]:
    return {} if found == told else {"format": found}


def _stream(file: LocalFile, **settings: Any) -> FileStream:
    """A stream for functions that want its limits only."""
    unused = {"primary_key": ["_"], "to": {"_": {}}}
    return FileStream.model_validate(
        {"path": str(file.path), "format": "xlsx" if "sheet" in settings else "csv", **unused, **settings}
    )


def _binary(file: LocalFile, start: bytes) -> FileFormat | None:
    """The format of a file that is no text; None for a text. Raises ConfigError for one that cannot be read."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(file.path) as parts:
            if not any(name.startswith("xl/") for name in parts.namelist()):
                raise ConfigError(
                    f"{file.origin} is an archive",
                    value=file.origin,
                    fix=f'unpack it, and name a file of it; a stream reads it packed: "zip://*.csv::{Path(file.origin).name}"',
                )
        return "xlsx"
    for mark, (what, fix) in _OTHERS.items():
        if start.startswith(mark):
            raise ConfigError(f"{file.origin} is {what}", value=file.origin, fix=fix)
    if b"\0" in start and not text.marked_encoding(file.path):
        raise ConfigError(
            f"{file.origin} is not a text file", value=file.origin, fix="export the data as CSV in UTF-8"
        )
    return None


def _encoding(file: LocalFile) -> str | None:
    """The encoding to declare; None if it is UTF-8, or a byte order mark tells it."""
    if text.marked_encoding(file.path):
        return None
    for name in (None, *_SPREADSHEETS):
        decoder = codecs.getincrementaldecoder(name or "utf-8")()
        with text.opened(_stream(file), file) as raw:
            try:
                for _ in range(_ENCODING_BYTES >> 20):
                    decoder.decode(raw.read(1 << 20))
            except UnicodeDecodeError:
                continue
        return name
    return None


def _text(file: LocalFile, encoding: str | None) -> IO[str]:
    return text.open_text(file.path, encoding or text.marked_encoding(file.path) or "utf-8-sig")


def _delimited(lines: IO[str]) -> tuple[list[list[str]], str]:
    """The first rows of a text, by the delimiter that gives most of them the same number of cells; of several, the one
    that gives more cells."""
    sample = list(islice(io.StringIO(lines.read(_SAMPLE_CHARACTERS), newline=""), 2 * _ROWS))
    best: tuple[tuple[float, int], list[list[str]], str] = ((-1.0, 0), [], ",")
    for delimiter in _DELIMITERS:
        try:
            rows = list(islice(csv.reader(sample, delimiter=delimiter), _ROWS))
        except csv.Error:
            continue
        widths = [len(row) for row in rows if row]
        width = max(widths, key=lambda each: (widths.count(each), each), default=0)
        score = (widths.count(width) / len(widths) if width > 1 else 0.0, width)
        if score > best[0]:
            best = (score, rows, delimiter)
    return best[1], best[2]


def _title(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """`skip_rows`, if rows with a title or two stand above the header: with few cells, where others have many."""
    filled = [sum(cell not in (None, "") for cell in row) for row in rows]
    width = max(filled, default=0)
    few = max(1, width // 3)
    above = next((at for at, cells in enumerate(filled) if cells > few), 0)
    return {"skip_rows": above} if width > 1 and any(filled[:above]) else {}


def _sheet(file: LocalFile) -> dict[str, Any]:
    """The first sheet with rows, if there are several, and its title."""
    names = workbook.sheets(file)
    for name in names:
        rows = workbook.first_rows(_stream(file, sheet=name), file, _ROWS)
        if sum(any(cell is not None for cell in row) for row in rows) > 1:
            return {**({"sheet": name} if names[1:] else {}), **_title(rows)}
    return {}


def _kind_of_json(head: str) -> FileFormat:
    """Whether a text is lines of JSON or one document."""
    first = head.splitlines()[0]
    with suppress(ValueError):
        if isinstance(json.loads(first), dict):
            return "jsonl"
    return "json"


def _list_of_records(file: LocalFile, encoding: str | None) -> dict[str, Any]:
    """`records`, the path to the longest list of objects, if the document is not that list itself."""
    with _text(file, encoding) as source:
        whole = source.read(_JSON_BYTES + 1)
    with suppress(ValueError, RecursionError):
        document = json.loads(whole)
        found = {path: length for path, length in _lists(document, ()) if path}
        if isinstance(document, dict) and found:
            longest = max(found.items(), key=lambda each: (each[1], -len(each[0])))
            return {"records": ".".join(longest[0])}
    return {}


def _lists(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """The lists of objects in objects: their paths and lengths."""
    if isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        yield path, len(node)
    elif isinstance(node, dict):
        for key, value in node.items():
            if "." not in key:
                yield from _lists(value, (*path, key))
