"""The cursor of a file stream: the files that were read and, for a while, those that have disappeared.

Called by `file_set`. As JSON, one short list per file, with paths relative to their common folder:

    {"folder": "/srv/exports/",
     "files": {"a.csv": [size, modified_at, digest], "b.csv": [size, modified_at, digest, etag]},
     "gone": {"old.csv": [size, modified_at, digest, etag, gone_since]},
     "settings": "3f1c…"}

`settings` is the hash of the settings that the files were read under (`reading_settings`). Times are seconds since
1970. A file that was too old to be read has no digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import IO, Any

from cxflow.model.reading import Cursor

REMEMBERED_SECONDS = 30 * 86400
"""How long a file that is gone is remembered, measured by the ends of the runs' windows."""
REMEMBERED_GONE = 50_000
"""How many files that are gone are remembered at most. Those gone longest are forgotten first."""
_DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it was when it was read, or skipped because it was too old."""

    size: int
    """Bytes."""
    modified_at: float
    """Seconds since 1970."""
    digest: str | None = None
    """Digest of its content (`digest_of`); None if it was too old to be read."""
    etag: str | None = None

    def looks_like(self, other: KnownFile) -> bool:
        """Whether their listings are the same."""
        return (self.size, self.modified_at, self.etag) == (other.size, other.modified_at, other.etag)


class KnownFiles:
    """The files of a cursor. A run passes its listing to `see`, then queries it and adds the files it reads."""

    def __init__(self, cursor: Cursor, settings: str) -> None:
        """Also accepts the cursors of earlier versions: with a table per file, or without the hash of the settings.

        Files that were read under other settings than the present ones, `settings`, are not known.
        """
        folder = cursor.get("folder", "")
        self.is_new = "files" not in cursor
        """Whether this is the first run."""
        self.files = {folder + name: _parsed(entry) for name, entry in cursor.get("files", {}).items()}
        """Path to the known file, for files that exist."""
        self.gone = {
            folder + name: (_parsed(entry), float(entry[4])) for name, entry in cursor.get("gone", {}).items()
        }
        """Path to the known file and when it was first missed, for files that are gone."""
        self._settings = settings
        if were_read_otherwise(cursor, settings):
            self.files = {path: entry for path, entry in self.files.items() if not entry.digest}
            self.gone = {path: gone for path, gone in self.gone.items() if not gone[0].digest}
        self._moved: dict[tuple[str, float], str] = {}
        self._vanished: dict[str, list[str]] = {}
        self._sizes: set[tuple[int, float | None]] = set()

    def see(self, listed: Collection[str], now: float) -> None:
        """Register the listing of a run whose window ends at `now`. Call it before all other methods."""
        vanished = [path for path in self.files if path not in listed]
        for path in vanished:
            self.gone[path] = (self.files.pop(path), now)
        for path, entry in [*self.files.items(), *((path, entry) for path, (entry, _) in self.gone.items())]:
            if entry.digest:
                self._moved[entry.digest, entry.modified_at] = path
                self._sizes.add((entry.size, entry.modified_at))
        for path in vanished:
            if digest := self.gone[path][0].digest:
                self._vanished.setdefault(digest, []).append(path)
                self._sizes.add((self.gone[path][0].size, None))

    def at(self, path: str) -> KnownFile | None:
        """The known file at a path, gone or not."""
        return self.files.get(path) or self.gone.get(path, (None,))[0]

    def add(self, path: str, file: KnownFile) -> None:
        """Remember a file that exists."""
        self.files[path] = file
        self.gone.pop(path, None)

    def unread(self) -> set[tuple[int, float]]:
        """Size and modification time of files that were too old to be read, to recognise them if they moved."""
        known = [*self.files.values(), *(entry for entry, _ in self.gone.values())]
        return {(entry.size, entry.modified_at) for entry in known if not entry.digest}

    def may_have_moved(self, file: KnownFile, *, at_any_time: bool) -> bool:
        """Whether a file at a new path may be a known one, so that its content must be compared."""
        times = (file.modified_at, None) if at_any_time else (file.modified_at,)
        return any((file.size, time) in self._sizes for time in times)

    def has_moved(self, file: KnownFile, *, at_any_time: bool) -> bool:
        """Whether a file at a new path is a known one, with the same content and modification time.

        With `at_any_time`, the content is enough if the known path has disappeared since the last run.
        """
        assert file.digest is not None
        if path := self._moved.get((file.digest, file.modified_at)):
            self.gone.pop(path, None)
            return True
        if at_any_time and (paths := self._vanished.get(file.digest)):
            self.gone.pop(paths.pop(), None)
            return True
        return False

    def as_cursor(self, now: float) -> Cursor:
        """The cursor as JSON, without files that have been gone for too long."""
        late = [item for item in self.gone.items() if item[1][1] >= now - REMEMBERED_SECONDS]
        late.sort(key=lambda item: item[1][1])
        gone = {path: [*_fields(entry), since] for path, (entry, since) in late[-REMEMBERED_GONE:]}
        files = {path: _shortened(entry) for path, entry in sorted(self.files.items())}
        folder = _folder_of([*files, *gone])
        cursor: Cursor = {
            "folder": folder,
            "files": _seen_from(folder, files),
            "settings": self._settings,
        }
        return {**cursor, "gone": _seen_from(folder, gone)} if gone else cursor


def were_read_otherwise(cursor: Cursor, settings: str) -> bool:
    """Whether the files of a cursor were read under other settings than those with the hash `settings`."""
    return "files" in cursor and cursor.get("settings", settings) != settings


def digest_of(content: IO[bytes]) -> str:
    """The first 16 bytes of the SHA-256 of a file's content, in base64."""
    digest = hashlib.sha256()
    while block := content.read(_BLOCK_BYTES):
        digest.update(block)
    return _short(digest.digest())


def _short(sha256: bytes) -> str:
    return base64.b64encode(sha256[:_DIGEST_BYTES]).decode().rstrip("=")


def _parsed(entry: Mapping[str, Any] | list[Any]) -> KnownFile:
    if isinstance(entry, Mapping):
        sha256 = entry["sha256"]
        digest = _short(bytes.fromhex(sha256)) if sha256 else None
        return KnownFile(entry["size"], entry["mtime"], digest, entry.get("etag"))
    return KnownFile(*entry[:4])


def _fields(file: KnownFile) -> list[Any]:
    return [file.size, file.modified_at, file.digest, file.etag]


def _shortened(file: KnownFile) -> list[Any]:
    fields = _fields(file)
    return fields if file.etag else fields[:3]


def _folder_of(paths: Collection[str]) -> str:
    """The common folder of all paths, with its slash."""
    first, last = min(paths, default=""), max(paths, default="")
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[: first.rfind("/", 0, same) + 1]


def _seen_from(folder: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    return {path[len(folder) :]: entry for path, entry in entries.items()}
