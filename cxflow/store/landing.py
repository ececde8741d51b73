"""The landing zone: raw batches as Parquet with a manifest, there whole or not at all.

`extract` writes a batch through `BatchWriter` (the sink that connectors see), `conform` reads it back. A
batch is written in a scratch folder of this machine first. On a local landing zone the finished folder is
renamed into place; on an object store the parts go up first and the manifest last, and a batch without a
manifest does not exist.

A raw batch has one of two layouts: `json`, one text column `_payload` with each record as it came; or
`columns`, the source's own columns. Both carry `_origin` and `_received_at`. A record's place gives it its number
`_row`: from 1, first the parts in their order, then what could not be read. It is not written, so that several
threads can write a part.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Literal

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from cxflow import scratch
from cxflow.errors import FatalError, SourceError
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.sql import literal, literals
from cxflow.model.window import Window
from cxflow.model.workbench import workbench
from cxflow.settings import Secret, Settings

MANIFEST = "manifest.json"
UNFINISHED = ".tmp"
"""Ends the names of folders that are being written."""
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


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a batch says of itself. JSON beside the Parquet files."""

    connection: str
    stream: str
    batch_id: str
    mode: Mode
    connector: str
    plugin_version: str
    window: dict[str, str | None]
    extracted_at: str
    """UTC, ISO 8601: when the extraction began."""
    layout: Layout
    records: int
    """Source records read, the malformed among them."""
    malformed: int
    parts: dict[str, str]
    """File name to SHA-256."""
    cursor: dict[str, Any] = field(default_factory=dict)
    """The stream's next cursor, if this batch is loaded."""
    raw_columns: dict[str, Any] = field(default_factory=dict)
    """The raw shape: column to type (`VARCHAR`, or a nested structure)."""


def storage(settings: Settings) -> tuple[fsspec.AbstractFileSystem, str]:
    """The landing zone's file system and root path."""
    url = settings.landing.url
    if "://" not in url:
        return LocalFileSystem(auto_mkdir=True), str(settings.path(url))
    options = {
        name: value.reveal(f"landing.storage_options.{name}").get_secret_value()
        if isinstance(value, Secret)
        else value
        for name, value in settings.landing.storage_options.items()
    }
    file_system, root = fsspec.core.url_to_fs(url, **options)
    return file_system, root


