"""The landing zone: raw batches as Parquet files with a manifest, complete or absent.

A batch is first written in a local scratch folder (`files`). In a local landing zone the finished folder is renamed
into place; on an object store the parts are uploaded first and the manifest last, and a batch without a manifest does
not exist.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cxflow import private_files, scratch
from cxflow.errors import ConfigError, CxflowError, SourceError, TransientError
from cxflow.landing.files import BatchWriter, Layout
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.window import Window
from cxflow.settings import Secret, Settings

MANIFEST = "manifest.json"
UNFINISHED = ".tmp"
"""Suffix of folders that are being written."""
PARTIAL = ".partial"
"""Suffix of folders with the pages of an uncommitted batch (`partial`)."""

_LASTING = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)
"""Local file system errors that a retry does not fix."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a batch, as JSON next to its Parquet files."""

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
    repeated_keys: list[str] = field(default_factory=list)
    """JSON paths of objects that have a key twice in some record, as far as they are not in lists."""
    counted: int | None = None
    """Records that the source holds by an independent count; None where its connector gives none."""
    without_records: list[str] = field(default_factory=list)
    """Files that are not empty and yet have no record: the first few."""
    headers: dict[str, Any] = field(default_factory=dict)
    """Origin without a readable record to its header (`witness.header_as_json`), where it has one."""
    resumed_at: int = 0
    """Records taken over from an interrupted pull that this one resumed; 0 where it started from the beginning."""
    reads_anew: bool = False
    """Whether earlier batches were read under other settings, so that the raw schema known from them counts no more."""
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    """The origins that hold everything the stream has (`files.snapshot_as_json`)."""
    known_until: str | None = None
    """UTC, ISO 8601: how far the stream's deliveries reach; None: to the window's end."""
    project: str = ""
    """The project's folder at the extraction: files in it are named relative to it, wherever it is moved."""
    sources: list[str] = field(default_factory=list)
    """Of a derived batch (`derived`): the batches that its records were landed in."""


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """What the file system of the landing zone raises in the block, as errors that name the setting.

    A full disk passes: `database_errors` says it in one way, whatever filled it.
    """
    url = settings.landing.url
    try:
        yield
    except CxflowError:
        raise
    except OSError as problem:
        if scratch.is_full(problem):
            raise
        remote = "://" in url  # where other numbers may be a network's
        lasts = isinstance(problem, PermissionError | FileNotFoundError) or (
            problem.errno in _LASTING and not remote
        )
        kind = ConfigError if lasts else TransientError
        said = f"{problem.strerror}: {problem.filename}" if problem.filename else str(problem)
        raise kind(
            f"the landing zone {url} cannot be used: {said}",
            value="landing.url",
            fix="correct landing.url, or give this user the right to read and write there" if lasts else None,
        ) from problem


def storage(settings: Settings) -> tuple[fsspec.AbstractFileSystem, str]:
    """The landing zone's file system and root path. Raises ConfigError where there is no such file system."""
    url = settings.landing.url
    if "://" not in url:
        return LocalFileSystem(auto_mkdir=True), str(settings.path(url))
    options = {
        name: value.reveal(f"landing.storage_options.{name}").get_secret_value()
        if isinstance(value, Secret)
        else value
        for name, value in settings.landing.storage_options.items()
    }
    try:
        file_system, root = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError, TypeError) as problem:
        raise ConfigError(
            f"the landing zone {url} cannot be opened: {problem}",
            value="landing.url",
            fix="correct landing.url and landing.storage_options, or install the file system's driver",
        ) from problem
    return file_system, root


def require(settings: Settings) -> None:
    """Try to make the landing zone's root where it is local, so that a wrong one is told before anything is read.

    Leaves nothing behind. Raises ConfigError for one that cannot be made or written.
    """
    file_system, root = storage(settings)
    if not isinstance(file_system, LocalFileSystem):
        return
    made = [folder for folder in (Path(root), *Path(root).parents) if not os.path.lexists(folder)]
    with reached(settings):
        private_files.folder(Path(root))
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no right to write", root)
    for folder in made:
        with suppress(OSError):  # another worker has used it meanwhile
            folder.rmdir()


def new_batch_id(window: Window, extracted_at: datetime) -> str:
    """A new id that sorts by time of extraction; the random tail keeps the ids of two workers apart."""
    digest = hashlib.sha256(str(window).encode()).hexdigest()[:6]
    return f"{extracted_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{digest}{secrets.token_hex(3)}"


