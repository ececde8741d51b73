"""Lists the files of a stream, and finds the new ones.

The cursor of a file stream is its set of known files (`known_files`). A file is read if its path is new or its content
changed, but not if it only moved (a rotated log) or was only touched. A copy under a new path is not a move: it is read
as a new delivery.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cxflow.connect.files.file_system import as_text, opened, reading
from cxflow.connect.files.known_files import KnownFile, KnownFiles, digest_of
from cxflow.errors import ConfigError, SourceError, TransientError
from cxflow.model.reading import Cursor
from cxflow.model.window import Window

DATE_MARK = "{date}"
"""In a path: the day a file was delivered, as YYYY-MM-DD. If it occurs several times, all must be the same day."""

_INSTANT = timedelta(microseconds=1)
"""The smallest step of time that lands."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")
_LONGEST_NAME = 80
"""The last characters of a name that a local copy keeps: an object's name may be longer than a file's."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a stream, as listed."""

    path: str
    """Full path on its file system. Bytes that are not UTF-8 are escaped as `\\xNN`, so that it can be stored."""
    size: int
    """Bytes."""
    modified_at: datetime
    delivered_at: datetime
    """The start of the day in its path, or else `modified_at`: by it, a window selects files."""
    received_at: datetime
    """The last instant of the day in its path, or else `modified_at`: nothing in the file happened after it."""
    etag: str | None = None
    place: str = ""
    """Its path on the file system, if that differs from `path`."""

    @property
    def found_at(self) -> str:
        """Its path on the file system."""
        return self.place or self.path

    def as_known(self, digest: str | None) -> KnownFile:
        """Its entry in the cursor."""
        return KnownFile(self.size, self.modified_at.timestamp(), digest, self.etag)


