"""The connector itself: lists the files of a stream, chooses the new ones and reads each by its format."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from cxflow import scratch
from cxflow.connect.connector import Connector
from cxflow.connect.files import file_set, formats
from cxflow.connect.files.known_files import were_read_otherwise
from cxflow.connect.files.reading_settings import fingerprint
from cxflow.connect.files.stream import FilesConnection, FileStream
from cxflow.connect.files.text import LocalFile
from cxflow.errors import SourceError
from cxflow.model.reading import Cursor, Reading
from cxflow.model.window import Window
from cxflow.settings import Secret


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

    def plan(self, stream: FileStream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line per file that would be read."""
        chosen = file_set.changes(
            self._files(stream), self._settled(stream, window), cursor, fingerprint(stream)
        ).files
        return [
            f"{file.path} ({file.size:,} bytes, delivered {file.delivered_at:%Y-%m-%d})" for file in chosen
        ]

    def read(self, stream: FileStream, window: Window, cursor: Cursor | None) -> Reading:
        """Read every file that is new or changed (scheduled), or delivered in the window (backfill)."""
        files = self._files(stream)
        found = file_set.changes(files, self._settled(stream, window), cursor, fingerprint(stream))
        with scratch.folder("files") as folder:
            by_format: dict[str, list[LocalFile]] = {}
            for number, file in enumerate(found.files):
                local = LocalFile(files.fetch(file, folder, number), file.path, file.received_at)
                by_format.setdefault(stream.file_format(file.path), []).append(local)
            for group in by_format.values():
                yield from formats.read(stream, group, folder)
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
        patterns = [_under(connection.root, path) for path in stream.paths]
        zone = stream.timezone or connection.timezone
        day_zone = zone or self.settings.project.timezone
        return file_set.FileSet(patterns, self.settings.folder, options, zone, day_zone)

    def _settled(self, stream: FileStream, window: Window) -> Window:
        """The window without files that may still be being written (`settle_seconds`)."""
        if not stream.settle_seconds:
            return window
        youngest = datetime.now(window.end.tzinfo) - timedelta(seconds=stream.settle_seconds)
        return Window(window.start, min(window.end, youngest))


def _under(root: str, path: str) -> str:
    """A stream's path below the connection's root; URLs and absolute paths stay as they are."""
    if not root or "://" in path or (path.startswith("/") and "://" not in root):
        return path
    return f"{root if root.endswith('/') else f'{root}/'}{path.lstrip('/')}"
