"""Finds the records of delimited text by its bytes: where each begins and ends, and which cannot be read.

It provides the independent count: DuckDB reads the cells, and both must agree (`delimited`). It also locates the faulty
records of a damaged file, so that every line is either read or refused as a whole.

Text is scanned in slices of whole records. If all quotes of a slice are in valid positions, numpy finds the records by
the parity of quotes; a slice with stray quotes is scanned record by record with a regular expression. After a record
that cannot be read, the scan continues at the next line: an open quote costs its line only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

_LF, _CR, _SPACE = 10, 13, 32
_SLICE_BYTES = 1 << 20
"""Bytes scanned at a time; a slice grows for a longer record."""
_BOM = b"\xef\xbb\xbf"


class RecordTooLongError(Exception):
    """A record is longer than allowed. It begins in line `line`, at byte `begin`."""

    def __init__(self, line: int, begin: int) -> None:
        super().__init__(line, begin)
        self.line = line
        self.begin = begin


def _all_of(group: bytes) -> bytes:
    """A group as often as it comes, without a way back. Not by `*+`: before 3.11.5, Python skips what the last try of a
    group matched before it failed."""
    return b"(?>(?:" + group + b")*)"


@dataclass(frozen=True)
class Notation:
    """The syntax of delimited text, in UTF-8 bytes."""

    delimiter: bytes
    quote: bytes = b'"'
    """One byte; empty if quotes have no meaning."""
    bare_cr: bool = False
    """Whether lines may end in CR alone, as on old Macs, besides LF and CR LF."""

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A readable record with its line end. Spaces around a quoted cell are not part of the cell."""
        delimiter = re.escape(self.delimiter)
        cell = self._plain
        if self.quote:
            cell = b"(?:" + self._quoted + self._spaces + b"(?=" + delimiter + rb"|\r|\n|\Z)|" + cell + b")"
        return re.compile(cell + _all_of(delimiter + cell) + self._end)

    @cached_property
    def cell(self) -> re.Pattern[bytes]:
        """A delimiter and the following cell of a readable record: group 1 if quoted, else group 2."""
        quoted = b"(" + self._quoted + b")|" if self.quote else b"(?!)()|"
        return re.compile(
            b"(?:^|" + re.escape(self.delimiter) + b")(?:" + quoted + b"(" + self._plain + b"))"
        )

    @cached_property
    def open_quote(self) -> re.Pattern[bytes]:
        """The cells of a record up to the quote that makes it unreadable; group 1 is the text after that quote."""
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        cell = b"(?:" + self._quoted + self._spaces + b"|" + self._plain + b")"
        opened = self._spaces + quote + b"(" + self._inside + b")"
        return re.compile(_all_of(cell + delimiter) + opened)

    @cached_property
    def line(self) -> re.Pattern[bytes]:
        """A line, with its end."""
        return re.compile(b"[^\r\n]*+" + self._end if self.bare_cr else rb"[^\n]*+(?:\n|\Z)")

    @property
    def _quoted(self) -> bytes:
        quote = re.escape(self.quote)
        return self._spaces + quote + self._inside + quote + b"(?!" + quote + b")"

    @property
    def _inside(self) -> bytes:
        """What stands between two quotes; a quote is written twice there."""
        others = b"[^" + re.escape(self.quote) + b"]*+"
        return others + _all_of(re.escape(self.quote) * 2 + others)

    @property
    def _plain(self) -> bytes:
        """A cell that is not quoted; quotes inside it are text."""
        first = self._spaces + b"(?!" + re.escape(self.quote) + b")" if self.quote else b""
        begin = re.escape(self.delimiter[:1])
        others = b"[^" + begin + rb"\r\n]*+"
        if len(self.delimiter) == 1:
            return first + others
        return first + others + _all_of(b"(?!" + re.escape(self.delimiter) + b")" + begin + others)

    @property
    def _spaces(self) -> bytes:
        return b"" if self.delimiter == b" " else b" *+"

    @property
    def _end(self) -> bytes:
        return rb"(?:\r?\n|\r|\Z)" if self.bare_cr else rb"(?:\r?(?:\n|\Z))"

    def line_ends(self, text: bytes, start: int, end: int) -> int:
        """The number of line ends in `text[start:end]`."""
        return len(_LINE_ENDS.findall(text, start, end)) if self.bare_cr else text.count(b"\n", start, end)

    def cells(self, record: bytes) -> list[bytes]:
        """The cells of a readable record, without quotes."""
        found = []
        for quoted, plain in self.cell.findall(record):
            quoted = quoted.strip(b" ")
            inside = quoted[1:-1].replace(self.quote * 2, self.quote) if quoted else plain
            found.append(inside)
        return found


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of a text, including blank lines."""

    data: bytes
    ends: Positions
    """The end of each record, after its line end; the first record begins at 0."""
    faults: dict[int, str]
    """Number of a record (from 0) to the reason why it cannot be read."""
    begin: int
    """The position of `data` in the text, in bytes."""
    line: int
    """The line of the first record, from 1."""
    is_regular: bool
    """Whether all quotes are in valid positions and no record is faulty."""
    lines: int
    """The number of line ends in it, including those inside quotes."""
    quotes: Positions = field(default_factory=lambda: np.zeros(0, np.int64))
    """The positions of quotes, if the slice is regular."""

    @property
    def starts(self) -> Positions:
        """The start of each record."""
        return np.concatenate((np.zeros(1, np.int64), self.ends[:-1]))

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """Which records are blank lines."""
        text = np.frombuffer(self.data, np.uint8)
        first = text[self.starts]
        return np.asarray((first == _LF) | ((first == _CR) & (self.ends - self.starts <= 2)), bool)

    def texts(self) -> Iterator[bytes]:
        """Each record without its line end."""
        for start, end in zip(self.starts.tolist(), self.text_ends().tolist(), strict=True):
            yield self.data[start:end]

    def text_ends(self) -> Positions:
        """The end of each record, without its line end."""
        text = np.frombuffer(self.data, np.uint8)
        starts, ends = self.starts, self.ends.copy()
        for mark in (_LF, _CR):
            ends -= (ends > starts) & (text[ends - 1] == mark)
        return ends


def slices(source: IO[bytes], notation: Notation, longest: int) -> Iterator[Slice]:
    """The records of a text, from the current position of `source`, without a UTF-8 byte order mark.

    Raises RecordTooLongError for a record of more than `longest` bytes.
    """
    scanner = _Scanner(notation, longest)
    buffer, begin, line, size, is_end = b"", 0, 1, _SLICE_BYTES, False
    while True:
        while len(buffer) < size and not is_end:
            block = source.read(size - len(buffer))
            is_end = not block
            if begin == 0 and not buffer and block.startswith(_BOM):
                block, begin = block[len(_BOM) :], len(_BOM)
            buffer += block
        if not buffer:
            return
        window = buffer if len(buffer) <= size else buffer[:size]
        found = scanner.scan(window, begin, line, is_last=is_end and len(window) == len(buffer))
        if found is None:
            if size > longest:
                raise RecordTooLongError(line, begin)
            size *= 2
            continue
        lengths = found.ends - found.starts
        if lengths.max() > longest:
            first = int(np.argmax(lengths > longest))
            at = int(found.starts[first])
            raise RecordTooLongError(line + notation.line_ends(found.data, 0, at), begin + at)
        yield found
        consumed = len(found.data)
        buffer, begin = buffer[consumed:], begin + consumed
        line += found.lines
        size = _SLICE_BYTES


_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


class _Scanner:
    """Cuts windows of text, each starting at a record, into records."""

    def __init__(self, notation: Notation, longest: int) -> None:
        self._notation = notation
        self._longest = longest

    def scan(self, window: bytes, begin: int, line: int, *, is_last: bool) -> Slice | None:
        """The complete records of a window; None if none ends in it."""
        if not self._notation.bare_cr:
            found = self._by_parity(window, begin, line, is_last)
            if found is not None:
                return found
        return self._one_by_one(window, begin, line, is_last)

    def _by_parity(self, window: bytes, begin: int, line: int, is_last: bool) -> Slice | None:
        """None where a quote stands where it does not belong, or a CR outside quotes ends no line."""
        text = np.frombuffer(window, np.uint8)
        quote = self._notation.quote
        line_ends = ends = np.flatnonzero(text == _LF) + 1
        quotes = np.zeros(0, np.int64)
        if quote and quote in window:
            quotes = np.flatnonzero(text == quote[0])
            ends = ends[np.searchsorted(quotes, ends) & 1 == 0]
        if is_last and (not len(ends) or ends[-1] < len(window)):
            ends = np.append(ends, len(window))
        if not len(ends):
            return None
        data = window[: int(ends[-1])]
        quotes = quotes[: int(np.searchsorted(quotes, len(data)))]
        if len(quotes) and not self._belong(text[: len(data)], quotes):
            return None
        if b"\r" in data and not _end_lines(text[: len(data)], quotes):
            return None
        lines = int(np.searchsorted(line_ends, len(data), side="right"))
        return Slice(data, ends, {}, begin, line, True, lines, quotes)

    def _belong(self, text: npt.NDArray[np.uint8], quotes: Positions) -> bool:
        """Whether all quotes open a cell at its begin, close it at its end, or are doubled within."""
        if len(quotes) & 1:
            return False
        delimiter, quote = self._notation.delimiter, self._notation.quote
        opening, closing = quotes[0::2], quotes[1::2] + 1
        if closing[-1] == len(text):
            closing = closing[:-1]
        # A quote beside another one is doubled: the one before it closes, the one behind it opens.
        before, behind = text[opening - 1], text[closing]  # of the first byte, the last one: see below
        if delimiter[1:]:
            begins = _among(before, _LF, quote[0]) | _stands_at(text, opening - len(delimiter), delimiter)
            ends = _among(behind, _LF, _CR, quote[0]) | _stands_at(text, closing, delimiter)
        else:
            begins = _among(before, _LF, quote[0], delimiter[0])
            ends = _among(behind, _LF, _CR, quote[0], delimiter[0])
        begins[:1] |= opening[:1] == 0
        return bool(begins.all() and ends.all())

    def _one_by_one(self, window: bytes, begin: int, line: int, is_last: bool) -> Slice | None:
        notation = self._notation
        ends: list[int] = []
        faults: dict[int, str] = {}
        at = counted = 0
        here = line
        while at < len(window):
            match = notation.record.match(window, at)
            end = match.end() if match else 0
            if match and end == len(window) and not is_last and not _is_ended(window, notation):
                break  # it may continue after the window
            if not match:
                reason = self._why(window, at, is_last)
                if reason is None:
                    break
                line_end = notation.line.match(window, at)
                end = line_end.end() if line_end else len(window)
                if end == len(window) and not is_last and window[-1:] not in (b"\n", b"\r"):
                    break
                here += notation.line_ends(window, counted, at)
                counted = at
                faults[len(ends)] = f"{reason} in line {here}"
            ends.append(end)
            at = end
        if not ends:
            return None
        lines = notation.line_ends(window, 0, ends[-1])
        return Slice(window[: ends[-1]], np.array(ends, np.int64), faults, begin, line, False, lines)

    def _why(self, window: bytes, at: int, is_last: bool) -> str | None:
        """Why the record at a position cannot be read; None if more text is needed to tell."""
        match = self._notation.open_quote.match(window, at) if self._notation.quote else None
        if not match:
            return "carriage return"
        if match.end() < len(window):
            return "open quote" if b"\n" in match[1] else "unquoted value"
        return "open quote" if is_last or len(window) >= self._longest else None


def _is_ended(window: bytes, notation: Notation) -> bool:
    # A CR at the end of the window may be the first half of a line end.
    return window.endswith(b"\n") and not notation.bare_cr


def _among(found: npt.NDArray[np.uint8], *codes: int) -> npt.NDArray[np.bool_]:
    """Which bytes are one of these."""
    are = np.zeros(len(found), bool)
    for code in codes:
        are |= found == code
    return are


def _stands_at(text: npt.NDArray[np.uint8], at: Positions, token: bytes) -> npt.NDArray[np.bool_]:
    """Whether the token is at each position."""
    found = (at >= 0) & (at + len(token) <= len(text))
    for offset, byte in enumerate(token):
        found &= text[np.clip(at + offset, 0, len(text) - 1)] == byte
    return found


def _end_lines(text: npt.NDArray[np.uint8], quotes: Positions) -> bool:
    """Whether every CR outside quotes is followed by LF."""
    at = np.flatnonzero(text == _CR)
    at = at[np.searchsorted(quotes, at) & 1 == 0]
    return bool((text[np.minimum(at + 1, len(text) - 1)] == _LF).all())


def widths(found: Slice, notation: Notation) -> Positions:
    """The number of cells of each record; arbitrary for faulty ones."""
    if not found.is_regular:
        cell = notation.cell
        return np.array([sum(1 for _ in cell.finditer(record)) for record in found.texts()], np.int64)
    at: Any
    if len(notation.delimiter) == 1:
        at = np.flatnonzero(np.frombuffer(found.data, np.uint8) == notation.delimiter[0])
    else:
        at = np.array(
            [match.start() for match in re.finditer(re.escape(notation.delimiter), found.data)], np.int64
        )
    at = at[np.searchsorted(found.quotes, at) & 1 == 0]
    behind = np.searchsorted(at, found.ends)
    return np.diff(behind, prepend=0) + 1


def runs(chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The half-open ranges of true values."""
    edges = np.flatnonzero(np.diff(chosen.astype(np.int8), prepend=0, append=0))
    yield from ((int(first), int(last)) for first, last in pairwise(edges.tolist()) if chosen[first])
