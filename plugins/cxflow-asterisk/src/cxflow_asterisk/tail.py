"""Decides from which byte each file of a log is read, and keeps the progress.

The cursor holds only hashes of first lines and byte offsets: no text of a log, and so no personal data.
"""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cxflow import SourceError

from cxflow_asterisk.log_files import Log, LogFile, cut_off, opened


@dataclass(frozen=True, slots=True)
class Piece:
    """The range to read of one file."""

    file: LogFile
    start: int
    """The byte to start at."""
    fresh: int
    """The first byte that was never read before. Bytes between `start` and it are read again for context."""


@dataclass(slots=True)
class Progress:
    """How far a log has been read. Stored as JSON in the cursor."""

    read: dict[str, int] = field(default_factory=dict)
    """File head to the byte up to which it was read."""
    newest: str | None = None
    """The head of the file that may still grow."""
    resume: tuple[str, int] | None = None
    """Head and byte where the next run starts to read for context; None: at the first unread byte."""

    @classmethod
    def from_json(cls, fields: dict[str, Any] | None) -> Progress:
        """The inverse of `as_json`; None: a log never read."""
        if not fields:
            return cls()
        resume = fields.get("from")
        return cls(dict(fields["read"]), fields.get("newest"), (resume[0], resume[1]) if resume else None)

    def as_json(self) -> dict[str, Any]:
        """Its form in the cursor."""
        return {"read": self.read, "newest": self.newest, "from": list(self.resume) if self.resume else None}

    def lost(self, log: Log) -> str | None:
        """The head of the file that may have had unread lines when it vanished, or None."""
        present = {file.head for file in log.files}
        return self.newest if self.newest and log.files and self.newest not in present else None


class Lines:
    """The complete lines of a piece: `(offset, line)`, including the line end.

    Lines written after the listing are left for the next run, so that reading a busy log comes to an end.
    """

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.position = piece.start
        """After the iteration: the byte after the last line."""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        file, offset = self._piece.file, self._piece.start
        end = None if file.is_packed else file.size
        try:
            with opened(file.path) as source:
                source.seek(offset)
                for line in source:
                    if offset == end or (line[-1] != 10 and file.is_newest):
                        break
                    yield offset, line
                    offset += len(line)
        except EOFError as problem:
            raise cut_off(file.path) from problem
        except (zlib.error, gzip.BadGzipFile) as problem:
            raise SourceError(f"{file.path} is not a readable gzip file", value=str(file.path)) from problem
        self.position = offset


class Marks:
    """Remembers where the last hours of a log begin, with one mark per minute, so that a later run can start
    there.

    A mark is always the first line of its second.
    """

    _SPACING_SECONDS = 60

    def __init__(self, hours: float) -> None:
        self.seconds = hours * 3600
        self._marks: deque[tuple[float, str, int]] = deque()
        self.due = float("-inf")
        """When to mark the next line. A line earlier than `last` is marked, too: the clock was set back."""
        self.last = float("-inf")

    def add(self, time: float, head: str, offset: int) -> None:
        """Mark a line, and drop marks that are no longer needed."""
        self._marks.append((time, head, offset))
        self.last = time
        self.due = time + self._SPACING_SECONDS
        self._trim(time)

    def resume(self, time: float) -> tuple[str, int] | None:
        """Head and byte of the last mark at least `hours` before a time, or else of the first mark."""
        self._trim(time)
        return self._marks[0][1:] if self._marks else None

    def _trim(self, time: float) -> None:
        while len(self._marks) > 1 and self._marks[1][0] <= time - self.seconds:
            self._marks.popleft()


def pieces(log: Log, progress: Progress) -> list[Piece]:
    """The pieces of a log to read, in order; none if nothing is new."""
    fresh = {file.head: file.resumable_at(progress.read.get(file.head, 0)) for file in log.files}
    if not any(file.has_more_than(fresh[file.head]) for file in log.files):
        return []
    heads = [file.head for file in log.files]
    context, offset = progress.resume or (None, 0)
    first = heads.index(context) if context in heads else 0
    found = []
    for number, file in enumerate(log.files):
        after = fresh[file.head]
        if progress.resume is None or number < first:
            if file.has_more_than(after):
                found.append(Piece(file, after, after))
        elif number == first and file.head == context:
            found.append(Piece(file, min(offset, after), after))
        else:
            found.append(Piece(file, 0, after))
    return found
