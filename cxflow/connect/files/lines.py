"""Reads files with one record per line: JSON Lines and fixed width.

The independent count is the number of line ends. DuckDB alone reads JSON Lines without faults. In other files, Python
cuts blocks of bytes into lines without inspecting them, and DuckDB separates records from rejects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxflow.connect.files.counting import Counting
from cxflow.connect.files.items import Batches, Items, origin_columns, with_origin
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, as_utf8, opened, plainly_named, reading
from cxflow.duck import identifier, literal, literals
from cxflow.errors import ConfigError, SourceError
from cxflow.model.reading import Count, Query

_BLOCK_BYTES = 1 << 20
_SCHEMA = pa.schema(
    [("line", pa.string()), ("raw", pa.binary()), ("number", pa.int64()), ("file", pa.int64())]
)
_LONG_BYTES = 2_000_000
_DUCKDB_LINE_BYTES = 16 << 20
"""DuckDB's default for the longest line of JSON."""
_BLANKS = re.compile(rb"\n[ \t\r]*+(?=\n)")
"""Blank lines after the first line, found by the line end before them."""
_LF, _CR, _SPACE = 10, 13, 32
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which lines are records, as SQL over `line`."""

    is_record: str
    columns: str
    """The columns to land."""
    otherwise: str
    """The reason for refusing other lines."""


def read_jsonl(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read JSON Lines: each line that is an object, as written."""
    sources = [as_utf8(stream, file, folder) for file in files]
    counting = Counting(sources)
    counts = [_counted(stream, source, counting) for source in counting]
    yield from _counts(sources, counts)
    # The shortest object has two bytes. Of a file of one byte, DuckDB reads nothing and says nothing.
    may_be_objects = all(count.bytes >= len("{}") for count in counts if count.lines)
    if may_be_objects and not stream.skip_rows:
        try:
            yield _objects(sources, counts, database, folder)
            return
        except duckdb.InvalidInputException:
            pass  # some line is not an object
    is_record = "json_valid(line) AND starts_with(ltrim(line, E' \\t'), '{')"
    rule = _Rule(is_record, "line AS _payload", "not a JSON object")
    yield from _read(stream, sources, counts, database, rule)


def _objects(
    sources: list[LocalFile], counts: list[LineCount], database: duckdb.DuckDBPyConnection, folder: Path
) -> Query:
    """A single DuckDB query over files in which every line is an object. It fails if one is not."""
    files = [plainly_named(source, folder) for source in sources]
    longest = max(max(count.longest for count in counts), _DUCKDB_LINE_BYTES)
    read = (
        f"(SELECT json::VARCHAR AS line, file_index AS _cxflow_file FROM read_ndjson_objects("
        f"{literals([str(file.path) for file in files])}, maximum_object_size = {longest}, hive_partitioning = false))"
    )
    objects = (
        "(SELECT CASE WHEN starts_with(line, '{') THEN line ELSE error('no object') END AS _payload, _cxflow_file "
        f"FROM {read})"
    )
    sql = with_origin(database, objects, files, "_cxflow_file")
    return Query(database, sql, _record_bytes(counts), records=sum(count.lines for count in counts))


def _counts(files: list[LocalFile], counts: list[LineCount]) -> Iterator[Count]:
    for file, count in zip(files, counts, strict=True):
        place = f"{count.bytes:,} bytes of text"
        yield Count(count.lines, file.origin, place, remark_none=count.bytes > 0)


def _record_bytes(counts: list[LineCount]) -> int:
    """The record size to plan for: the longest record if that is very long, else the average."""
    longest = max((count.longest for count in counts), default=0)
    if longest > _LONG_BYTES:
        return longest
    return sum(count.bytes for count in counts) // max(sum(count.lines for count in counts), 1)


def _counted(stream: FileStream, file: LocalFile, counting: Counting) -> LineCount:
    """Count a file's lines, without inspecting their content."""
    count = LineCount(stream.skip_rows)
    with reading(file), opened(stream, file) as source:
        while block := source.read(_BLOCK_BYTES):
            count.see(block)
            counting.at(source, count.lines)
            if count.longest > stream.max_record_bytes:
                raise _too_long(stream, file, count.lines)
        count.see(b"")
    counting.add(count.lines)
    return count


