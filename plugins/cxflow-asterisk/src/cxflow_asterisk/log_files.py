"""Which files a log consists of: the one being written and those it became when it was rotated.

A file is known by its first line, not by its path: rotation renames it, copytruncate copies it, gzip packs
it, and its first line stays what it was. Sizes and offsets count the bytes of the unpacked text, so that a
position in `queue_log` still holds when the file has become `queue_log.2.gz`.
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
"""A file without a line's end in so many bytes is no log."""

_FOREIGN_PACKING = (".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z")
_UNFINISHED = (".tmp", ".part", ".swp", "~")
_GZIP_SIZE_MODULUS = 1 << 32

TimeOf = Callable[[bytes], float | None]
"""The time of a log's line in epoch seconds, or None where it has none."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a log, as it was when it was listed."""

    path: Path
    head: str
    """What it is known by: 16 hexadecimal digits of the SHA-256 of its first line."""
    began_at: float
    """The time of its first line, else of its last change; epoch seconds."""
    size: int
    """Bytes; of a packed file the unpacked ones, modulo 4 GiB."""
    modified_at: datetime
    is_newest: bool = False
    """Whether it may still grow: a last line without its end is then left for the next run."""

    @property
    def is_packed(self) -> bool:
        """Whether it is gzipped."""
        return self.path.suffix == ".gz"

    def resumable_at(self, offset: int) -> int:
        """The offset again, or 0 where the file is no longer the one it was measured in.

        That is so when it has become shorter, or when no line ends before the offset: somebody rewrote it, to
        take out personal data for instance.
        """
        if self.is_packed or offset in (0, self.size):
            return offset
        if offset > self.size:
            return 0
        with opened(self.path) as source:
            source.seek(offset - 1)
            return offset if source.read(1) == b"\n" else 0

    def has_more_than(self, offset: int) -> bool:
        """Whether there are bytes behind the offset. May say so in vain where gzip ran in parts."""
        return self.size != (offset % _GZIP_SIZE_MODULUS if self.is_packed else offset)


@dataclass(frozen=True, slots=True)
class Log:
    """A log: the file being written, if it is there, and those rotated away, oldest first."""

    name: str
    """The path of the file being written, as the configuration sees it."""
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
    """A file's unpacked bytes.

    Raises TransientError where it has just been moved, SourceError where there is no right to read it.
    """
    try:
        if path.suffix == ".gz":
            # Buffered, since lines come out of a bare GzipFile many times slower.
            return io.BufferedReader(gzip.open(path, "rb"), 1 << 18)
        return path.open("rb", buffering=1 << 18)
    except FileNotFoundError as problem:
        raise TransientError(f"{path} was moved while it was to be read") from problem
    except PermissionError as problem:
        raise SourceError(
            f"no right to read {path}", value=str(path), fix="join the group that owns Asterisk's logs"
        ) from problem


def _under(root: Path, pattern: str, path: str = "") -> str:
    """A pattern as glob wants it; `{path}` is taken literally, and so is the root."""
    pattern = pattern.replace("{path}", glob.escape(path))
    return pattern if os.path.isabs(pattern) else os.path.join(glob.escape(str(root)), pattern)


def _files(current: Path, old: list[str], time_of: TimeOf) -> tuple[LogFile, ...]:
    """The files of a log that hold a line, each content once, oldest first, the current one last."""
    inspected = [_inspect(Path(path), time_of) for path in old]
    # Between copy and truncation, or while gzip works, one content stands in two files: the current file is
    # better than a copy, and a plain copy than a packed one that may not be whole yet.
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
    """A file that holds at least one complete line; None for any other."""
    if not path.is_file() or path.name.endswith(_UNFINISHED) or path.name.startswith("."):
        return None
    if path.suffix in _FOREIGN_PACKING:
        raise SourceError(f"{path} is packed with something else than gzip", value=str(path), fix="gzip it")
    try:
        status = path.stat()
        with opened(path) as source:
            line = source.readline(MAX_FIRST_LINE_BYTES)
    except FileNotFoundError:
        return None  # moved at this moment: the next run finds it
    except EOFError as problem:
        if path.with_suffix("").exists():
            return None  # being packed at this moment, and what it is made from is still there
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
    """The error of a packed file without its end."""
    return TransientError(f"{path} ends in the middle; is it still being copied?", value=str(path))


def _unpacked_size(path: Path) -> int:
    """What gzip notes in its last four bytes."""
    with path.open("rb") as source:
        source.seek(-4, io.SEEK_END)
        return int.from_bytes(source.read(4), "little")
