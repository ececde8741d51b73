"""Reads JSON documents: the items of one list in each, as written, in bounded memory.

numpy finds the commas of the list by the parity of quotes and the depth of brackets. Items are cut out without being
parsed and rewritten, so that numbers keep all their digits. DuckDB, which does parse, provides the independent count,
and detects documents that are not valid JSON.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxflow.connect.files.items import Batches, Items, origin_columns
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, as_utf8, opened, plainly_named, reading
from cxflow.duck import literal
from cxflow.errors import SourceError
from cxflow.model.reading import Count

_BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_SCHEMA = pa.schema([("item", pa.string())])
_TOKEN = re.compile(rb'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)(")?|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL)

_STEPS = np.zeros(256, np.int8)
"""Byte to its change of nesting depth."""
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1
_MARKS = _STEPS != 0
_MARKS[ord(",")] = True
_QUOTE, _BACKSLASH = ord('"'), ord("\\")


class _NoListError(Exception):
    """There is no list at the declared path."""


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read the objects of each document's list; items that are not objects are refused."""
    for file in files:
        source = as_utf8(stream, file, folder)
        document = _Document(stream, source, folder)
        items = Batches(_SCHEMA, document.batches)
        where = origin_columns(database, [source], "0")
        text = "(SELECT trim(item, E' \\t\\r\\n') AS item FROM batches)"
        sql = f"SELECT item AS _payload, {where} FROM {text} WHERE starts_with(item, '{{')"
        landed = yield from items.query(database, sql, document.usual_bytes())
        count = _count(stream, source, document.list_file or source, database, folder)
        yield Count(count, file.origin, remark_none=True)
        if landed < document.items:
            sql = (
                f"SELECT {where}, 'not a JSON object' AS reason, item AS payload FROM {text} "
                "WHERE NOT starts_with(item, '{')"
            )
            yield from items.query(database, sql, of_rejects=True)


def _count(
    stream: FileStream, file: LocalFile, holder: LocalFile, database: duckdb.DuckDBPyConnection, folder: Path
) -> int:
    """The number of items in the list of the file `holder`, counted by DuckDB. Raises SourceError for invalid JSON."""
    path = plainly_named(holder, folder).path
    read = f"read_json_objects({literal(str(path))}, format = 'array'"
    try:
        row = database.execute(
            f"SELECT count(*) FROM {read}, maximum_object_size = {_object_bytes(stream)})"
        ).fetchone()
    except duckdb.InvalidInputException:
        raise _invalid(file) from None
    return int(row[0]) if row else 0


def _object_bytes(stream: FileStream) -> int:
    # DuckDB allocates some of these per thread: its default, 16 MB, is enough for all but giant items.
    return min(max(stream.max_record_bytes, 16 << 20), 64 << 20)


def _invalid(file: LocalFile) -> SourceError:
    return SourceError(f"{file.origin} is not valid JSON; is it cut off?", value=file.origin)


