"""Reads JSON documents: the items of one list in each, as they are written, in bounded memory.

The document is cut at the commas of its list, found by numpy through the parity of quotes and the depth of brackets;
nothing is parsed and written anew, so that numbers keep all their digits. DuckDB, which does parse, counts the items
apart: that is the witness, and it finds a document that is not valid JSON.
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
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(")?|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL)

_STEPS = np.zeros(256, np.int8)
"""How much deeper a byte leads."""
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1
_MARKS = _STEPS != 0
_MARKS[ord(",")] = True
_QUOTE, _BACKSLASH = ord('"'), ord("\\")


class _NoListError(Exception):
    """There is no list where one was declared."""


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read the objects of each document's list; an item that is no object is refused."""
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
    """The items of the list that `holder` consists of, by DuckDB. Raises SourceError for one that is not valid."""
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
    # DuckDB holds some of these for each thread: what it takes unless told otherwise does for all but giant items.
    return min(max(stream.max_record_bytes, 16 << 20), 64 << 20)


def _invalid(file: LocalFile) -> SourceError:
    return SourceError(f"{file.origin} is not valid JSON; is it cut off?", value=file.origin)


class _Document:
    """A document with a list of records, read block by block."""

    def __init__(self, stream: FileStream, file: LocalFile, folder: Path) -> None:
        self._stream, self._file, self._folder = stream, file, folder
        self._path = [part for part in (stream.records or "").split(".") if part]
        self.items = 0
        """Found so far."""
        self.list_file: LocalFile | None = None
        """A copy of the list alone, where it is not the whole document; there once it has been read."""

    def usual_bytes(self) -> int:
        """How long the first items are."""
        for batch in self.batches():
            return int(batch.nbytes // max(batch.num_rows, 1))
        return 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The items of the list. Raises SourceError where the document has none there, or is not valid JSON."""
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
        """What stands before the list, and what has been read of the list behind its bracket."""
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
                    fix='say where: records = "…"',
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
        """The items of the list; returns what was read behind it."""
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
                f"{self._file.origin} is not UTF-8: see item {self.items + 1:,} of its list or one behind it",
                value=self._file.origin,
                fix='say how it is written: encoding = "…"',
            ) from None
        # Items and what stands between them by turns, so that nothing is copied but the items.
        offsets = np.stack((starts, ends), axis=1).ravel().astype(np.int32)
        count = 2 * len(ends) - 1
        pieces = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(window))
        self.items += len(ends)
        yield pa.record_batch([pieces.take(pa.array(np.arange(0, count, 2)))], schema=_SCHEMA)

    def _rest(self, source: IO[bytes], begun: bytes) -> bytes:
        """What follows, as long as it is no longer than a record may be."""
        text = begun + source.read(self._stream.max_record_bytes)
        if len(text) > self._stream.max_record_bytes:
            raise self._too_long("what follows the list", 0)
        return text

    def _too_long(self, what: str, at: int) -> SourceError:
        return SourceError(
            f"{self._file.origin}: {what}{f' (at byte {at:,} of it)' if at else ''} goes on for more than "
            f"{self._stream.max_record_bytes:,} bytes",
            value=self._file.origin,
            fix="is it one document? then raise max_record_bytes",
        )


def _locate(text: bytes, path: list[str], is_end: bool) -> int | None:
    """Where the list at a path begins, by the tokens before it; None where more of the text is needed to tell."""
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
    """Of a window that begins within a list: the commas between its items, and the bracket that closes it."""
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
    """The quotes behind an odd number of backslashes."""
    odd = np.zeros(len(quotes), bool)
    behind, at = np.arange(len(quotes)), quotes - 1
    while len(behind):
        goes_on = (at >= 0) & (text[np.maximum(at, 0)] == _BACKSLASH)
        behind, at = behind[goes_on], at[goes_on] - 1
        odd[behind] ^= True
    return quotes[odd]


def _is_valid(text: bytes) -> bool:
    """Whether what surrounds a list is JSON, the list taken for an empty one."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
