"""Partial batches: the pages of a long pull, kept in the landing zone until its batch is committed. `keeper` writes
them, `extract` resumes from them.

A folder `<connection>/<stream>/<batch_id>.partial` holds the finished files of such a batch. Its `checkpoint.json`,
written last, lists them and says how to resume. Readers of batches ignore it. Each pull writes to its own folder; a
pull that resumes another copies the files first. So two workers share nothing mutable, and a folder may be removed
during its pull, which then writes it again.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
import structlog
from fsspec.implementations.local import LocalFileSystem

from cxflow.errors import CxflowError
from cxflow.landing import zone
from cxflow.landing.files import BatchWriter, checksum
from cxflow.model.batch import Mode
from cxflow.model.reading import Checkpoint, Cursor
from cxflow.model.window import Window
from cxflow.settings import Settings

CHECKPOINT = "checkpoint.json"
OLDEST = timedelta(days=7)
"""Older partial batches are not resumed: the source has changed too much since."""
FORM = 1
"""The version of `checkpoint.json`; other versions are not read."""

log = structlog.get_logger("cxflow")


@dataclass(frozen=True, slots=True)
class Request:
    """What a pull requests. An equal request may resume it."""

    connection: str
    stream: str
    mode: Mode
    window: Window
    cursor: Cursor | None
    """The cursor at the start of the pull; None for a backfill."""
    connector: str
    plugin_version: str
    declared: str
    """A hash of the declarations that decide what is read."""

    @property
    def folder(self) -> str:
        """The stream's folder in the landing zone."""
        return f"{self.connection}/{self.stream}"

    def _reader(self) -> tuple[str, ...]:
        return self.connector, self.plugin_version, self.declared

    def continues(self, other: Request) -> bool:
        """Whether the pages of `other` are the first pages of this request. A scheduled window may end later by now;
        the rest is left to the next run."""
        return (
            self.mode == other.mode
            and self._reader() == other._reader()
            and self.cursor == other.cursor
            and self.window.start == other.window.start
            and (
                self.window.end >= other.window.end
                if self.mode == "scheduled"
                else self.window == other.window
            )
        )

    def supersedes(self, other: Request) -> bool:
        """Whether the pages of `other` are obsolete once this is committed: for a scheduled run because the stream has
        moved on, for a backfill if the window is the same or the stream is read differently now."""
        return self.mode == other.mode and (
            self.mode == "scheduled" or self.window == other.window or self._reader() != other._reader()
        )

    def as_json(self) -> dict[str, Any]:
        """For `checkpoint.json`."""
        return {
            "connection": self.connection,
            "stream": self.stream,
            "mode": self.mode,
            "window": self.window.as_json(),
            "cursor": self.cursor,
            "connector": self.connector,
            "plugin_version": self.plugin_version,
            "declared": self.declared,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Request:
        """The inverse of `as_json`."""
        return cls(**{**fields, "window": Window.from_json(fields["window"])})


@dataclass(frozen=True, slots=True)
class Partial:
    """The pages kept of one pull."""

    batch_id: str
    request: Request
    kept_at: datetime
    files: dict[str, str]
    """File name to SHA-256."""
    writer: dict[str, Any]
    """`BatchWriter.as_json`."""
    checkpoint: Checkpoint = field(repr=False)

    @property
    def records(self) -> int:
        """The number of records, including rejects."""
        return int(self.writer["rows"])


def find(settings: Settings, request: Request) -> list[Partial]:
    """The partial batches that a pull may resume: most records first, then the newest."""
    youngest = datetime.now(UTC) - OLDEST
    found = [
        each
        for _, each in _named(settings, request.folder)
        if each is not None and each.kept_at >= youngest and request.continues(each.request)
    ]
    return sorted(found, key=lambda each: (each.records, each.kept_at), reverse=True)


def fetch(settings: Settings, partial: Partial, writer: BatchWriter) -> bool:
    """Copy the files to an empty writer and restore its state. False if a file is missing or damaged."""
    file_system, folder = place(settings, partial.request, partial.batch_id)
    with zone.reached(settings):
        for name, expected in partial.files.items():
            target = writer.folder / name
            try:
                file_system.get_file(f"{folder}/{name}", str(target))
            except FileNotFoundError:
                return False
            if checksum(target) != expected:
                return False
    writer.restore(partial.writer)
    return True


def remove(settings: Settings, request: Request, batch_id: str) -> None:
    """Remove a partial batch, if it exists; what cannot be removed is left to the next run."""
    _remove(*place(settings, request, batch_id))


def drop(settings: Settings, connection: str, stream: str) -> int:
    """Remove all partial batches of a stream that no run reads any more; returns how many. Raises what `zone.reached`
    raises."""
    file_system, root = zone.storage(settings)
    folder = f"{connection}/{stream}"
    found = _named(settings, folder)
    for batch_id, _ in found:
        _remove(file_system, f"{root}/{folder}/{batch_id}{zone.PARTIAL}")
    return len(found)


def _remove(file_system: fsspec.AbstractFileSystem, folder: str) -> None:
    # First: without this file the others are ignored, even if removing them fails.
    with suppress(OSError):
        file_system.rm_file(f"{folder}/{CHECKPOINT}")
    if isinstance(file_system, LocalFileSystem):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        file_system.rm(folder, recursive=True)


def clear(settings: Settings, request: Request) -> None:
    """Remove the partial batches that are obsolete once a pull's batch is committed, and those damaged or too old.

    If the landing zone fails, that is left to the next run: the batch itself is committed.
    """
    youngest = datetime.now(UTC) - OLDEST
    try:
        found = _named(settings, request.folder)
    except (CxflowError, OSError):
        log.warning("partial batches could not be removed", stream=request.folder)
        return
    for name, each in found:
        if each is None or each.kept_at < youngest or request.supersedes(each.request):
            remove(settings, request, name)


def place(settings: Settings, request: Request, batch_id: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system and the folder of a partial batch."""
    file_system, root = zone.storage(settings)
    return file_system, f"{root}/{request.folder}/{batch_id}{zone.PARTIAL}"


def _named(settings: Settings, of_stream: str) -> list[tuple[str, Partial | None]]:
    """The partial batches in a stream's folder by batch id; None for one whose checkpoint is missing or unreadable."""
    file_system, root = zone.storage(settings)
    folder = f"{root}/{of_stream}"
    file_system.invalidate_cache()  # other workers keep pages too
    with zone.reached(settings):
        try:
            listed = file_system.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in listed]
        ids = sorted(name.removesuffix(zone.PARTIAL) for name in names if name.endswith(zone.PARTIAL))
        return [(each, _read(file_system, f"{folder}/{each}{zone.PARTIAL}", each)) for each in ids]


def _read(file_system: fsspec.AbstractFileSystem, folder: str, batch_id: str) -> Partial | None:
    try:
        fields = json.loads(file_system.cat_file(f"{folder}/{CHECKPOINT}"))
        if fields.pop("form") != FORM:
            return None
        made = Partial(
            batch_id=batch_id,
            kept_at=datetime.fromisoformat(fields.pop("kept_at")).astimezone(UTC),
            files=fields.pop("files"),
            writer=fields.pop("writer"),
            checkpoint=fields.pop("checkpoint"),
            request=Request.from_json(fields),
        )
    except FileNotFoundError:  # it is being written or removed, or that was killed
        return None
    except (ValueError, TypeError, KeyError, AttributeError, CxflowError):
        log.warning("a checkpoint is damaged", batch=batch_id)
        return None
    return made
