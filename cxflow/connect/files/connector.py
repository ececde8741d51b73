"""The connector itself: lists the files of a stream, chooses the new ones and reads each by its format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from cxflow import scratch
from cxflow.connect.connector import Connector
from cxflow.connect.files import file_set, formats, grouping, headers
from cxflow.connect.files.items import Items
from cxflow.connect.files.known_files import were_read_otherwise
from cxflow.connect.files.reading_settings import fingerprint
from cxflow.connect.files.stream import FilesConnection, FileStream
from cxflow.connect.files.text import LocalFile
from cxflow.errors import SourceError
from cxflow.model.dataset import Dataset, folder_of, of_files
from cxflow.model.reading import Cursor, KnownUntil, Reading, Snapshot
from cxflow.model.window import Window
from cxflow.settings import Secret

_LARGEST_FETCHED = 16 << 20
"""Bytes of a remote file that is fetched for its header."""


class Files(Connector[FilesConnection, FileStream]):
    """CSV, TSV, fixed width, JSONL, JSON, Parquet and XLSX files; local or behind any fsspec URL."""

    name: ClassVar[str] = "files"
    title: ClassVar[str] = "Exports and drop folders: CSV, JSON, Parquet, XLSX, fixed width; local or fsspec"

    def check(self, stream: FileStream) -> None:
        """Check that at least one file exists, unless the stream is optional. Raises SourceError."""
        files = self._files(stream)
        if not files.listing() and not stream.optional:
            raise SourceError(
                f"no file matches {', '.join(files.patterns)}",
                connection=self.connection.name,
                stream=stream.name,
                value=stream.paths[0],
                fix="fix the path, or set optional = true",
            )

    def columns(self, stream: FileStream, *, offline: bool = False) -> Sequence[str] | None:
        """The names in the headers of the stream's oldest and newest file. None for JSON, for large remote files and
        without a file."""
        if stream.group_by:
            return [*stream.group_by, *stream.aggregates]
        if offline and any("://" in pattern for pattern in self._patterns(stream)):
            return None
        files = self._files(stream)
        listing = files.listing()
        found: list[str] = []
        with scratch.folder("headers") as folder:
            for number, file in enumerate(dict.fromkeys([*listing[:1], *listing[-1:]])):
                if not files.is_local and file.size > _LARGEST_FETCHED:
                    return None
                local = LocalFile(files.fetch(file, folder, number), file.path, file.delivered_at)
                names = headers.names(stream, local, folder)
                if names is None:
                    return None
                known = {name.lower() for name in found}
                found += [name for name in names if name.lower() not in known]
        return found or None

    def remarks(self, stream: FileStream) -> list[str]:
        """Whether files of a stream of snapshots were delivered at one time."""
        if not stream.snapshot:
            return []
        times = Counter(file.received_at for file in self._files(stream).listing())
        shared = [(time, number) for time, number in sorted(times.items()) if number > 1]
        if not shared:
            return []
        time, number = shared[-1]
        return [
            f"{number:,} files were delivered at {_shown(time)}: they count as one snapshot, which lacks what none of "
            "them holds"
        ]

    def plan(self, stream: FileStream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line per file that would be read."""
        chosen = file_set.changes(
            self._files(stream), self._settled(stream, window), cursor, fingerprint(stream)
        ).files
        return [
            f"{file.path} ({file.size:,} bytes, delivered {file.delivered_at:%Y-%m-%d})" for file in chosen
        ]

    def datasets(self, stream: FileStream) -> list[Dataset]:
        """Its files or, where a path has a wildcard, their folders."""
        folders = dict.fromkeys(map(folder_of, self._patterns(stream)))
        places = (each if "://" in each else os.path.abspath(self.settings.folder / each) for each in folders)
        return [of_files(place, self.connection.storage_options) for place in places]

    def available(self, stream: FileStream) -> str | None:
        """When the stream's oldest and newest file were delivered."""
        listing = self._files(stream).listing()
        if not listing:
            return "there is no file"
        first, last = (_shown(file.delivered_at) for file in (listing[0], listing[-1]))
        if first == last:
            return f"its {'file was' if len(listing) == 1 else 'files were'} delivered at {first}"
        return f"its {len(listing):,} files were delivered from {first} to {last}"

    def read(self, stream: FileStream, window: Window, cursor: Cursor | None) -> Reading:
        """Read every file that is new or changed (scheduled), or delivered in the window (backfill)."""
        files = self._files(stream)
        found = file_set.changes(files, self._settled(stream, window), cursor, fingerprint(stream))
        if stream.group_by and stream.group_within == "stream":
            found = found.whole()
        files.keeps_digests |= stream.snapshot
        with scratch.folder("files") as folder:
            by_format: dict[str, list[LocalFile]] = {}
            for number, file in enumerate(found.files):
                local = LocalFile(files.fetch(file, folder, number), file.path, file.received_at)
                by_format.setdefault(stream.file_format(file.path), []).append(local)
            read = _all(stream, by_format.values(), folder)
            if stream.group_by:
                read = grouping.grouped(stream, read, folder, self.settings.folder)
            yield from read
            if stream.snapshot:
                for file in found.files:
                    yield Snapshot(file.path, file.received_at, files.digest(file))
            if found.known_until is not None:
                yield KnownUntil(found.known_until)
        return found.cursor

    def reads_anew(self, stream: FileStream, cursor: Cursor) -> bool:
        """Whether a setting that decides how a file is read has changed since the cursor."""
        return were_read_otherwise(cursor, fingerprint(stream))

    def _files(self, stream: FileStream) -> file_set.FileSet:
        connection = self.connection
        options = {
            name: value.reveal(f"storage_options.{name}").get_secret_value()
            if isinstance(value, Secret)
            else value
            for name, value in connection.storage_options.items()
        }
        zone = stream.timezone or connection.timezone
        day_zone = zone or self.settings.project.timezone
        return file_set.FileSet(self._patterns(stream), self.settings.folder, options, zone, day_zone)

    def _patterns(self, stream: FileStream) -> list[str]:
        return [_under(self.connection.root, path) for path in stream.paths]

    def _settled(self, stream: FileStream, window: Window) -> Window:
        """The window without files that may still be being written (`settle_seconds`)."""
        if not stream.settle_seconds:
            return window
        youngest = datetime.now(window.end.tzinfo) - timedelta(seconds=stream.settle_seconds)
        return Window(window.start, min(window.end, youngest))


def _all(stream: FileStream, groups: Iterable[list[LocalFile]], folder: Path) -> Items:
    """The items of files, grouped by format."""
    for group in groups:
        yield from formats.read(stream, group, folder)


def _shown(instant: datetime) -> str:
    """An instant as an option of the command line takes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _under(root: str, path: str) -> str:
    """A stream's path below the connection's root; URLs and absolute paths stay as they are."""
    if not root or "://" in path or (path.startswith("/") and "://" not in root):
        return path
    return f"{root if root.endswith('/') else f'{root}/'}{path.lstrip('/')}"
