"""The files of a raw batch: written by `BatchWriter`, read back as DuckDB relations.

A raw batch has one of two layouts: `json`, one text column `_payload` with each record unchanged; or `columns`, the
source's own columns. Both have `_origin` and `_received_at`. A record's number `_row` follows from its place: from 1,
first the parts in their order, then the rejects. It is not stored, so that several threads can write a part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.duck import literal, literals, watched
from cxflow.errors import FatalError
from cxflow.landing.page_part import GROUP_RECORDS, PagePart
from cxflow.landing.witness import Witness
from cxflow.model import progress
from cxflow.model.reading import Count, Header, Item, KnownUntil, Page, Query, Reject, Snapshot

_REJECT_SCHEMA = pa.schema(
    [
        ("_origin", pa.string()),
        ("_received_at", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
        ("payload", pa.string()),
        ("raw", pa.binary()),
    ]
)
"""`raw` holds the bytes of a payload that is not text."""
_HELD_REJECT_BYTES = 8 << 20
_REJECT_OVERHEAD_BYTES = 200
_MOST_COLUMNS = 400
"""The widest table that DuckDB itself writes as Parquet."""
_WIDE_RECORDS = 1_000
"""Records in memory at a time for wider tables."""
_GROUP_BYTES = 1 << 28
"""Bytes of records that DuckDB may hold at a time, as if every record were as long as the longest."""

Layout = Literal["json", "columns"]


def snapshot_as_json(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot for a manifest or a partial batch."""
    return {
        "origin": snapshot.origin,
        "received_at": snapshot.received_at.astimezone(UTC).isoformat(),
        "content": snapshot.content,
    }


def snapshot_from_json(fields: dict[str, Any]) -> Snapshot:
    """The inverse of `snapshot_as_json`."""
    return Snapshot(fields["origin"], datetime.fromisoformat(fields["received_at"]), fields["content"])


