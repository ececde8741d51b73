"""From which byte on each file of a log is to be read, and what to remember of that.

Only hashes of first lines and byte offsets are remembered: no text of a log, and so no personal data, gets
into the cursor.
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
    """What to read of one file."""

    file: LogFile
    start: int
    """The byte to begin at."""
    fresh: int
    """The byte from which on nothing was read before; what lies between is read again for context."""


@dataclass(slots=True)
class Progress:
    """How far a log has been read. JSON in the cursor."""

    read: dict[str, int] = field(default_factory=dict)
    """File head to the byte up to which it was read."""
    newest: str | None = None
    """The head of the file that might still grow."""
    resume: tuple[str, int] | None = None
    """Head and byte where the next run begins to read for context; None: at the unread."""

    @classmethod
    def from_json(cls, fields: dict[str, Any] | None) -> Progress:
        """The inverse of `as_json`; None is a log never read."""
        if not fields:
            return cls()
        resume = fields.get("from")
        return cls(dict(fields["read"]), fields.get("newest"), (resume[0], resume[1]) if resume else None)

    def as_json(self) -> dict[str, Any]:
        """Its place in the cursor."""
        return {"read": self.read, "newest": self.newest, "from": list(self.resume) if self.resume else None}

    def lost(self, log: Log) -> str | None:
        """The head of the file that may have had unread lines when it vanished, or None."""
        present = {file.head for file in log.files}
        return self.newest if self.newest and log.files and self.newest not in present else None


class Lines:
    """The complete lines of one file from a byte on: `(offset, line)`, the line with its end.

    Lines written after the listing are left for the next run, so that a busy log has an end.
    """

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.position = piece.start
        """After the iteration: the byte behind the last line given."""

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
    """Remembers where in a log the last hours begin, a mark a minute, so that a later run can begin there.

    A mark is always the first line of its second.
    """

    _SPACING_SECONDS = 60

    def __init__(self, hours: float) -> None:
        self.seconds = hours * 3600
        self._marks: deque[tuple[float, str, int]] = deque()
        self.due = float("-inf")
        """The time from which on the next line is to be marked; before `last`, the clock was set back."""
        self.last = float("-inf")

    def add(self, time: float, head: str, offset: int) -> None:
        """Mark a line, and forget the marks that are older than is needed."""
        self._marks.append((time, head, offset))
        self.last = time
        self.due = time + self._SPACING_SECONDS
        self._trim(time)

    def resume(self, time: float) -> tuple[str, int] | None:
        """Head and byte of the last mark that is `hours` before a time, or of the first there is."""
        self._trim(time)
        return self._marks[0][1:] if self._marks else None

    def _trim(self, time: float) -> None:
        while len(self._marks) > 1 and self._marks[1][0] <= time - self.seconds:
            self._marks.popleft()


def pieces(log: Log, progress: Progress) -> list[Piece]:
    """What to read of a log, in order; nothing where nothing is new."""
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