class FileSet:
    """The files that match a stream's paths, on one file system."""

    def __init__(
        self, patterns: Iterable[str], root: Path, options: dict[str, Any], zone: str | None, day_zone: str
    ) -> None:
        """`zone` is that of times written without one, `day_zone` that in which the days of paths begin and end.

        Raises ConfigError for a URL of an unknown file system, SourceError for an archive that cannot be opened."""
        self.patterns = tuple(patterns)
        self._zone = ZoneInfo(zone or "UTC")
        self._day_zone = ZoneInfo(day_zone)
        self.file_system, self._globs = self._open(root, options)
        self.keeps_digests = False
        """Whether to compute the digest of each file when it is fetched."""
        self._digests: dict[str, str] = {}

    @property
    def is_local(self) -> bool:
        """Whether DuckDB can read the files where they are."""
        return isinstance(self.file_system, LocalFileSystem)

    @property
    def is_dated(self) -> bool:
        """Whether paths contain the day of delivery."""
        return any(DATE_MARK in pattern for pattern in self.patterns)

    def _open(self, root: Path, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, list[str]]:
        globs = []
        file_systems: list[fsspec.AbstractFileSystem] = []
        for pattern in self.patterns:
            file_system, path = opened(pattern, root, options)
            globs.append(path)
            file_systems.append(file_system)
        if any(other != file_systems[0] for other in file_systems):
            raise ConfigError(
                f"the paths {', '.join(self.patterns)} are on different file systems",
                value=self.patterns[-1],
                fix="declare a stream for each",
            )
        return file_systems[0], globs

    def listing(self) -> list[SourceFile]:
        """All files, in order of delivery. Unfinished ones (`.tmp`, `.part`, hidden) are left out.

        Raises SourceError if a path's date is invalid, or if a folder may not be listed.
        """
        found: dict[str, SourceFile] = {}
        self.file_system.invalidate_cache()  # to see what was delivered since
        for pattern in self._globs:
            for place, info in self._glob(pattern).items():
                name = place.rsplit("/", 1)[-1]
                if info.get("islink"):
                    info = _target(place) or info
                if info["type"] != "file" or name.startswith(".") or name.endswith(_UNFINISHED):
                    continue
                modified_at = self._modified(info)
                path = as_text(place)
                day = self._day_of(pattern, place)
                file = SourceFile(
                    path=path,
                    size=int(info["size"]),
                    modified_at=modified_at,
                    delivered_at=day[0] if day else modified_at,
                    received_at=day[1] if day else modified_at,
                    etag=_etag(info),
                    place=place if place != path else "",
                )
                if found.setdefault(path, file).place != file.place:
                    raise SourceError(
                        f"two files would have the path {path}: the name of one is not UTF-8",
                        value=path,
                        fix="rename one of them",
                    )
        return sorted(found.values(), key=lambda file: (file.delivered_at, file.path))

    def _glob(self, pattern: str) -> dict[str, dict[str, Any]]:
        glob = pattern.replace(DATE_MARK, "*")
        try:
            matches: dict[str, dict[str, Any]] = self.file_system.glob(glob, detail=True)
        except PermissionError as problem:
            raise SourceError(f"no permission to list {glob}", value=pattern) from problem
        except OSError as problem:
            raise TransientError(f"{glob} cannot be listed: {problem}", value=pattern) from problem
        except ValueError as problem:
            raise ConfigError(f"{glob} is not a valid path: {problem}", value=pattern) from problem
        return matches

    def _day_of(self, pattern: str, place: str) -> tuple[datetime, datetime] | None:
        """The first and the last instant of the day in a path."""
        if DATE_MARK not in pattern:
            return None
        before, *between = (_as_regex(text) for text in pattern.split(DATE_MARK))
        match = re.fullmatch(f"{before}(?P<day>.{{10}}){'(?P=day)'.join(between)}", place)
        try:
            day = datetime.strptime(match["day"] if match else "", "%Y-%m-%d")  # noqa: DTZ007  the zone follows
        except ValueError:
            raise SourceError(
                f"the path {as_text(place)} matches, but has no date in the place of {DATE_MARK}",
                value=pattern,
            ) from None
        start = day.replace(tzinfo=self._day_zone)
        try:
            end = (day + timedelta(days=1)).replace(tzinfo=self._day_zone).astimezone(UTC) - _INSTANT
        except OverflowError:  # 9999-12-31 is the calendar's last day
            end = _LATEST
        return start, end

    def _modified(self, info: dict[str, Any]) -> datetime:
        for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
            value = info.get(name)
            if isinstance(value, datetime):
                return value.astimezone(UTC)
            if isinstance(value, int | float):
                return _instant(value)
            if isinstance(value, str):
                return datetime.fromisoformat(value).astimezone(UTC)
        if "date_time" in info:  # a ZIP's: local time of its creator, or zeros
            with suppress(ValueError):
                return datetime(*info["date_time"][:6]).replace(tzinfo=self._zone).astimezone(UTC)
        return _EPOCH  # file systems that keep no times

    def _content(self, file: SourceFile) -> IO[bytes]:
        if self.is_local:
            return open(file.found_at, "rb", buffering=0)
        opened: IO[bytes] = self.file_system.open(file.found_at, "rb")
        return opened

    def digest(self, file: SourceFile) -> str:
        """The digest of a file's content. Reads the content unless the digest is known."""
        if file.path not in self._digests:
            with reading(file.path), self._content(file) as content:
                self._digests[file.path] = digest_of(content)
        return self._digests[file.path]

    def fetch(self, file: SourceFile, folder: Path, number: int) -> Path:
        """A local path with the file's content, with the same suffixes and a name in UTF-8.

        The digest for the cursor is computed now, so that a later change counts as one.
        """
        local = Path(file.path)
        if file.place or not self.is_local:
            name = file.path.rsplit("/", 1)[-1].replace("\\", "_")
            local = folder / f"{number:06d}-{name[-_LONGEST_NAME:]}"
            with reading(file.path):
                if self.is_local:
                    local.symlink_to(file.place)
                else:
                    self.file_system.get_file(file.found_at, str(local))
        if self.keeps_digests and file.path not in self._digests:
            with reading(file.path), open(local, "rb", buffering=0) as content:
                self._digests[file.path] = digest_of(content)
        return local


