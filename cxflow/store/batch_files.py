"""The files of a raw batch, in its folder: written by `BatchWriter`, read back as DuckDB relations. Used by `landing`,
which brings such folders into the landing zone, and by whoever reads a batch there.

A raw batch has one of two layouts: `json`, one text column `_payload` with each record as it came; or
`columns`, the source's own columns. Both carry `_origin` and `_received_at`. A record's place gives it its number
`_row`: from 1, first the parts in their order, then what could not be read. It is not written, so that several
threads can write a part.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.errors import CountError, FatalError
from cxflow.model.sql import literal, literals
from cxflow.model.workbench import workbench

CHUNK_RECORDS = 20_000
"""Records held in memory at a time while Python-made records land."""
_GROUP_RECORDS = 40_960
"""Records that a thread of DuckDB compresses at a time: a third of its default, of which the threads of a small machine
wait for each other."""

Layout = Literal["json", "columns"]

_JSON_SCHEMA = pa.schema(
    [
        ("_payload", pa.string()),
        ("_origin", pa.string()),
        ("_received_at", pa.timestamp("us", tz="UTC")),
    ]
)


class Enough(Exception):  # noqa: N818  nothing is wrong
    """Raised by a writer that has the records it wants, to end the reading."""


class BatchWriter:
    """A batch being written. Satisfies `connect.connector.Sink`."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        """The scratch folder with its Parquet files."""
        self.limit = limit
        """With so many records it raises `Enough`: for who wants to see what they are like."""
        self._rows = 0
        self._malformed = 0
        self._counts: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self.layout: Layout | None = None

    @property
    def rows(self) -> int:
        """Records landed so far, the malformed among them."""
        return self._rows

    @property
    def malformed_rows(self) -> int:
        """Those that could not be read as a record."""
        return self._malformed

    @property
    def witnessed(self) -> int | None:
        """Records by the independent counts, where each origin has one; None where none was given."""
        return sum(self._counts.values()) if self._counts else None

    def counted(self, records: int, *, origin: str, place: str = "") -> None:
        """Keep an independent count of an origin, for `verify`."""
        self._counts[origin] = self._counts.get(origin, 0) + records
        self._places[origin] = place

    def verify(self) -> None:
        """Compare what lies in the Parquet files with the independent counts.

        Raises CountError, with both numbers and the place, where they differ. A batch that was ended by its limit
        is not compared.
        """
        if not self._counts or self.limit is not None:
            return
        files = sorted(self.folder.glob("*.parquet"))
        landed: dict[str, int] = {}
        if files:
            with workbench() as database:
                rows = database.execute(
                    f"SELECT _origin, count(*) FROM read_parquet({literals([str(file) for file in files])}, "
                    "union_by_name = true) GROUP BY _origin"
                ).fetchall()
            landed = {origin: int(count) for origin, count in rows}
        for origin, count in self._counts.items():
            if landed.get(origin, 0) != count:
                place = f" ({self._places[origin]})" if self._places[origin] else ""
                raise CountError(
                    f"{origin}{place} holds {count:,} records by an independent count, and "
                    f"{landed.get(origin, 0):,} were read: nothing of it was landed",
                    value=origin,
                    fix="run again if it was being written meanwhile; otherwise please report it",
                )

    def records(self, records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime) -> None:
        """Land JSON-like records, `CHUNK_RECORDS` at a time."""
        self._keep_layout("json")
        rest = islice(records, self._wanted)
        writer: pq.ParquetWriter | None = None
        try:
            while chunk := list(islice(rest, CHUNK_RECORDS)):
                count = len(chunk)
                table = pa.table(
                    {
                        "_payload": [_as_json(item) for item in chunk],
                        "_origin": [origin] * count,
                        "_received_at": pa.array([received_at] * count, pa.timestamp("us", tz="UTC")),
                    },
                    schema=_JSON_SCHEMA,
                )
                writer = writer or pq.ParquetWriter(self._next_part(), _JSON_SCHEMA, compression="zstd")
                writer.write_table(table)
                self._rows += count
        finally:
            if writer is not None:
                writer.close()
        self._end_if_enough()

    def query(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Land what a DuckDB query yields; DuckDB itself writes the Parquet file."""
        columns = [row[0] for row in database.execute(f"DESCRIBE {sql}").fetchall()]
        self._keep_layout("json" if "_payload" in columns else "columns")
        if self.limit is not None:
            sql = f"SELECT * FROM ({sql}) LIMIT {self._wanted}"
        self._rows += self._copy(database, sql, self._next_part())
        self._end_if_enough()

    def malformed(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Land what could not be read as a record."""
        path = self.folder / f"malformed-{len(list(self.folder.iterdir())):04d}.parquet"
        count = self._copy(database, f"SELECT _origin, _received_at, reason, payload FROM ({sql})", path)
        if count == 0:
            path.unlink()
        self._rows += count
        self._malformed += count

    @property
    def _wanted(self) -> int | None:
        # Malformed records count, and may be more than were wanted.
        return None if self.limit is None else max(self.limit - self._rows, 0)

    def _end_if_enough(self) -> None:
        if self.limit is not None and self._rows >= self.limit:
            raise Enough

    def _copy(self, database: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
        try:
            row = database.execute(
                f"COPY ({sql}) TO {literal(str(path))} "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {_GROUP_RECORDS})"
            ).fetchone()
        except duckdb.Error:
            path.unlink(missing_ok=True)  # what was written of it is no part of the batch
            raise
        return int(row[0]) if row else 0

    def _keep_layout(self, layout: Layout) -> None:
        if self.layout not in (None, layout):
            raise FatalError("a connector landed both JSON records and columns in one batch")
        self.layout = layout

    def _next_part(self) -> Path:
        return self.folder / f"part-{len(list(self.folder.glob('part-*'))):04d}.parquet"


def _as_json(record: Mapping[str, Any]) -> str:
    """A record as JSON that DuckDB reads: numbers that are none (NaN, infinity) as text, which a cast refuses
    with its reason; halves of a character as U+FFFD."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=_text)
    except ValueError:
        text = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False, default=_text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _text(value: object) -> str:
    """JSON has no times: they land in ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def checksums(folder: Path) -> dict[str, str]:
    """File name to SHA-256, of a scratch folder's Parquet files."""
    sums = {}
    for item in sorted(folder.glob("*.parquet")):
        with item.open("rb") as file:
            sums[item.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def records_in(folder: Path) -> str:
    """The DuckDB relation of a landed batch's records, from the folder of its local copy."""
    return numbered(parts_in(folder), 0)


def malformed_in(folder: Path) -> str:
    """Likewise of what could not be read as a record."""
    return numbered(sorted(folder.glob("malformed-*.parquet")), sum(map(count_in, parts_in(folder))))


def parts_in(folder: Path) -> list[Path]:
    """The files with records, in their order."""
    return sorted(folder.glob("part-*.parquet"))


def count_in(part: Path) -> int:
    """How many records a part has."""
    return int(pq.read_metadata(part).num_rows)


def numbered(parts: list[Path], before: int) -> str:
    """The relation of some parts in their order, with `_row`; `before` is the number of records before them."""
    counts = [before, *map(count_in, parts[:-1])]
    row = f"({list(accumulate(counts))}[file_index::BIGINT + 1] + file_row_number + 1)::BIGINT AS _row"
    files = literals([str(part) for part in parts])
    return f"(SELECT *, {row} FROM read_parquet({files}, union_by_name = true))"


def lacking(folder: Path, known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Where the origins of a batch differ: raw column to the origins that lack it.

    They are looked at in the order of their delivery. A column is lacked by those that follow one which had it,
    a `known` one by any: before it first appeared it was not missing.
    """
    # DuckDB unites columns whose names differ in case only.
    had = {path: {name.lower(): name for name in pq.read_schema(path).names} for path in parts_in(folder)}
    if len({frozenset(columns) for columns in had.values()}) < 2:
        return {}
    with workbench() as database:
        origins = [
            (received_at, origin, path)
            for path in had
            for origin, received_at in database.execute(
                f"SELECT _origin, epoch_us(min(_received_at)) FROM read_parquet({literal(str(path))}) GROUP BY _origin"
            ).fetchall()
        ]
    seen = {name.lower(): name for name in known}
    found: dict[str, list[str]] = {}
    for _, origin, path in sorted(origins):
        for key in seen.keys() - had[path].keys():
            found.setdefault(seen[key], []).append(origin)
        seen = had[path] | seen
    return {name: tuple(lack) for name, lack in sorted(found.items())}