class BatchWriter:
    """A batch being written, item by item."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        """The scratch folder with its Parquet files."""
        self.limit = limit
        """The number of records after which to stop, for a dry run; None: all."""
        self._rows = 0
        self._malformed = 0
        self._page_part: PagePart | None = None
        self._rejects: list[tuple[str, datetime, Reject]] = []
        self._reject_bytes = 0
        self._witness = Witness()
        self.snapshots: list[Snapshot] = []
        """The origins that hold everything their stream has."""
        self.known_until: datetime | None = None
        """How far the stream's deliveries reach; None: to the window's end."""
        self.layout: Layout | None = None

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self._rows >= self.limit

    def land(self, item: Item) -> None:
        """Land an item that a connector yielded."""
        match item:
            case Page():
                self._land_page(item)
            case Query():
                item.landed = self._land_query(item)
            case Count():
                self._witness.keep(item)
            case Snapshot():
                self.snapshots.append(item)
            case KnownUntil():
                self.known_until = item.at

    def close(self) -> None:
        """Finish the files: the reading is over."""
        self.flush()

    def flush(self) -> None:
        """Finish the files written so far; further items go into new ones."""
        self._close_page_part()
        self._flush_rejects()

    def drop_empty_parts(self) -> None:
        """Remove the parts without a record: their columns are not part of what the source holds."""
        for part in parts_in(self.folder):
            if not count_in(part):
                part.unlink()

    @property
    def rows(self) -> int:
        """Records landed so far, rejects included."""
        return self._rows

    @property
    def malformed_rows(self) -> int:
        """Rejects landed so far."""
        return self._malformed

    @property
    def witnessed(self) -> int | None:
        """The sum of the independent counts; None if there are none."""
        return self._witness.total

    @property
    def without_records(self) -> list[str]:
        """Origins without records that the load's report should mention."""
        return self._witness.without_records

    @property
    def headers(self) -> dict[str, Header]:
        """The headers of origins without a readable record, by origin."""
        return self._witness.headers(self.folder)

    def verify(self) -> None:
        """Compare the Parquet files with the independent counts.

        Raises CountError if they differ. A batch that ended at its limit is not compared.
        """
        if self.limit is None:
            self._witness.verify(self.folder)

    def as_json(self) -> dict[str, Any]:
        """The writer's state after `flush`, beside the files themselves."""
        return {
            "layout": self.layout,
            "rows": self._rows,
            "malformed": self._malformed,
            "witness": self._witness.as_json(),
            "snapshots": [snapshot_as_json(item) for item in self.snapshots],
            "known_until": self.known_until.isoformat() if self.known_until else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `as_json`, for a new writer whose folder holds the same files."""
        self.layout = state["layout"]
        self._rows, self._malformed = int(state["rows"]), int(state["malformed"])
        self._witness = Witness.from_json(state["witness"])
        self.snapshots = [snapshot_from_json(item) for item in state.get("snapshots", ())]
        until = state.get("known_until")
        self.known_until = datetime.fromisoformat(until) if until else None

    def _land_page(self, page: Page) -> None:
        if records := page.records[: self._wanted]:
            self._keep_layout("json")
            if self._page_part is None:
                self._page_part = PagePart(self._next_part())
            self._page_part.add(records, page.origin, page.received_at)
            self._rows += len(records)
        for reject in page.rejects:
            self._rejects.append((page.origin, page.received_at, reject))
            self._reject_bytes += len(reject.payload) + _REJECT_OVERHEAD_BYTES
            if self._reject_bytes > _HELD_REJECT_BYTES:
                self._flush_rejects()

    def _land_query(self, query: Query) -> int:
        """DuckDB itself writes the Parquet file, unless its records are very wide or very long."""
        self._close_page_part()
        database, sql = query.database, query.sql
        if query.of_rejects:
            path = self._next_malformed()
            count = self._copy(database, sql, path, GROUP_RECORDS)
            if count == 0:
                path.unlink()
            self._rows += count
            self._malformed += count
            return count
        columns = [row[0] for row in database.execute(f"DESCRIBE {sql}").fetchall()]
        self._keep_layout("json" if "_payload" in columns else "columns")
        if self.limit is not None:
            sql = f"SELECT * FROM ({sql}) LIMIT {self._wanted}"
        records = _WIDE_RECORDS if len(columns) > _MOST_COLUMNS else GROUP_RECORDS
        records = max(min(records, _GROUP_BYTES // max(query.record_bytes, 1)), 1)
        with self._watched(query):
            count = self._copy(database, sql, self._next_part(), records)
        self._rows += count
        return count

    @contextmanager
    def _watched(self, query: Query) -> Iterator[None]:
        """Report how many rows a query has landed so far, if somebody listens."""
        if not (query.records and progress.is_heard()):
            yield
            return
        total = max(self.witnessed or 0, self._rows + query.records)

        def tell(share: float) -> None:
            progress.report("reading", self._rows + round(share * query.records), total=total)

        with watched(query.database, tell):
            yield

    def _close_page_part(self) -> None:
        if self._page_part is not None:
            self._page_part.close()
            self._page_part = None

    def _flush_rejects(self) -> None:
        if not self._rejects:
            return
        texts = [_as_text(reject.payload) for _, _, reject in self._rejects]
        table = pa.table(
            {
                "_origin": [origin for origin, _, _ in self._rejects],
                "_received_at": [received_at for _, received_at, _ in self._rejects],
                "reason": [reject.reason for _, _, reject in self._rejects],
                "payload": [text for text, _ in texts],
                "raw": [raw for _, raw in texts],
            },
            schema=_REJECT_SCHEMA,
        )
        pq.write_table(table, self._next_malformed(), compression="zstd")
        self._rows += len(self._rejects)
        self._malformed += len(self._rejects)
        self._rejects, self._reject_bytes = [], 0

    @property
    def _wanted(self) -> int | None:
        # Malformed records count, and may be more than were wanted.
        return None if self.limit is None else max(self.limit - self._rows, 0)

    def _copy(self, database: duckdb.DuckDBPyConnection, sql: str, path: Path, records: int) -> int:
        try:
            if records < GROUP_RECORDS:
                return _copy_by_arrow(database, sql, path, records)
            row = database.execute(
                f"COPY ({sql}) TO {literal(str(path))} "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {GROUP_RECORDS})"
            ).fetchone()
        except duckdb.Error:
            path.unlink(missing_ok=True)  # what was written of it is no part of the batch
            raise
        return int(row[0]) if row else 0

    def _keep_layout(self, layout: Layout) -> None:
        if self.layout not in (None, layout):
            raise FatalError("a connector landed both JSON records and columns in one batch")
        self.layout = layout

    def _next_malformed(self) -> Path:
        return self.folder / f"malformed-{len(list(self.folder.glob('malformed-*'))):04d}.parquet"

    def _next_part(self) -> Path:
        return self.folder / f"part-{len(list(self.folder.glob('part-*'))):04d}.parquet"


_DUCKDB_KINDS: dict[str, type[duckdb.Error]] = {
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
}


def _copy_by_arrow(database: duckdb.DuckDBPyConnection, sql: str, path: Path, records: int) -> int:
    """Write so many records at a time. DuckDB's own writer would hold a gigabyte of a table with thousands of columns,
    or of records of megabytes."""
    database.execute("SET threads = 1")  # each holds rows
    batches = database.execute(sql).to_arrow_reader(records)
    count = 0
    with pq.ParquetWriter(path, batches.schema, compression="zstd", compression_level=1) as writer:
        try:
            for batch in batches:
                writer.write_batch(batch)
                count += batch.num_rows
        except OSError as problem:
            # Arrow passes on what DuckDB says, and forgets what kind of error it was.
            kinds = (kind for words, kind in _DUCKDB_KINDS.items() if str(problem).startswith(words))
            if kind := next(kinds, None):
                raise kind(str(problem)) from None
            raise
        finally:
            database.execute("RESET threads")
    return count


def _as_text(payload: str | bytes) -> tuple[str, bytes | None]:
    """A payload as text and, where that is not all there is to it, as bytes."""
    if isinstance(payload, str):
        return payload.encode("utf-8", "backslashreplace").decode(), None
    try:
        return payload.decode(), None
    except UnicodeDecodeError:
        return payload.decode("utf-8", "backslashreplace"), payload


def checksums(folder: Path) -> dict[str, str]:
    """File name to SHA-256, of a scratch folder's Parquet files."""
    return {item.name: checksum(item) for item in sorted(folder.glob("*.parquet"))}


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def records_in(folder: Path) -> str:
    """The DuckDB relation of a landed batch's records, from the folder of its local copy."""
    return numbered(parts_in(folder), 0)


def malformed_in(folder: Path) -> str:
    """Likewise of what could not be read as a record."""
    return numbered(_in_order(folder, "malformed"), sum(map(count_in, parts_in(folder))))


def parts_in(folder: Path) -> list[Path]:
    """The files with records, in their order."""
    return _in_order(folder, "part")


def all_in(folder: Path) -> list[Path]:
    """The files that `records_in` and `malformed_in` read."""
    return [*parts_in(folder), *_in_order(folder, "malformed")]


def _in_order(folder: Path, kind: str) -> list[Path]:
    """Files by their number, which has more than four digits from the ten thousandth on."""
    return sorted(folder.glob(f"{kind}-*.parquet"), key=lambda path: (len(path.name), path.name))


def count_in(part: Path) -> int:
    """How many records a part has."""
    return int(pq.read_metadata(part).num_rows)


def numbered(parts: list[Path], before: int) -> str:
    """The relation of some parts in their order, with `_row`; `before` is the number of records before them."""
    counts = [before, *map(count_in, parts[:-1])]
    row = f"({list(accumulate(counts))}[file_index::BIGINT + 1] + file_row_number + 1)::BIGINT AS _row"
    files = literals([str(part) for part in parts])
    return f"(SELECT *, {row} FROM read_parquet({files}, union_by_name = true, hive_partitioning = false))"