@dataclass(frozen=True, slots=True)
class Changes:
    """The files that a run reads."""

    files: tuple[SourceFile, ...]
    _file_set: FileSet
    _known: KnownFiles | None
    _end: float
    """The end of the window, in seconds since 1970."""
    _delivered: tuple[SourceFile, ...] = ()
    """All files that were delivered before that end."""

    def whole(self) -> Changes:
        """All files that were delivered, if any is to be read. Raises SourceError if one that was read is gone."""
        if not self.files:
            return self
        if self._known is not None and self._known.gone:
            gone = sorted(self._known.gone)
            raise SourceError(
                f"files that were read before are gone: {', '.join(gone[:3])}{' …' if len(gone) > 3 else ''}; records "
                "may have lines in them (group_by)",
                value=gone[0],
                fix='put them back; or set group_within = "file", if no record has lines in two files',
            )
        return replace(self, files=self._delivered)

    @property
    def known_until(self) -> datetime | None:
        """When the newest file was delivered, or the end of its day; None without a file, or if nobody knows."""
        newest = max((file.received_at for file in self._delivered), default=_EPOCH)
        if newest == _EPOCH:
            return None
        return newest + _INSTANT if self._file_set.is_dated and newest < _LATEST else newest

    @property
    def cursor(self) -> Cursor:
        """The cursor after reading the files; call it after they were fetched."""
        if self._known is None:
            return {}
        for file in self.files:
            self._known.add(file.path, file.as_known(self._file_set.digest(file)))
        return self._known.as_cursor(self._end)


def changes(files: FileSet, window: Window, cursor: Cursor | None, settings: str) -> Changes:
    """The files to read in a window. `settings` is the hash of the present reading settings.

    A backfill (`cursor` None) takes every file delivered within it. A scheduled run takes every file delivered before
    its end that is new or changed since the cursor, or was read under other settings. In the first run, files older
    than the window's start, if it has one, are only remembered, so that later changes of them are detected.
    """
    listing, end = files.listing(), window.end.timestamp()
    delivered = tuple(file for file in listing if file.delivered_at < window.end)
    if cursor is None:
        chosen = [file for file in listing if file.delivered_at in window]
        return Changes(tuple(chosen), files, None, end, delivered)
    files.keeps_digests = True
    known = KnownFiles(cursor, settings)
    known.see({file.path for file in listing}, end)
    unread = set() if files.is_dated else known.unread()
    chosen = [file for file in delivered if _is_new(file, files, known, window, unread)]
    return Changes(tuple(chosen), files, known, end, delivered)


def _is_new(
    file: SourceFile, files: FileSet, known: KnownFiles, window: Window, unread: set[tuple[int, float]]
) -> bool:
    """Whether to read a file. If not, it is remembered as it is listed now."""
    before, now = known.at(file.path), file.as_known(None)
    if before is not None and now.looks_like(before):
        known.add(file.path, before)  # it may have been gone
        return False
    too_old = file.delivered_at not in window if known.is_new else (now.size, now.modified_at) in unread
    if too_old:
        known.add(file.path, now)
        return False
    # A file of a new day is new, even if its content equals that of an earlier day.
    at_any_time = not files.is_dated
    may_be_touched = before is not None and before.digest is not None and before.size == now.size
    if may_be_touched or known.may_have_moved(now, at_any_time=at_any_time):
        now = file.as_known(files.digest(file))
        is_touched = before is not None and before.digest == now.digest
        if is_touched or known.has_moved(now, at_any_time=at_any_time):
            known.add(file.path, now)
            return False
    return True


def _etag(info: dict[str, Any]) -> str | None:
    """The content's fingerprint in the listing, if there is one: an object's etag, a ZIP's checksum."""
    found = info.get("ETag") or info.get("etag") or info.get("CRC")
    return None if found is None else str(found)


def _target(path: str) -> dict[str, Any] | None:
    """The listing entry of a local link's target; None for a dangling link."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return {"type": kind, "size": found.st_size, "mtime": found.st_mtime}


def _instant(seconds: float) -> datetime:
    """A time from seconds since 1970, clamped to the calendar: a file's clock may be far off."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return _LATEST if seconds > 0 else _EPOCH


def _as_regex(pattern: str) -> str:
    """A piece of a glob as a regular expression, with the meaning of fsspec's `glob`."""
    wildcards = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return "".join(wildcards.get(token) or _class_or_text(token) for token in tokens)


def _class_or_text(token: str) -> str:
    if len(token) < 3 or not token.startswith("[") or not token.endswith("]"):
        return re.escape(token)
    negated = token[1] == "!"
    inside = token[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[{'^' if negated else ''}{inside}]"
