"""Finds the files of a log: the one being written and the rotated ones.

A file is identified by its first line, not by its path: rotation renames it, copytruncate copies it, gzip
packs it, and the first line stays the same. Sizes and offsets count bytes of the unpacked text, so that a
position in `queue_log` is still valid in `queue_log.2.gz`.
"""

from __future__ import annotations

import dataclasses
import glob
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cxflow import SourceError, TransientError

MAX_FIRST_LINE_BYTES = 1 << 20
"""A file without a line end in its first bytes, this many, is not a log."""

_FOREIGN_PACKING = (".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z")
_UNFINISHED = (".tmp", ".part", ".swp", "~")
_GZIP_SIZE_MODULUS = 1 << 32

TimeOf = Callable[[bytes], float | None]
"""The time of a log's line in epoch seconds, or None if it has none."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a log, as listed."""

    path: Path
    head: str
    """Its identity: 16 hexadecimal digits of the SHA-256 of its first line."""
    began_at: float
    """The time of its first line, or else of its last change, in epoch seconds."""
    size: int
    """Bytes; for a gzipped file, unpacked bytes modulo 4 GiB."""
    modified_at: datetime
    is_newest: bool = False
    """Whether it may still grow. An incomplete last line is then left for the next run."""

    @property
    def is_packed(self) -> bool:
        """Whether it is gzipped."""
        return self.path.suffix == ".gz"

    def resumable_at(self, offset: int) -> int:
        """The offset, or 0 if the file was rewritten since (to remove personal data, for instance): it is
        shorter than the offset, or no line ends there."""
        if self.is_packed or offset in (0, self.size):
            return offset
        if offset > self.size:
            return 0
        with opened(self.path) as source:
            source.seek(offset - 1)
            return offset if source.read(1) == b"\n" else 0

    def has_more_than(self, offset: int) -> bool:
        """Whether there are bytes after the offset. May be wrongly true for a file of several gzip
        members."""
        return self.size != (offset % _GZIP_SIZE_MODULUS if self.is_packed else offset)


@dataclass(frozen=True, slots=True)
class Log:
    """A log: its rotated files, oldest first, and the file being written, if it exists."""

    name: str
    """The path of the file being written, relative to the root."""
    files: tuple[LogFile, ...]


def find(root: Path, paths: tuple[str, ...], rotated: tuple[str, ...], time_of: TimeOf) -> list[Log]:
    """The logs at `paths` (globs allowed) under `root`, each with the files that `rotated` finds.

    In `rotated`, `{path}` stands for the log's own path. Raises SourceError for a file that cannot be read.
    """
    current: dict[str, str] = {}
    for path in paths:
        pattern = _under(root, path)
        matches = sorted(glob.glob(pattern)) if any(mark in path for mark in "*?[") else [str(root / path)]
        current |= {match: os.path.relpath(match, root) for match in matches}
    old = {
        path: {match for pattern in rotated for match in glob.glob(_under(root, pattern, path))} - {path}
        for path in current
    }
    return [
        Log(name, _files(Path(path), sorted(old[path]), time_of))
        for path, name in current.items()
        # A glob such as `queue_log*` finds the rotated files of its log too.
        if not any(path in others for others in old.values())
    ]


def opened(path: Path) -> IO[bytes]:
    """Open a file's unpacked bytes.

    Raises TransientError if it has just been moved, SourceError without permission to read it.
    """
    try:
        if path.suffix == ".gz":
            # Buffered: reading lines from a bare GzipFile is many times slower.
            return io.BufferedReader(gzip.open(path, "rb"), 1 << 18)
        return path.open("rb", buffering=1 << 18)
    except FileNotFoundError as problem:
        raise TransientError(f"{path} was moved before it could be read") from problem
    except PermissionError as problem:
        raise SourceError(
            f"no permission to read {path}", value=str(path), fix="join the group that owns Asterisk's logs"
        ) from problem


def _under(root: Path, pattern: str, path: str = "") -> str:
    """A pattern for `glob`, with `{path}` and the root taken literally."""
    pattern = pattern.replace("{path}", glob.escape(path))
    return pattern if os.path.isabs(pattern) else os.path.join(glob.escape(str(root)), pattern)


def _files(current: Path, old: list[str], time_of: TimeOf) -> tuple[LogFile, ...]:
    """The non-empty files of a log, each content once, oldest first, the current one last."""
    inspected = [_inspect(Path(path), time_of) for path in old]
    # Between copy and truncation, or while gzip runs, two files have the same content: prefer the current
    # file to a copy, and a plain copy to a gzipped one that may not be complete yet.
    found: dict[str, LogFile] = {}
    copies = [file for file in inspected if file]
    for file in sorted(copies, key=lambda file: (not file.is_packed, file.size)):
        found[file.head] = file
    newest = _inspect(current, time_of)
    if newest:
        found.pop(newest.head, None)
    files = sorted(found.values(), key=lambda file: (file.began_at, file.modified_at, file.path))
    files += [newest] if newest else []
    if files:
        files[-1] = dataclasses.replace(files[-1], is_newest=True)
    return tuple(files)


def _inspect(path: Path, time_of: TimeOf) -> LogFile | None:
    """A file with at least one complete line; None for any other."""
    if not path.is_file() or path.name.endswith(_UNFINISHED) or path.name.startswith("."):
        return None
    if path.suffix in _FOREIGN_PACKING:
        raise SourceError(f"{path} is compressed, but not with gzip", value=str(path), fix="use gzip")
    try:
        status = path.stat()
        with opened(path) as source:
            line = source.readline(MAX_FIRST_LINE_BYTES)
    except FileNotFoundError:
        return None  # just moved: the next run finds it
    except EOFError as problem:
        if path.with_suffix("").exists():
            return None  # being gzipped, and the original still exists
        raise cut_off(path) from problem
    except (zlib.error, gzip.BadGzipFile) as problem:
        raise SourceError(f"{path} is not a readable gzip file", value=str(path)) from problem
    if not line.endswith(b"\n"):
        if len(line) == MAX_FIRST_LINE_BYTES:
            raise SourceError(f"{path} has no lines: it is not a log", value=str(path))
        return None
    began_at = time_of(line)
    return LogFile(
        path=path,
        head=hashlib.sha256(line).hexdigest()[:16],
        began_at=status.st_mtime if began_at is None else began_at,
        size=_unpacked_size(path) if path.suffix == ".gz" else status.st_size,
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def cut_off(path: Path) -> TransientError:
    """The error for a truncated gzip file."""
    return TransientError(f"{path} is truncated; is it still being copied?", value=str(path))


def _unpacked_size(path: Path) -> int:
    """The unpacked size that gzip stores in its last four bytes."""
    with path.open("rb") as source:
        source.seek(-4, io.SEEK_END)
        return int.from_bytes(source.read(4), "little")
