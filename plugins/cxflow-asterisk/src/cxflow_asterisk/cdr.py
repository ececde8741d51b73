"""Asterisk's call detail records (`cdr-csv/Master.csv`): one record per row, one touchpoint per call.

Rows are read one by one in Python, because the tail yields lines, and because the row that becomes a call's
touchpoint is found by looking at its neighbours. A row is written when its leg of the call is over, so a call
that was transferred, or rang several agents, has several rows.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cxflow_asterisk.caller import number
from cxflow_asterisk.recent import Recent
from cxflow_asterisk.tail import Marks

Record = dict[str, Any]
Complaint = Callable[[str, bytes], None]
Keep = Callable[[float], bool]

MASTER = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start",
    "answer", "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
"""The columns of `Master.csv` that are always present."""
NEW = ("peeraccount", "linkedid", "sequence")
"""The columns that `newcdrcolumns=yes` adds at the end."""
REQUIRED = ("src", "dst", "dcontext", "channel", "lastapp", "duration", "disposition")
"""The columns that a custom layout must have, besides `start` or `calldate`."""
ADDED = ("id", "conversation_id", "contact", "customer_number", "called_at", "started_at", "ended_at")
"""The fields that this module adds to a row's own."""
COLUMNS = (*MASTER, "uniqueid", "userfield", *NEW, "calldate", *ADDED)

_QUEUE = "queue"
_LOOK_AHEAD_ROWS = 1_000
_UNIQUE_ID = re.compile(r"(?:.*-)?([0-9]{9,11})\.[0-9]+")
_FAR_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Dialling:
    """How to interpret a server's dial plan."""

    inbound_contexts: frozenset[str]
    """Contexts in which calls from customers arrive."""
    outbound_contexts: frozenset[str]
    """Contexts from which customers are called."""
    queue_extensions: frozenset[str]
    """Extensions that lead to a queue, whatever the row's last application."""
    outbound_prefix: str
    """The digits dialled before a customer's number to get a line."""


@dataclass(slots=True)
class _Row:
    """A row in the look-ahead buffer."""

    record: Record
    call: str
    ended: float
    """Epoch second."""
    is_wanted: bool


class CallDetails:
    """Reads the rows of one log, file after file, oldest first."""

    def __init__(
        self,
        *,
        columns: tuple[str, ...],
        dialling: Dialling,
        zone: ZoneInfo,
        began_at: float,
        longest_call_hours: float,
        encoding: str,
        keep: Keep,
        complain: Complaint,
    ) -> None:
        """Empty `columns` means those of Master.csv, told by their number. `zone` is that of the server's
        clock.

        `began_at` (epoch seconds) is the time of rows before the first row with a time.
        """
        self._columns = columns
        self._dialling = dialling
        self._zone = zone
        self._longest = longest_call_hours * 3600
        self._encoding = encoding
        self._keep = keep
        self._complain = complain
        self._marks = Marks(longest_call_hours)
        self._now = began_at
        self._ahead: deque[_Row] = deque()
        self._queued = Recent(self._longest)
        self._stood_for = Recent(self._longest)

    def resume(self) -> tuple[str, int] | None:
        """Head and byte where the next run must start, to know the calls that already have rows."""
        return self._marks.resume(self._now)

    def records(self, lines: Iterable[tuple[int, bytes]], head: str, fresh: int) -> Iterator[Record]:
        """The rows of the file `head` from byte `fresh` on; earlier lines only tell which calls are known."""
        for offset, line in lines:
            if not line.strip():
                continue
            is_fresh = offset >= fresh
            record = self._record(line, is_fresh)
            if record is None:
                continue
            ended = self._timed(record)
            if ended is not None:
                self._now = ended
                if ended >= self._marks.due or ended < self._marks.last:
                    self._mark(ended, head, offset)
            call = record["conversation_id"]
            if self._shows_queue(record):
                self._queued.note(call, self._now)
            self._ahead.append(_Row(record, call, self._now, is_fresh and self._keep(self._now)))
            if len(self._ahead) > _LOOK_AHEAD_ROWS:
                yield from self._judged(self._ahead.popleft())
        # Asterisk writes all rows of a call at once: those of the last call are complete.
        while self._ahead:
            yield from self._judged(self._ahead.popleft())

    def _record(self, line: bytes, is_fresh: bool) -> Record | None:
        """A line's fields by name, empty ones as None; None for a line that is not a row."""
        text = line.decode(self._encoding, "replace").rstrip("\r\n")
        reason = "broken quotes"
        try:
            cells = next(csv.reader((text,), strict=True))
        except csv.Error:
            cells = []
        else:
            names = self._columns or _master_columns(cells)
            if len(cells) == len(names):
                return {name: cell or None for name, cell in zip(names, cells, strict=True)}
            reason = f"{len(cells)} fields"
        if is_fresh and self._keep(self._now):
            self._complain(reason, line)
        return None

    def _timed(self, record: Record) -> float | None:
        """Add a row's key and its times in UTC; returns the epoch second of its end, if it has one."""
        unique_id = record.get("uniqueid")
        start = record.get("start") or record.get("calldate")
        record["conversation_id"] = record.get("linkedid") or unique_id or f"{record['channel']}/{start}"
        record["id"] = _identity(record, start)
        called = _epoch_of(record["conversation_id"])
        started = _utc(start, self._zone, called)
        if called is not None and started is not None and abs(called - started) > _FAR_SECONDS:
            called = None
        record["called_at"] = _iso(called)
        # A text that is not a time is kept, and refused as such.
        record["started_at"] = _iso(started) or start
        if started is None:
            record["ended_at"] = record.get("end")
            return None
        duration = record["duration"] or ""
        if duration.replace(".", "", 1).isdigit():
            # The end's own text is ambiguous in the repeated hour; start plus duration is not.
            ended = started + float(duration)
        else:
            ended = _utc(record.get("end"), self._zone, started) or started
        record["ended_at"] = _iso(ended)
        return ended

    def _judged(self, row: _Row) -> Iterator[Record]:
        """The row, if it is wanted, with its kind of contact and the customer's number."""
        record = row.record
        contact, caller = self._contact(record)
        if self._queued.knows(row.call, row.ended) or self._stood_for.knows(row.call, row.ended):
            contact = None
        if contact:
            self._stood_for.note(row.call, row.ended)
        record["contact"] = contact
        record["customer_number"] = caller
        if row.is_wanted:
            yield record

    def _shows_queue(self, record: Record) -> bool:
        """Whether the call was in a queue, and so is in the queue log."""
        return (record["lastapp"] or "").lower() == _QUEUE or record["dst"] in self._dialling.queue_extensions

    def _contact(self, record: Record) -> tuple[str | None, str | None]:
        """The kind of contact of a row, and the customer's number."""
        dialling = self._dialling
        if record["dcontext"] in dialling.inbound_contexts:
            return "inbound", number(record["src"]) or number(record.get("clid"))
        if record["dcontext"] in dialling.outbound_contexts:
            dialled = number((record["dst"] or "").removeprefix(dialling.outbound_prefix))
            if dialled:
                return ("outbound" if record["disposition"] == "ANSWERED" else None), dialled
        return None, None

    def _mark(self, now: float, head: str, offset: int) -> None:
        self._marks.add(now, head, offset)
        self._queued.forget(now)
        self._stood_for.forget(now)