class BatchWriter:
    """A batch being written. Satisfies `connect.connector.Sink`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The scratch folder with its Parquet files."""
        self._rows = 0
        self._malformed = 0
        self.layout: Layout | None = None

    @property
    def rows(self) -> int:
        """Records landed so far, the malformed among them."""
        return self._rows

    @property
    def malformed_rows(self) -> int:
        """Those that could not be read as a record."""
        return self._malformed

    def records(self, records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime) -> None:
        """Land JSON-like records, `CHUNK_RECORDS` at a time."""
        self._keep_layout("json")
        rest = iter(records)
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

    def query(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Land what a DuckDB query yields; DuckDB itself writes the Parquet file."""
        columns = [row[0] for row in database.execute(f"DESCRIBE {sql}").fetchall()]
        self._keep_layout("json" if "_payload" in columns else "columns")
        self._rows += self._copy(database, sql, self._next_part())

    def malformed(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Land what could not be read as a record."""
        path = self.folder / f"malformed-{len(list(self.folder.iterdir())):04d}.parquet"
        count = self._copy(database, f"SELECT _origin, _received_at, reason, payload FROM ({sql})", path)
        if count == 0:
            path.unlink()
        self._rows += count
        self._malformed += count

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


def new_batch_id(window: Window, extracted_at: datetime) -> str:
    """Sorts by time of extraction; the random tail keeps two workers apart."""
    digest = hashlib.sha256(str(window).encode()).hexdigest()[:6]
    return f"{extracted_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{digest}{secrets.token_hex(3)}"


@contextmanager
def writing() -> Iterator[BatchWriter]:
    """A writer on a scratch folder that goes away with the block; `commit` makes the batch before that."""
    with scratch.folder("landing") as folder:
        yield BatchWriter(folder)


def commit(settings: Settings, writer: BatchWriter, manifest: Manifest) -> BatchRef:
    """Put the written parts and their manifest into the landing zone, whole or not at all."""
    reference = BatchRef(manifest.connection, manifest.stream, manifest.batch_id, manifest.mode)
    folder = writer.folder
    # In order: which of two columns was met first is part of a shape.
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    put_folder(settings, folder, reference.path, last=MANIFEST)
    return reference


def put_folder(settings: Settings, folder: Path, path: str, *, last: str) -> None:
    """Move a scratch folder's files into the landing zone; its file `last` is what makes it exist."""
    file_system, root = storage(settings)
    target = f"{root}/{path}"
    if isinstance(file_system, LocalFileSystem):
        connection, stream, *inside = path.split("/")
        _put_local(folder, Path(root, connection, stream), Path(*inside))
        return
    for item in sorted(folder.iterdir(), key=lambda item: (item.name == last, item.name)):
        file_system.put_file(str(item), f"{target}/{item.name}")


def remove_folder(settings: Settings, path: str) -> None:
    """Remove a folder of the landing zone, if it is there."""
    file_system, root = storage(settings)
    with suppress(FileNotFoundError):
        file_system.rm(f"{root}/{path}", recursive=True)


def _put_local(folder: Path, stream: Path, inside: Path) -> None:
    """Beside the stream's batches first: there the next run finds what was left by one that died."""
    stream.mkdir(parents=True, exist_ok=True)
    with scratch.unfinished(stream, f"{'.'.join(inside.parts)}.", UNFINISHED) as aside:
        for item in folder.iterdir():
            shutil.move(item, aside / item.name)
        # A name must not reach the disk before the content does.
        for path in (*aside.iterdir(), aside):
            _sync(path)
        shutil.rmtree(stream / inside, ignore_errors=True)
        aside.rename(stream / inside)
        _sync((stream / inside).parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksums(folder: Path) -> dict[str, str]:
    """File name to SHA-256, of a scratch folder's Parquet files."""
    sums = {}
    for item in sorted(folder.glob("*.parquet")):
        with item.open("rb") as file:
            sums[item.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def read_manifest(settings: Settings, batch: BatchRef) -> Manifest:
    """The manifest of a landed batch. Raises SourceError where there is no such batch."""
    file_system, root = storage(settings)
    path = f"{root}/{batch.path}/{MANIFEST}"
    try:
        with file_system.open(path, "rb") as file:
            return Manifest(**json.load(file))
    except FileNotFoundError:
        raise SourceError(
            f"there is no landed batch {batch.batch_id}", connection=batch.connection, stream=batch.stream
        ) from None


@contextmanager
def local_copy(settings: Settings, path: str) -> Iterator[Path]:
    """A folder of the landing zone as a local one: itself where it is local, else a copy for the block.

    Its path is never one that DuckDB takes for a glob.
    """
    file_system, root = storage(settings)
    source = f"{root}/{path}"
    is_local = isinstance(file_system, LocalFileSystem)
    if is_local and not any(mark in source for mark in "*?["):
        yield Path(source)
        return
    with scratch.folder("landing") as folder:
        if is_local:
            link = folder / "batch"
            link.symlink_to(source, target_is_directory=True)
            yield link
            return
        file_system.get(f"{source}/", str(folder), recursive=True)
        yield folder


def records_in(folder: Path) -> str:
    """The DuckDB relation of a landed batch's records, from the folder of its local copy."""
    return _numbered(_parts(folder), 0)


def malformed_in(folder: Path) -> str:
    """Likewise of what could not be read as a record."""
    return _numbered(sorted(folder.glob("malformed-*.parquet")), sum(map(_count, _parts(folder))))


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _count(part: Path) -> int:
    return int(pq.read_metadata(part).num_rows)


def _numbered(parts: list[Path], before: int) -> str:
    """The relation of some parts in their order, with `_row`; `before` is the number of records before them."""
    counts = [before, *map(_count, parts[:-1])]
    row = f"({list(accumulate(counts))}[file_index::BIGINT + 1] + file_row_number + 1)::BIGINT AS _row"
    files = literals([str(part) for part in parts])
    return f"(SELECT *, {row} FROM read_parquet({files}, union_by_name = true))"


def lacking(folder: Path, known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Where the origins of a batch differ: raw column to the origins that lack it.

    They are looked at in the order of their delivery. A column is lacked by those that follow one which had it,
    a `known` one by any: before it first appeared it was not missing.
    """
    # DuckDB unites columns whose names differ in case only.
    had = {path: {name.lower(): name for name in pq.read_schema(path).names} for path in _parts(folder)}
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


def batches(settings: Settings, connection: str, stream: str) -> list[str]:
    """The ids of a stream's landed batches, oldest first."""
    file_system, root = storage(settings)
    folder = f"{root}/{connection}/{stream}"
    file_system.invalidate_cache()  # other workers land batches too
    if not file_system.exists(folder):
        return []
    names = [item.rstrip("/").rsplit("/", 1)[-1] for item in file_system.ls(folder, detail=False)]
    return sorted(
        name
        for name in names
        if not name.endswith(UNFINISHED) and file_system.exists(f"{folder}/{name}/{MANIFEST}")
    )


def subset(settings: Settings, batch: BatchRef, rows: list[int]) -> BatchRef:
    """Land some records of a landed batch again, as a batch of their own, for a replay."""
    manifest = read_manifest(settings, batch)
    now = datetime.now(UTC)
    with local_copy(settings, batch.path) as source, writing() as writer:
        before = 0
        with workbench() as database:
            for part in _parts(source):  # a part of its own: which columns it has is news
                writer.query(
                    database,
                    f"SELECT * EXCLUDE (_row) FROM {_numbered([part], before)} "
                    f"WHERE list_contains({rows}, _row) ORDER BY _row",
                )
                before += _count(part)
        again = replace(
            manifest,
            batch_id=new_batch_id(Window.from_json(manifest.window), now),
            mode="replay",
            records=writer.rows,
            malformed=0,
            parts=checksums(writer.folder),
            cursor={},
        )
        return commit(settings, writer, again)
