"""Makes the pages of a pull durable, so that a later pull can resume it. Called by `extract`."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cxflow import private_files
from cxflow.landing import partial, zone
from cxflow.landing.files import BatchWriter, checksum
from cxflow.model.reading import Checkpoint
from cxflow.settings import Settings


class Keeper:
    """Keeps the pages of one pull at its checkpoints, as often as the settings say."""

    def __init__(
        self,
        settings: Settings,
        request: partial.Request,
        batch_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._request, self._batch_id, self._clock = settings, request, batch_id, clock
        self._files: dict[str, str] = {}
        self._last = clock()

    def offer(self, writer: BatchWriter, checkpoint: Checkpoint) -> None:
        """Make the pages up to this checkpoint durable, if enough time has passed since the last time."""
        if self._clock() - self._last >= self._settings.landing.checkpoint_seconds:
            self._keep(writer, checkpoint)
            self._last = self._clock()

    def _keep(self, writer: BatchWriter, checkpoint: Checkpoint) -> None:
        writer.flush()
        for path in sorted(writer.folder.glob("*.parquet")):
            if path.name not in self._files:
                self._files[path.name] = checksum(path)
        content = json.dumps(
            {
                "form": partial.FORM,
                "kept_at": datetime.now(UTC).isoformat(),
                **self._request.as_json(),
                "files": self._files,
                "writer": writer.as_json(),
                "checkpoint": checkpoint,
            }
        )
        file_system, folder = partial.place(self._settings, self._request, self._batch_id)
        with zone.reached(self._settings):
            there = _names(file_system, folder)  # another worker may have removed the folder
            try:
                _put(file_system, writer.folder, folder, self._files.keys() - there, content)
            except FileNotFoundError:  # or does so at this moment
                _put(file_system, writer.folder, folder, self._files, content)


def _names(file_system: fsspec.AbstractFileSystem, folder: str) -> set[str]:
    """The names of the files in a folder; empty if it does not exist."""
    file_system.invalidate_cache()
    try:
        return {path.rsplit("/", 1)[-1] for path in file_system.ls(folder, detail=False)}
    except FileNotFoundError:
        return set()


def _put(
    file_system: fsspec.AbstractFileSystem, source: Path, folder: str, names: Collection[str], content: str
) -> None:
    """Add files to a partial batch, and then `checkpoint.json`, which names them all."""
    names = sorted(names)
    if not isinstance(file_system, LocalFileSystem):
        for name in names:
            file_system.put_file(str(source / name), f"{folder}/{name}")
        file_system.pipe_file(f"{folder}/{partial.CHECKPOINT}", content.encode())
        return
    target = Path(folder)
    private_files.folder(target)
    aside = target / f"{partial.CHECKPOINT}{zone.UNFINISHED}"
    for name in names:
        shutil.copyfile(source / name, target / name)
    aside.write_text(content, encoding="utf-8")
    for path in (*(target / name for name in names), aside):
        private_files.own(path)
    # The checkpoint must not reach the disk before its pages.
    for path in (*(target / name for name in names), aside, target, target.parent):
        zone.sync(path)
    aside.rename(target / partial.CHECKPOINT)
    zone.sync(target)
