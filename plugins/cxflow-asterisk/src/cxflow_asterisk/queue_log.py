"""Asterisk's queue log: one event per line, combined to one record per offer of a call to a queue.

A line is `epoch|call id|queue|agent|event|data…`: no header, no quoting, and a number of data fields that
depends on the event and the Asterisk release. An *offer* starts with ENTERQUEUE and ends with one of `_ENDS`.
An offer still open at the end of the log is not yielded: the next run starts early enough to see all of it
again.

A Python loop per line is justified here: an event log needs a state machine, and one pass is faster than
window functions over the whole log. Memory holds only the open offers, whatever the log's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cxflow_asterisk.caller import number
from cxflow_asterisk.recent import Recent
from cxflow_asterisk.tail import Marks

Record = dict[str, Any]
Complaint = Callable[[str, bytes], None]
"""Called with the reason and the line of what is not an event."""
Keep = Callable[[float], bool]
"""Whether what became known at an epoch second belongs to the window."""

COLUMNS = (
    "id", "call_id", "queue", "continues", "entered_at", "connected_at", "ended_at", "known_at",
    "wait_seconds", "talk_seconds", "ring_no_answers", "ring_no_answer_seconds", "agent", "outcome",
    "ended_by", "transferred_to", "caller", "caller_number", "position",
)  # fmt: skip
"""The fields of a record. Times (`…_at`) are epoch seconds as in the log, durations are seconds."""

_ENDS = {
    "COMPLETEAGENT": "answered",
    "COMPLETECALLER": "answered",
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timeout",
    "EXITEMPTY": "exit_empty",
    "EXITWITHKEY": "exit_key",
    "BLINDTRANSFER": "transferred",
    "ATTENDEDTRANSFER": "transferred",
    "TRANSFER": "transferred",
    "SYSCOMPAT": "system",  # caller and agent had no codec in common: Asterisk dropped the call
    "WITHDRAW": "system",  # taken out of the queue by a manager action
}
_WAIT_AT = {"ABANDON": 2, "EXITWITHTIMEOUT": 2, "EXITEMPTY": 2, "EXITWITHKEY": 3, "WITHDRAW": 2}
"""Events of unanswered offers to the position of the seconds waited in their data; older releases omit
them."""
_TRANSFERS = frozenset(("BLINDTRANSFER", "ATTENDEDTRANSFER", "TRANSFER"))
_ENDED_BY = {"COMPLETEAGENT": "agent", "COMPLETECALLER": "caller", "ABANDON": "caller"}
_EVENTS = frozenset((*_ENDS, "ENTERQUEUE", "CONNECT", "RINGNOANSWER", "AGENTDUMP"))
_NOBODY = frozenset(("", "NONE", "REALTIME"))


class _Offer:
    """A call in a queue, still open. Defaults that most offers keep are class attributes, for speed."""

    caller = ""
    position = ""
    rings = 0
    ring_milliseconds = 0
    connected: int | None = None
    agent = ""
    wait = ""
    dumped: int | None = None

    def __init__(self, call: str, queue: str, entered: int, sequence: str, continues: bool) -> None:
        self.call = call
        self.queue = queue
        self.entered = entered
        self.sequence = sequence
        self.continues = continues


class QueueLog:
    """Combines the events of one log, file after file, oldest first."""

    def __init__(
        self, *, began_at: float, longest_call_hours: float, encoding: str, keep: Keep, complain: Complaint
    ) -> None:
        """An offer without an end is given up after `longest_call_hours` of the log's own time.

        `began_at` (epoch seconds) is the time of lines before the first line with a time.
        """
        self._longest = longest_call_hours * 3600
        self._encoding = encoding
        self._keep = keep
        self._complain = complain
        self._open: dict[str, _Offer] = {}
        self._entered = Recent(self._longest)
        self._second = -1
        self._in_second: dict[tuple[str, str], int] = {}
        self._deadline = float("inf")
        self._marks = Marks(longest_call_hours)
        self._now = int(began_at)

    def resume(self) -> tuple[str, int] | None:
        """Head and byte where the next run must start: no open offer started before it."""
        return self._marks.resume(self._now)

    def records(self, lines: Iterable[tuple[int, bytes]], head: str, fresh: int) -> Iterator[Record]:
        """The offers that end in these lines of the file `head`, at byte `fresh` or later.

        Earlier lines were read by an earlier run: they only tell how open offers started.
        """
        # Local names, for speed: this loop handles every line.
        open_offers, marks, keep, encoding = self._open, self._marks, self._keep, self._encoding
        for offset, line in lines:
            fields = line.decode(encoding, "replace").rstrip("\r\n").split("|")
            stamp = fields[0]
            if len(fields) < 5 or not (stamp.isdigit() and stamp.isascii()) or len(stamp) > 11:
                if offset >= fresh and line.strip() and keep(self._now):
                    self._complain("no epoch" if len(fields) >= 5 else "fewer than five fields", line)
                continue
            self._now = now = int(stamp)
            if now >= marks.due or now < marks.last:
                self._mark(now, head, offset)
            if now > self._deadline:
                for record in self._given_up(now):
                    if offset >= fresh and keep(now):
                        yield record
            event = fields[4]
            if event == "ENTERQUEUE":
                interrupted = self._enter(fields, now)
                if interrupted and offset >= fresh and keep(now):
                    yield self._lost(interrupted, now)
                continue
            offer = open_offers.get(fields[1])
            if offer is None or offer.queue != fields[2]:
                continue
            if event not in _EVENTS:
                fields = _agent_joined(fields)
                event = fields[4]
            if event in _ENDS:
                del open_offers[fields[1]]
                if offset >= fresh and keep(now):
                    yield self._ended(offer, event, fields, now)
            elif event == "CONNECT":
                offer.connected = now
                offer.agent = fields[3]
                offer.wait = fields[5] if len(fields) > 5 else ""
                offer.dumped = None
            elif event == "RINGNOANSWER":
                offer.rings += 1
                if len(fields) > 5 and fields[5].isdigit():
                    offer.ring_milliseconds += int(fields[5])
                offer.dumped = None
            elif event == "AGENTDUMP":
                # The agent hung up during the announcement. Asterisk usually tries the next one, so this is
                # an end only if nothing follows.
                offer.dumped = now

    def _mark(self, now: int, head: str, offset: int) -> None:
        self._marks.add(now, head, offset)
        self._entered.forget(now)

    def _enter(self, fields: list[str], now: int) -> _Offer | None:
        """Start an offer; returns the open one of the same call, which is over, since a call waits only
        once."""
        call, queue = fields[1], fields[2]
        if call in _NOBODY or queue in _NOBODY:
            return None
        interrupted = self._open.pop(call, None)
        if now != self._second:
            self._second = now
            self._in_second.clear()
        nth = self._in_second.get((call, queue), 0) + 1
        self._in_second[call, queue] = nth
        continues = self._entered.knows(call, now)
        self._entered.note(call, now)
        # The second of entry, not a count from 1: a count would depend on where reading started, and change
        # once the oldest rotated file is gone.
        sequence = str(now) if nth == 1 else f"{now}.{nth}"
        offer = _Offer(call, queue, now, sequence, continues)
        data = fields[5:]
        if len(data) > 2 and data[-1].isdigit() and len(data[-1]) <= 4:
            offer.position = data.pop()
        # A name in a caller id may contain the separator; the URL before it and the position after it do not.
        offer.caller = "|".join(data[1:])
        if not self._open:
            self._deadline = now + self._longest
        self._open[call] = offer
        return interrupted

    def _given_up(self, now: int) -> Iterator[Record]:
        """The offers that have been open for too long; sets the next deadline."""
        for call, offer in list(self._open.items()):
            if offer.entered + self._longest >= now:
                self._deadline = offer.entered + self._longest
                return
            del self._open[call]
            yield self._lost(offer, now)
        self._deadline = float("inf")

    def _lost(self, offer: _Offer, now: int) -> Record:
        """An offer whose end was never logged: Asterisk stopped, or the call continued under another id."""
        record = self._record(offer, now, "answered" if offer.connected is not None else "system")
        record["ended_at"] = offer.dumped
        if offer.dumped is not None:
            record["ended_by"] = "agent"
            record["wait_seconds"] = max(offer.dumped - offer.entered, 0)
        return record

    def _ended(self, offer: _Offer, event: str, fields: list[str], now: int) -> Record:
        data = fields[5:]
        record = self._record(offer, now, _ENDS[event])
        record["ended_at"] = record["known_at"]
        record["ended_by"] = _ENDED_BY.get(event)
        if event in _WAIT_AT:
            record["wait_seconds"] = _number(data, _WAIT_AT[event], now - offer.entered)
            return record
        if event == "SYSCOMPAT":
            record["wait_seconds"] = max(now - offer.entered, 0)
            return record
        if event in _TRANSFERS:
            record["transferred_to"], data = _target(data)
            record["ended_by"] = "agent"
        wait = data[0] if data and data[0] else offer.wait
        if offer.connected is None:  # answered, although its CONNECT is missing
            offer.connected = offer.entered + int(wait) if wait.isdigit() else now
            record["connected_at"] = offer.connected
        if fields[3] not in _NOBODY:
            record["agent"] = fields[3]
        record["wait_seconds"] = _number([wait], 0, offer.connected - offer.entered)
        record["talk_seconds"] = _number(data, 1, now - offer.connected)
        return record

    def _record(self, offer: _Offer, now: int, outcome: str) -> Record:
        caller, connected = offer.caller or None, offer.connected
        waited = None if connected is None else _number([offer.wait], 0, connected - offer.entered)
        return {
            "id": f"{offer.call}/{offer.queue}/{offer.sequence}",
            "call_id": offer.call,
            "queue": offer.queue,
            "continues": offer.continues,
            "entered_at": offer.entered,
            "connected_at": connected,
            "ended_at": None,
            "known_at": now,
            "wait_seconds": waited,
            "talk_seconds": None,
            "ring_no_answers": offer.rings,
            "ring_no_answer_seconds": offer.ring_milliseconds / 1000,
            "agent": None if offer.agent in _NOBODY else offer.agent,
            "outcome": outcome,
            "ended_by": None,
            "transferred_to": None,
            "caller": caller,
            "caller_number": number(caller),
            "position": offer.position or None,
        }


def time_of(line: bytes) -> float | None:
    """The epoch at the start of a line."""
    stamp = line.split(b"|", 1)[0]
    return float(stamp) if stamp.isdigit() and len(stamp) <= 11 else None


def _agent_joined(fields: list[str]) -> list[str]:
    """The fields of a line whose agent's name contains the separator, joined again."""
    for at in range(5, min(len(fields), 8)):
        if fields[at] in _EVENTS:
            return [*fields[:3], "|".join(fields[3:at]), *fields[at:]]
    return fields


def _target(data: list[str]) -> tuple[str | None, list[str]]:
    """A transfer's target, and the data after it: seconds waited, seconds talked and (usually) the position.

    The data are `extension, context, …` for blind transfers, and for all transfers before Asterisk 12; since
    then attended ones are `BRIDGE, bridge, …`, `APP, application, …` or `LINK, channel, channel, …`.
    """
    kind = data[0] if data else ""
    length = 3 if kind == "LINK" else 2
    target = ("/" if kind in ("BRIDGE", "APP", "LINK") else "@").join(name for name in data[:length] if name)
    return target or None, data[length:]


def _number(data: list[str], at: int, otherwise: float) -> str | float:
    """A number as written (an invalid one is refused with its text), or else the computed one."""
    return (data[at].strip() if len(data) > at else "") or max(otherwise, 0)