def time_of(zone: ZoneInfo, columns: tuple[str, ...], encoding: str) -> Callable[[bytes], float | None]:
    """A function for the time of a row, to sort files."""

    def starts(line: bytes) -> float | None:
        try:
            cells = next(csv.reader((line.decode(encoding, "replace").rstrip("\r\n"),), strict=True), [])
        except csv.Error:
            return None
        row = dict(zip(columns or _master_columns(cells), cells, strict=False))
        return _utc(row.get("start") or row.get("calldate"), zone, None)

    return starts


def _master_columns(cells: list[str]) -> tuple[str, ...]:
    """The column names of a row of Master.csv: `uniqueid`, `userfield` and the new columns are optional."""
    new = NEW if len(cells) >= len(MASTER) + len(NEW) else ()
    optional = len(cells) - len(MASTER) - len(new)
    if optional == 1:
        return (*MASTER, "uniqueid" if _UNIQUE_ID.fullmatch(cells[len(MASTER)]) else "userfield", *new)
    return (*MASTER, *(("uniqueid", "userfield") if optional else ()), *new)


def _identity(record: Record, start: str | None) -> str:
    """A row's key: the call's id and, since several rows may share that, the row's number or a digest.

    The digest covers columns that distinguish rows and are not personal, so that the key stays the same when
    phone numbers are removed.
    """
    unique_id = record.get("uniqueid") or record["conversation_id"]
    if record.get("sequence"):
        return f"{unique_id}/{record['sequence']}"
    values = (record["channel"], record.get("dstchannel"), record["lastapp"], start, record.get("end"))
    digest = hashlib.sha256(
        "\x1f".join((*(value or "" for value in values), record["duration"] or "")).encode()
    )
    return f"{unique_id}/{digest.hexdigest()[:12]}"


def _epoch_of(unique_id: str) -> float | None:
    """When the channel with this id was created. Ids are `epoch.number`, possibly after the system's name."""
    match = _UNIQUE_ID.fullmatch(unique_id)
    return float(match[1]) if match else None


def _utc(text: str | None, zone: ZoneInfo, near: float | None) -> float | None:
    """A local time as epoch seconds; in the repeated hour, the one nearer to `near`."""
    try:
        local = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if local.tzinfo is not None:
        return local.timestamp()
    first = local.replace(tzinfo=zone).timestamp()
    second = local.replace(tzinfo=zone, fold=1).timestamp()
    return first if near is None or abs(first - near) <= abs(second - near) else second


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat()