class _Document:
    """A document with a list of records, read block by block."""

    def __init__(self, stream: FileStream, file: LocalFile, folder: Path) -> None:
        self._stream, self._file, self._folder = stream, file, folder
        self._path = [part for part in (stream.records or "").split(".") if part]
        self.items = 0
        """Items found so far."""
        self.list_file: LocalFile | None = None
        """A copy of the list alone, if it is not the whole document; set once it has been read."""

    def usual_bytes(self) -> int:
        """The average size of the first items."""
        for batch in self.batches():
            return int(batch.nbytes // max(batch.num_rows, 1))
        return 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The items of the list. Raises SourceError if there is no list, or if the document is not valid JSON."""
        self.items = 0
        with reading(self._file), opened(self._stream, self._file) as source:
            head, rest = self._up_to_list(source)
            if not self._path:
                rest = yield from self._list(source, rest, None)
            else:
                with tempfile.NamedTemporaryFile(
                    "wb", dir=self._folder, suffix=".json", delete=False
                ) as copy:
                    copy.write(b"[")
                    rest = yield from self._list(source, rest, copy)
                    copy.write(b"]")
                self.list_file = replace(self._file, path=Path(copy.name))
            tail = self._rest(source, rest)
        if not _is_valid(head + b"[]" + tail):
            raise _invalid(self._file)

    def _up_to_list(self, source: IO[bytes]) -> tuple[bytes, bytes]:
        """The text before the list, and the text read so far after the list's opening bracket."""
        text, size = b"", 1 << 16
        while True:
            block = source.read(size - len(text))
            is_end = not block
            text = text + block if text else block.removeprefix(_BOM)
            try:
                at = _locate(text, self._path, is_end)
            except _NoListError:
                whole = text + self._rest(source, b"")
                if not _is_valid(whole):
                    raise _invalid(self._file) from None
                raise SourceError(
                    f"{self._file.origin} has no list at {self._stream.records or 'its top'}",
                    value=self._file.origin,
                    fix='set records = "…" to the path of the list',
                ) from None
            if at is not None:
                return text[:at], text[at + 1 :]
            if is_end:
                raise _invalid(self._file)
            if len(text) >= self._stream.max_record_bytes:
                raise self._too_long("there is no list of records", 0)
            if len(text) >= size:
                size *= 2

    def _list(
        self, source: IO[bytes], begun: bytes, copy: IO[bytes] | None
    ) -> Generator[pa.RecordBatch, None, bytes]:
        """Yields the items of the list; returns the text read after it."""
        window, size, at = begun, _BLOCK_BYTES, 0
        while True:
            block = source.read(max(size - len(window), 1))
            window += block
            cuts, end = _scan(window)
            if end is None and not block:
                raise _invalid(self._file)
            if end is not None or len(cuts):
                taken = int(cuts[-1]) + 1 if end is None else end
                yield from self._batch(window, cuts, end)
                if copy is not None:
                    copy.write(window[:taken])
                if end is not None:
                    return window[end + 1 :]
                window, at, size = window[taken:], at + taken, _BLOCK_BYTES
            elif len(window) > self._stream.max_record_bytes:
                raise self._too_long(f"item {self.items + 1:,} of the list", at)
            else:
                size = 2 * max(size, len(window))

    def _batch(self, window: bytes, cuts: npt.NDArray[np.int64], end: int | None) -> Iterator[pa.RecordBatch]:
        if end is not None and not len(cuts) and not self.items and not window[:end].strip():
            return  # an empty list
        ends = cuts if end is None else np.append(cuts, end)
        starts = np.concatenate((np.zeros(1, np.int64), cuts + 1))[: len(ends)]
        try:
            window[: int(ends[-1])].decode()
        except UnicodeDecodeError:
            raise SourceError(
                f"{self._file.origin} is not UTF-8: see item {self.items + 1:,} of its list or one after it",
                value=self._file.origin,
                fix='set encoding = "…"',
            ) from None
        # Items alternate with the text between them, so that only the items are copied.
        offsets = np.stack((starts, ends), axis=1).ravel().astype(np.int32)
        count = 2 * len(ends) - 1
        pieces = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(window))
        self.items += len(ends)
        yield pa.record_batch([pieces.take(pa.array(np.arange(0, count, 2)))], schema=_SCHEMA)

    def _rest(self, source: IO[bytes], begun: bytes) -> bytes:
        """The rest of the document. Raises SourceError if it is longer than a record may be."""
        text = begun + source.read(self._stream.max_record_bytes)
        if len(text) > self._stream.max_record_bytes:
            raise self._too_long("the text after the list", 0)
        return text

    def _too_long(self, what: str, at: int) -> SourceError:
        return SourceError(
            f"{self._file.origin}: {what}{f' (at byte {at:,} of it)' if at else ''} goes on for more than "
            f"{self._stream.max_record_bytes:,} bytes",
            value=self._file.origin,
            fix="is it one document? then raise max_record_bytes",
        )


def _locate(text: bytes, path: list[str], is_end: bool) -> int | None:
    """The position of the list at a path, found by the tokens before it; None if more text is needed."""
    depth = level = 0
    is_wanted, last = True, b""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[:1] == b'"' and match[1] is None and not is_end:
            return None
        if is_wanted:
            if level == len(path) and token == b"[":
                return match.start()
            if level == len(path) or token != b"{":
                raise _NoListError
            is_wanted = False
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth <= level:
                raise _NoListError
        elif token == b":" and depth == level + 1:
            with suppress(ValueError):
                if json.loads(last) == path[level]:
                    level, is_wanted = level + 1, True
        last = token
    if is_end and text.strip():
        raise _NoListError
    return None


def _scan(window: bytes) -> tuple[npt.NDArray[np.int64], int | None]:
    """In a window that begins inside a list: the commas between its items, and its closing bracket, if found."""
    text = np.frombuffer(window, np.uint8)
    is_quote = text == _QUOTE
    if b"\\" in window:
        is_quote[_escaped(text, np.flatnonzero(is_quote))] = False
    is_inside = np.bitwise_xor.accumulate(is_quote.view(np.uint8))
    marks = np.flatnonzero(_MARKS[text])
    marks = marks[is_inside[marks] == 0]
    steps = _STEPS[text[marks]]
    depth = np.cumsum(steps, dtype=np.int64)
    closing = np.flatnonzero(depth < 0)
    if len(closing):
        last = int(closing[0])
        end = int(marks[last])
        marks, steps, depth = marks[:last], steps[:last], depth[:last]
        return marks[(steps == 0) & (depth == 0)], end
    return marks[(steps == 0) & (depth == 0)], None


def _escaped(text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The quotes after an odd number of backslashes."""
    odd = np.zeros(len(quotes), bool)
    behind, at = np.arange(len(quotes)), quotes - 1
    while len(behind):
        goes_on = (at >= 0) & (text[np.maximum(at, 0)] == _BACKSLASH)
        behind, at = behind[goes_on], at[goes_on] - 1
        odd[behind] ^= True
    return quotes[odd]


def _is_valid(text: bytes) -> bool:
    """Whether a document is valid JSON with its list replaced by an empty one."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
