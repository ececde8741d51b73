"""SQL that the formats share: where each row is from, and rows that Python hands to DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from cxflow.connect.connector import Sink
from cxflow.connect.files.text import LocalFile
from cxflow.model.sql import literal, literals


@dataclass(frozen=True, slots=True)
class Reject:
    """A piece of a file that cannot be read as a record."""

    reason: str
    raw: bytes
    """As it stands in the file, whole; in UTF-8 where the file was decoded first."""


def with_origin(database: duckdb.DuckDBPyConnection, read: str, files: list[LocalFile], index: str) -> str:
    """A relation with `_origin` and `_received_at`; `index` is its column (left out) with the file's place, from 0."""
    return f"SELECT * EXCLUDE ({index}), {origin_columns(database, files, index)} FROM {read}"


def origin_columns(database: duckdb.DuckDBPyConnection, files: list[LocalFile], index: str) -> str:
    """`_origin` and `_received_at` of a row, by the place of its file. Variables are as quick for many files as for
    one, and keep the rows in their order where a join would not."""
    if len(files) == 1:
        return f"{literal(files[0].origin)} AS _origin, {instant(files[0].delivered_at)} AS _received_at"
    database.execute(f"SET VARIABLE origins = {literals([file.origin for file in files])}")
    times = ", ".join(str(round(file.delivered_at.timestamp() * 1_000_000)) for file in files)
    database.execute(f"SET VARIABLE deliveries = [{times}]::BIGINT[]")
    return (
        f"getvariable('origins')[{index}::BIGINT + 1] AS _origin, "
        f"make_timestamptz(getvariable('deliveries')[{index}::BIGINT + 1]) AS _received_at"
    )


def instant(at: datetime) -> str:
    """A time as a SQL literal."""
    return f"TIMESTAMPTZ {literal(at.isoformat())}"


class RejectWriter:
    """Lands what cannot be read of one file, some at a time."""

    _HELD_BYTES = 8 << 20

    def __init__(self, database: duckdb.DuckDBPyConnection, sink: Sink, file: LocalFile) -> None:
        self._database, self._sink, self._file = database, sink, file
        self._held: list[Reject] = []
        self._bytes = 0

    def add(self, rejects: Iterable[Reject]) -> None:
        """Land rejects, at the latest with `flush`."""
        for reject in rejects:
            self._held.append(reject)
            self._bytes += len(reject.raw) + 100
            if self._bytes > self._HELD_BYTES:
                self.flush()

    def flush(self) -> None:
        """Land what is held."""
        if not self._held:
            return
        table = pa.table(
            {
                "reason": [each.reason for each in self._held],
                "payload": [each.raw.decode("utf-8", "backslashreplace") for each in self._held],
                # Only where the text is not all there is to it.
                "raw": pa.array(
                    [None if _is_utf8(each.raw) else each.raw for each in self._held], pa.binary()
                ),
            }
        )
        self._database.register("rejects", table)
        where = origin_columns(self._database, [self._file], "0")
        self._sink.malformed(self._database, f"SELECT {where}, reason, payload, raw FROM rejects")
        self._database.unregister("rejects")
        self._held, self._bytes = [], 0


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


class Batches:
    """Arrow batches that Python makes while DuckDB reads them, as a relation for one query.

    An exception raised while they are made is raised again as it was: DuckDB would only say what it says.
    """

    def __init__(self, schema: pa.Schema, make: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._schema, self._make = schema, make
        self._problem: Exception | None = None

    def query(self, database: duckdb.DuckDBPyConnection, sink: Sink, sql: str, record_bytes: int = 0) -> int:
        """Land the records that a query over the relation `batches` yields; returns how many."""
        return self._read(database, lambda: sink.query(database, sql, record_bytes=record_bytes))

    def rejects(self, database: duckdb.DuckDBPyConnection, sink: Sink, sql: str) -> int:
        """Likewise what cannot be read as a record."""
        return self._read(database, lambda: sink.malformed(database, sql))

    def _read(self, database: duckdb.DuckDBPyConnection, land: Callable[[], int]) -> int:
        self._problem = None
        database.register("batches", pa.RecordBatchReader.from_batches(self._schema, self._watched()))
        try:
            return land()
        except duckdb.Error:
            if self._problem is not None:
                raise self._problem from None
            raise
        finally:
            database.unregister("batches")

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._make()
        except Exception as problem:
            self._problem = problem
            raise
