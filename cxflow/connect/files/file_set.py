"""Which files a stream has, which of them are new, and what to remember of them.

The cursor of a file stream is its file set: path to size, modification time, etag and SHA-256. A file is read
when its path is new or its content changed; one that only moved (a rotated log) or was only touched is not. A
copy under a new path is no move: the source says anew what it said before.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cxflow.errors import ConfigError, SourceError, TransientError
from cxflow.model.reading import Cursor
from cxflow.model.window import Window

DATE_MARK = "{date}"
"""In a path: the day a file was delivered, as YYYY-MM-DD; the same day wherever it stands."""

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a stream, as its listing shows it."""

    path: str
    """Full path on its file system."""
    size: int
    """Bytes."""
    modified_at: datetime
    delivered_at: datetime
    """The day in its path (its first instant), else `modified_at`."""
    etag: str | None = None

    def same_listing(self, known: dict[str, Any]) -> bool:
        """Whether nothing that a listing shows has changed."""
        return bool(
            known["size"] == self.size
            and known["mtime"] == self.modified_at.timestamp()
            and known.get("etag") == self.etag
        )

    @property
    def as_unread(self) -> tuple[int, float]:
        """What tells a file that was too old to be read, wherever it has moved since."""
        return self.size, self.modified_at.timestamp()

    def as_known(self, sha256: str | None) -> dict[str, Any]:
        """Its entry in the cursor."""
        return {"size": self.size, "mtime": self.modified_at.timestamp(), "etag": self.etag, "sha256": sha256}


