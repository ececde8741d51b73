"""Builds what the formats yield: queries with each row's origin, batches made in Python, and pages of rejects."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile
from cxflow.duck import literal, literals
from cxflow.model.reading import Item, Page, Query, Reject

Items = Generator[Item, None, None]
Format = Callable[[FileStream, list[LocalFile], duckdb.DuckDBPyConnection, Path], Items]
"""Reads files of one format. The folder is for scratch files."""

_HELD_BYTES = 8 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def with_origin(database: duckdb.DuckDBPyConnection, read: str, files: list[LocalFile], index: str) -> str:
    """SQL: the relation `read`, with `_origin` and `_received_at` in place of its column `index`, a file's index."""
    return f"SELECT * EXCLUDE ({index}), {origin_columns(database, files, index)} FROM {read}"


def origin_columns(database: duckdb.DuckDBPyConnection, files: list[LocalFile], index: str) -> str:
    """SQL: a row's `_origin` and `_received_at`, by the index of its file (from 0). Variables stay fast for many files,
    and keep the order of rows, unlike a join."""
    if len(files) == 1:
        received_at = f"TIMESTAMPTZ {literal(files[0].received_at.isoformat())}"
        return f"{literal(files[0].origin)} AS _origin, {received_at} AS _received_at"
    database.execute(f"SET VARIABLE origins = {literals([file.origin for file in files])}")
    times = ", ".join(str((file.received_at - _EPOCH) // timedelta(microseconds=1)) for file in files)
    database.execute(f"SET VARIABLE deliveries = [{times}]::BIGINT[]")
    return (
        f"getvariable('origins')[{index}::BIGINT + 1] AS _origin, "
        f"make_timestamptz(getvariable('deliveries')[{index}::BIGINT + 1]) AS _received_at"
    )


def rejected(file: LocalFile, rejects: Iterable[Reject]) -> Iterator[Page]:
    """The rejects of one file, in pages of some megabytes."""
    held: list[Reject] = []
    size = 0
    for reject in rejects:
        held.append(reject)
        size += len(reject.payload)
        if size > _HELD_BYTES:
            yield Page(file.origin, file.received_at, rejects=held)
            held, size = [], 0
    if held:
        yield Page(file.origin, file.received_at, rejects=held)


class Batches:
    """Arrow batches made in Python while DuckDB reads them, as a relation for one query.

    An exception raised while making them is raised again as it was: DuckDB would keep only its message.
    """

    def __init__(self, schema: pa.Schema, make: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._schema, self._make = schema, make
        self._problem: Exception | None = None

    def query(
        self,
        database: duckdb.DuckDBPyConnection,
        sql: str,
        record_bytes: int = 0,
        *,
        of_rejects: bool = False,
    ) -> Generator[Item, None, int]:
        """Yields a query over the relation `batches`; returns its number of rows."""
        self._problem = None
        database.register("batches", pa.RecordBatchReader.from_batches(self._schema, self._watched()))
        query = Query(database, sql, record_bytes, of_rejects)
        try:
            yield query
        except duckdb.Error:
            if self._problem is not None:
                raise self._problem from None
            raise
        finally:
            database.unregister("batches")
        return query.landed

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._make()
        except Exception as problem:
            self._problem = problem
            raise
