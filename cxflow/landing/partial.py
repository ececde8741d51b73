"""Partial batches: what a long pull keeps in the landing zone until its batch is committed. Called by `extract`;
`keeper` writes them.

A folder `<connection>/<stream>/<batch_id>.partial` holds the finished files of such a batch. Its `checkpoint.json`,
written last, says what they are and how to resume. No reader of batches looks there. Each pull writes to a folder of
its own: one that resumes another copies the files first. So two workers share nothing that changes, and a folder may be
removed while its pull is alive: the pull writes it again.
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
"""What was kept longer ago is not resumed: the source has changed too much meanwhile."""
FORM = 1
"""Of `checkpoint.json`. What has another form is not read."""

log = structlog.get_logger("cxflow")


@dataclass(frozen=True, slots=True)
class Request:
    """What a pull asks for. An equal request may resume it."""

    connection: str
    stream: str
    mode: Mode
    window: Window
    cursor: Cursor | None
    """With which the pull began; None for a backfill."""
    connector: str
    plugin_version: str
    declared: str
    """A hash of the declarations that decide what is read."""

    @property
    def folder(self) -> str:
        """Of the stream, seen from the landing zone."""
        return f"{self.connection}/{self.stream}"

    def _reader(self) -> tuple[str, ...]:
        return self.connector, self.plugin_version, self.declared

    def continues(self, other: Request) -> bool:
        """Whether the pages of `other` are the first ones of what this asks for. The end of a scheduled window may have
        moved meanwhile: the rest is the next run's."""
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
        """Whether nobody needs the pages of `other` any more once this is committed: of a scheduled run because the
        stream has moved on, of a backfill where it was of this window, or is not read like that any more."""
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
    """What was kept of one pull."""

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
        """How many, those that could not be read among them."""
        return int(self.writer["rows"])


def find(settings: Settings, request: Request) -> list[Partial]:
    """What a pull may resume: most records first, then the newest."""
    youngest = datetime.now(UTC) - OLDEST
    found = [
        each
        for _, each in _named(settings, request)
        if each is not None and each.kept_at >= youngest and request.continues(each.request)
    ]
    return sorted(found, key=lambda each: (each.records, each.kept_at), reverse=True)


def fetch(settings: Settings, partial: Partial, writer: BatchWriter) -> bool:
    """Copy the files to an empty writer and restore its state. False where a file is missing or damaged."""
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
    """Remove one, if it is there; what cannot be removed is left to the next run."""
    file_system, folder = place(settings, request, batch_id)
    # Without this file the others are nothing, wherever the removing ends.
    with suppress(OSError):
        file_system.rm_file(f"{folder}/{CHECKPOINT}")
    if isinstance(file_system, LocalFileSystem):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        file_system.rm(folder, recursive=True)


def clear(settings: Settings, request: Request) -> None:
    """Remove what nobody needs any more once the batch of a pull is committed, and what is not whole or too old.

    Where the landing zone fails meanwhile that is left to the next run: the batch is there.
    """
    youngest = datetime.now(UTC) - OLDEST
    try:
        found = _named(settings, request)
    except (CxflowError, OSError):
        log.warning("what was kept of a pull could not be removed", stream=request.folder)
        return
    for name, each in found:
        if each is None or each.kept_at < youngest or request.supersedes(each.request):
            remove(settings, request, name)


def place(settings: Settings, request: Request, batch_id: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system and the folder of one."""
    file_system, root = zone.storage(settings)
    return file_system, f"{root}/{request.folder}/{batch_id}{zone.PARTIAL}"


def _named(settings: Settings, request: Request) -> list[tuple[str, Partial | None]]:
    """The partial batches of a stream by the id of their batch; None for one that says nothing, or nothing that can be
    read."""
    file_system, root = zone.storage(settings)
    folder = f"{root}/{request.folder}"
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
    except FileNotFoundError:  # it is being written or removed, or who did that has died
        return None
    except (ValueError, TypeError, KeyError, AttributeError, CxflowError):
        log.warning("a checkpoint is damaged", batch=batch_id)
        return None
    return made