class FileSet:
    """The files that match a stream's paths, on one file system."""

    def __init__(
        self, patterns: Iterable[str], root: Path, options: dict[str, Any], zone: str | None
    ) -> None:
        self.patterns = tuple(patterns)
        self._zone = ZoneInfo(zone or "UTC")
        self.file_system, self._globs = self._open(root, options)

    @property
    def is_local(self) -> bool:
        """Whether DuckDB can read the files where they are."""
        return isinstance(self.file_system, LocalFileSystem)

    def _open(self, root: Path, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, list[str]]:
        globs = []
        file_systems: list[fsspec.AbstractFileSystem] = []
        for pattern in self.patterns:
            if "://" in pattern:
                try:
                    file_system, path = fsspec.core.url_to_fs(pattern, **options)
                except (ImportError, ValueError) as problem:
                    raise ConfigError(f"{pattern} cannot be opened: {problem}", value=pattern) from problem
                globs.append(path)
            else:
                file_system = LocalFileSystem()
                # The project's folder is no glob, whatever its name; `..` and `.` would not match a listing.
                inside = os.path.join(glob.escape(str(root)), pattern)
                globs.append(os.path.normpath(inside))
            file_systems.append(file_system)
        if any(other != file_systems[0] for other in file_systems):
            raise ConfigError(
                f"the paths {', '.join(self.patterns)} are on different file systems",
                value=self.patterns[-1],
                fix="give each a stream of its own",
            )
        return file_systems[0], globs

    def listing(self) -> list[SourceFile]:
        """Every file there is, in order of delivery. Unfinished ones (`.tmp`, `.part`, hidden) are left out.

        Raises SourceError where a path's date is none.
        """
        found: dict[str, SourceFile] = {}
        self.file_system.invalidate_cache()  # what others have delivered since is to be seen
        for pattern in self._globs:
            for path, info in self._glob(pattern).items():
                name = path.rsplit("/", 1)[-1]
                if info.get("islink"):
                    info = _target(path) or info
                if info["type"] != "file" or name.startswith(".") or name.endswith(_UNFINISHED):
                    continue
                modified_at = _modified(info)
                found[path] = SourceFile(
                    path=path,
                    size=int(info["size"]),
                    modified_at=modified_at,
                    delivered_at=self._date_of(pattern, path) or modified_at,
                    etag=info.get("ETag") or info.get("etag"),
                )
        return sorted(found.values(), key=lambda file: (file.delivered_at, file.path))

    def _glob(self, pattern: str) -> dict[str, dict[str, Any]]:
        glob = pattern.replace(DATE_MARK, "*")
        try:
            matches: dict[str, dict[str, Any]] = self.file_system.glob(glob, detail=True)
        except PermissionError as problem:
            raise SourceError(f"no right to list {glob}", value=pattern) from problem
        except OSError as problem:
            raise TransientError(f"{glob} cannot be listed: {problem}", value=pattern) from problem
        return matches

    def _date_of(self, pattern: str, path: str) -> datetime | None:
        if DATE_MARK not in pattern:
            return None
        before, *between = (_as_regex(part) for part in pattern.split(DATE_MARK))
        match = re.fullmatch(f"{before}(?P<day>.{{10}}){'(?P=day)'.join(between)}", path)
        try:
            day = datetime.strptime(match["day"] if match else "", "%Y-%m-%d")  # noqa: DTZ007  the zone follows
        except ValueError:
            raise SourceError(
                f"the path {path} matches, but holds no date where {DATE_MARK} stands", value=pattern
            ) from None
        return day.replace(tzinfo=self._zone)

    def sha256(self, file: SourceFile) -> str:
        """Of its content, which is read for it."""
        with _reading(file), self.file_system.open(file.path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def fetch(self, file: SourceFile, folder: Path, number: int) -> Path:
        """A local path with the file's content, its suffixes kept."""
        if self.is_local:
            return Path(file.path)
        local = folder / f"{number:06d}-{file.path.rsplit('/', 1)[-1]}"
        with _reading(file):
            self.file_system.get_file(file.path, str(local))
        return local


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run is to read, and the cursor once it has."""

    files: tuple[SourceFile, ...]
    cursor: Cursor


def changes(files: FileSet, window: Window, cursor: Cursor | None) -> Changes:
    """The files to read in a window.

    A backfill (`cursor` None) takes every file delivered within it. A scheduled run takes every file
    delivered before its end that is new or changed since the cursor; at the first run, where the window has a
    start, older files are only remembered, so that a later change of one is still seen.
    """
    listing = [file for file in files.listing() if file.delivered_at < window.end]
    if cursor is None:
        return Changes(tuple(file for file in listing if file.delivered_at in window), {})
    known: dict[str, dict[str, Any]] = dict(cursor.get("files", {}))
    first_run = "files" not in cursor
    dated = any(file.delivered_at != file.modified_at for file in listing)
    moved = _moved(known, listing, dated)
    unread = {
        (entry["size"], entry["mtime"]) for entry in known.values() if not entry["sha256"] and not dated
    }
    chosen: list[SourceFile] = []
    for file in listing:
        entry = known.get(file.path)
        if entry is not None and file.same_listing(entry):
            continue
        too_old = file.delivered_at not in window if first_run else file.as_unread in unread
        if too_old:
            known[file.path] = file.as_known(None)
            continue
        sha256 = files.sha256(file)
        known[file.path] = file.as_known(sha256)
        if entry is not None and entry["sha256"] == sha256:
            continue  # only touched
        if (sha256, file.modified_at.timestamp()) not in moved and (sha256, None) not in moved:
            chosen.append(file)
    return Changes(tuple(chosen), {"files": known})


def _moved(
    known: dict[str, dict[str, Any]], listing: list[SourceFile], dated: bool
) -> set[tuple[str, float | None]]:
    """What a file that has only moved shows: the content of one read before, and its modification time.

    Any time will do (None) where the earlier path is gone, unless its day was in it: what a source says of a
    new day is news, even if it said the same of an earlier one.
    """
    here = {file.path for file in listing}
    found: set[tuple[str, float | None]] = set()
    for path, entry in known.items():
        if entry["sha256"]:
            found.add((entry["sha256"], entry["mtime"]))
            if path not in here and not dated:
                found.add((entry["sha256"], None))
    return found


@contextmanager
def _reading(file: SourceFile) -> Iterator[None]:
    """Errors of the file system in the block, as errors that name the file."""
    try:
        yield
    except PermissionError as problem:
        raise SourceError(f"no right to read {file.path}", value=file.path) from problem
    except FileNotFoundError as problem:
        raise TransientError(f"{file.path} is gone since it was listed", value=file.path) from problem
    except OSError as problem:
        raise TransientError(f"{file.path} cannot be read: {problem}", value=file.path) from problem


def _target(path: str) -> dict[str, Any] | None:
    """What a local link points at; None for a dangling one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {"type": kind, "size": found.st_size, "mtime": found.st_mtime}


def _modified(info: dict[str, Any]) -> datetime:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
    return datetime.fromtimestamp(0, UTC)  # memory-like file systems that keep no time


def _as_regex(pattern: str) -> str:
    """A part of a glob as a regular expression, as fsspec's `glob` understands it."""
    parts = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(parts.get(token) or _class_or_text(token) for token in tokens)


def _class_or_text(token: str) -> str:
    if len(token) < 3 or not token.startswith("[") or not token.endswith("]"):
        return re.escape(token)
    negated = token[1] == "!"
    inside = token[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[{'^' if negated else ''}{inside}]"