@contextmanager
def writing(limit: int | None = None) -> Iterator[BatchWriter]:
    """A writer on a scratch folder that is deleted after the block; call `commit` within it."""
    with scratch.folder("landing") as folder:
        yield BatchWriter(folder, limit)


def commit(settings: Settings, writer: BatchWriter, manifest: Manifest) -> BatchRef:
    """Put the written parts and their manifest into the landing zone, atomically."""
    reference = BatchRef(manifest.connection, manifest.stream, manifest.batch_id, manifest.mode)
    folder = writer.folder
    # Keys are not sorted: the order in which columns were seen is part of the raw schema.
    (folder / MANIFEST).write_text(_as_json(manifest), encoding="utf-8")
    put_folder(settings, folder, reference.path, last=MANIFEST)
    return reference


def _as_json(manifest: Manifest) -> str:
    """One line per field: indenting a cursor with thousands of files takes longer than reading the files."""
    lines = (
        f" {json.dumps(each.name)}: {json.dumps(getattr(manifest, each.name))}" for each in fields(manifest)
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def put_folder(settings: Settings, folder: Path, path: str, *, last: str) -> None:
    """Move a scratch folder's files into the landing zone. The file `last` is put last: with it, the folder exists."""
    file_system, root = storage(settings)
    target = f"{root}/{path}"
    with reached(settings):
        if isinstance(file_system, LocalFileSystem):
            connection, stream, *inside = path.split("/")
            _put_local(folder, Path(root, connection, stream), Path(*inside))
            return
        for item in sorted(folder.iterdir(), key=lambda item: (item.name == last, item.name)):
            file_system.put_file(str(item), f"{target}/{item.name}")


def remove_folder(settings: Settings, path: str) -> None:
    """Remove a folder of the landing zone, if it exists."""
    file_system, root = storage(settings)
    with suppress(FileNotFoundError):
        file_system.rm(f"{root}/{path}", recursive=True)


def _put_local(folder: Path, stream: Path, inside: Path) -> None:
    """Write next to the stream's batches first, where the next run finds the leftovers of a killed one."""
    private_files.folder(stream)
    with scratch.unfinished(stream, f"{'.'.join(inside.parts)}.", UNFINISHED) as aside:
        for item in folder.iterdir():
            shutil.move(item, aside / item.name)
            private_files.own(aside / item.name)
        # A name must not reach the disk before the content does.
        for path in (*aside.iterdir(), aside):
            sync(path)
        shutil.rmtree(stream / inside, ignore_errors=True)
        aside.rename(stream / inside)
        sync((stream / inside).parent)


def sync(path: Path) -> None:
    """Flush a file or folder to disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(settings: Settings, batch: BatchRef) -> Manifest:
    """The manifest of a landed batch. Raises SourceError if there is no such batch, or its manifest is damaged."""
    file_system, root = storage(settings)
    path = f"{root}/{batch.path}/{MANIFEST}"
    try:
        with reached(settings), suppress(FileNotFoundError), file_system.open(path, "rb") as file:
            return Manifest(**json.load(file))
    except (ValueError, TypeError) as problem:  # no JSON, or other fields
        raise SourceError(
            f"the manifest of the landed batch {batch.batch_id} is damaged",
            connection=batch.connection,
            stream=batch.stream,
            value=path,
            fix="put it back from a backup; or remove the batch's folder and run again",
        ) from problem
    raise SourceError(
        f"there is no landed batch {batch.batch_id}", connection=batch.connection, stream=batch.stream
    )


@contextmanager
def local_copy(settings: Settings, path: str) -> Iterator[Path]:
    """A folder of the landing zone as a local folder: itself if it is local, otherwise a copy for the block.

    DuckDB never takes its path for a glob.
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


def batches(settings: Settings, connection: str, stream: str) -> list[str]:
    """The ids of a stream's landed batches, oldest first."""
    file_system, root = storage(settings)
    folder = f"{root}/{connection}/{stream}"
    file_system.invalidate_cache()  # other workers land batches too
    with reached(settings):
        if not file_system.exists(folder):
            return []
        names = [item.rstrip("/").rsplit("/", 1)[-1] for item in file_system.ls(folder, detail=False)]
        return sorted(
            name
            for name in names
            if not name.endswith((UNFINISHED, PARTIAL)) and file_system.exists(f"{folder}/{name}/{MANIFEST}")
        )