def read_fixed_width(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read lines whose cells have fixed positions. Raises ConfigError if no fields are declared."""
    if not stream.fields:
        raise ConfigError("format fixed_width needs fields = { name = [first, last] }", stream=stream.name)
    nulls = ", ".join(map(literal, ("", *stream.null_values)))
    cells = ", ".join(
        f"CASE WHEN trim(substr(line, {first}, {last - first + 1})) NOT IN ({nulls}) "
        f"THEN trim(substr(line, {first}, {last - first + 1})) END AS {identifier(name)}"
        for name, (first, last) in stream.fields.items()
    )
    shortest = max(first for first, _ in stream.fields.values())
    sources = [as_utf8(stream, file, folder) for file in files]
    counting = Counting(sources)
    counts = [_counted(stream, source, counting) for source in counting]
    yield from _counts(sources, counts)
    rule = _Rule(f"length(line) >= {shortest}", cells, "line too short")
    yield from _read(stream, sources, counts, database, rule)


def _read(
    stream: FileStream,
    sources: list[LocalFile],
    counts: list[LineCount],
    database: duckdb.DuckDBPyConnection,
    rule: _Rule,
) -> Items:
    """Read lines cut by Python, for files in which some line may not be a record."""

    def batches() -> Iterator[pa.RecordBatch]:
        for index, source in enumerate(sources):
            with reading(source):
                for block, number in _blocks(stream, source):
                    yield _batch(block, number, index)

    lines = Batches(_SCHEMA, batches)
    where = origin_columns(database, sources, "file")
    is_record = f"raw IS NULL AND {rule.is_record}"
    sql = f"SELECT {rule.columns}, {where} FROM batches WHERE {is_record}"
    landed = yield from lines.query(database, sql, _record_bytes(counts))
    if landed < sum(count.lines for count in counts):
        reason = (
            "CASE WHEN raw IS NULL THEN "
            f"{literal(rule.otherwise)} ELSE 'invalid encoding in line ' || number END AS reason"
        )
        sql = f"SELECT {where}, {reason}, line AS payload, raw FROM batches WHERE NOT ({is_record})"
        yield from lines.query(database, sql, of_rejects=True)


def _too_long(stream: FileStream, file: LocalFile, before: int) -> SourceError:
    return SourceError(
        f"{file.origin}: one of its first {before + 1:,} lines is longer than {stream.max_record_bytes:,} bytes",
        value=file.origin,
        fix="if it is a file of lines, raise max_record_bytes",
    )


class LineCount:
    """Counts the lines of a text that are not blank, by its line ends alone: the independent count."""

    def __init__(self, to_skip: int) -> None:
        self.lines = 0
        """Lines so far; complete after the last block, an empty one."""
        self.bytes = 0
        self.longest = 0
        """Bytes of the longest line so far, without its line end."""
        self._to_skip = to_skip
        self._length = 0
        self._begun = b""
        """The start of the line that the next block continues: its blanks, or a mark if it is not blank."""

    def see(self, block: bytes) -> None:
        """Count the next bytes of the text; an empty block ends it."""
        if not block:
            self.lines += self._begun.strip() != b"" and not self._to_skip
            return
        if not self.bytes:
            block = block.removeprefix(_BOM)
        self.bytes += len(block)
        text = self._begun + block
        cut = text.rfind(b"\n") + 1
        whole, rest = text[:cut], text[cut:]
        while self._to_skip and whole:
            whole = whole[whole.index(b"\n") + 1 :]
            self._to_skip -= 1
        ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == _LF)
        self.lines += len(ends) - _blank_lines(whole, ends)
        self._length += len(block) - (len(rest) if cut else 0)
        if len(ends):
            # The first of these lines may have begun in an earlier block.
            first = self._length - (len(whole) - int(ends[0]))
            self.longest = max(self.longest, first, int(np.diff(ends, prepend=ends[0]).max()) - 1)
        self._length = len(rest) if cut else self._length
        self.longest = max(self.longest, self._length)
        self._begun = rest if not rest.strip() else b"x"


def _blank_lines(text: bytes, ends: npt.NDArray[np.int64]) -> int:
    """The number of blank lines in a text of whole lines; `ends` are the positions of the line feeds."""
    first = bool(text) and not text[: int(ends[0])].strip()
    begins = np.frombuffer(text, np.uint8)[ends[:-1] + 1]
    # Most texts have no line that begins with a blank, and need no search.
    return first + (len(_BLANKS.findall(text)) if (begins <= _SPACE).any() else 0)


def _blocks(stream: FileStream, file: LocalFile) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, each with the number of its first line, without byte order mark and skipped rows."""
    rest, number, to_skip, is_begun = b"", 1, stream.skip_rows, False
    with opened(stream, file) as source:
        while block := source.read(_BLOCK_BYTES):
            if not is_begun:
                block, is_begun = block.removeprefix(_BOM), True
            cut = block.rfind(b"\n") + 1
            if not cut:
                rest += block
                continue
            whole, rest = rest + block[:cut], block[cut:]
            while to_skip and whole:
                whole = whole[whole.index(b"\n") + 1 :]
                to_skip, number = to_skip - 1, number + 1
            if whole:
                yield whole, number
                number += whole.count(b"\n")
    if rest and not to_skip:
        yield rest, number


def _batch(block: bytes, number: int, index: int) -> pa.RecordBatch:
    """The lines of a block that are not blank, without line ends; `raw` holds the bytes of lines that are not UTF-8."""
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text == _LF)
    if block[-1] != _LF:
        ends = np.append(ends, len(block))
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    if b"\r" in block:
        ends = ends - ((ends > starts) & (text[np.maximum(ends - 1, 0)] == _CR))
    kept = np.flatnonzero(ends > starts)
    blanks = [
        n for n in kept[text[starts[kept]] <= _SPACE].tolist() if not block[starts[n] : ends[n]].strip()
    ]
    kept = np.setdiff1d(kept, blanks, assume_unique=True) if blanks else kept
    try:
        block.decode()
        # Lines alternate with the bytes between them, so that only the lines are copied.
        offsets = np.stack((starts, ends), axis=1).ravel().astype(np.int32)
        pieces = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(block))
        line, raw = pieces.take(pa.array(2 * kept)), pa.nulls(len(kept), pa.binary())
    except UnicodeDecodeError:
        line, raw = _decoded([block[starts[n] : ends[n]] for n in kept.tolist()])
    indices = pa.repeat(pa.scalar(index, pa.int64()), len(kept))
    return pa.record_batch([line, raw, pa.array(kept + number), indices], schema=_SCHEMA)


def _decoded(lines: list[bytes]) -> tuple[pa.Array, pa.Array]:
    """Lines as text, and the bytes of those that are not UTF-8."""
    texts: list[str] = []
    raws: list[bytes | None] = []
    for line in lines:
        try:
            texts.append(line.decode())
            raws.append(None)
        except UnicodeDecodeError:
            texts.append(line.decode("utf-8", "backslashreplace"))
            raws.append(line)
    return pa.array(texts, pa.string()), pa.array(raws, pa.binary())
