"""The connector: finds the logs of a connection, and continues where the last run stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from cxflow import (
    ConfigError,
    Connection,
    Connector,
    Cursor,
    Dataset,
    Page,
    Reading,
    Reject,
    Settings,
    SourceError,
    Stream,
    Window,
    pages,
)

from cxflow_asterisk import cdr, log_files, queue_log, tail
from cxflow_asterisk.streams import CDR, QUEUE_CALLS, AsteriskStream


class AsteriskConnection(Connection):
    """One Asterisk server, or several that each write their own files."""

    root: str = "/var/log/asterisk"
    """The folder of the logs, absolute or relative to the project's folder."""
    usegmtime: bool = False
    """As in cdr.conf: call detail records are in UTC and need no time zone."""
    inbound_contexts: tuple[str, ...] = ("from-trunk", "from-pstn")
    """Dial plan contexts in which customers' calls arrive."""
    outbound_contexts: tuple[str, ...] = ("from-internal",)
    """Contexts from which customers are called. Internal calls from there are recognised by their short
    numbers."""
    queue_extensions: tuple[str, ...] = ()
    """Dialled extensions that lead to a queue. Needed if the dial plan continues after Queue(), to voicemail
    for instance: the row then has another last application."""
    outbound_prefix: str = ""
    """The digits dialled before a number to get a line, such as 9."""


class _Reader(Protocol):
    """Reads one kind of log."""

    def resume(self) -> tuple[str, int] | None:
        """Where the next run must start."""

    def records(
        self, lines: Iterable[tuple[int, bytes]], head: str, fresh: int, /
    ) -> Iterator[dict[str, Any]]:
        """The records of a piece."""


class Asterisk(Connector[AsteriskConnection, AsteriskStream]):
    """Reads the queue log and the call detail records that Asterisk writes."""

    name: ClassVar[str] = "asterisk"
    title: ClassVar[str] = "Asterisk: queue_log and call detail records (Master.csv), followed as they grow"
    declared: ClassVar[tuple[Stream, ...]] = (QUEUE_CALLS, CDR)
    distribution: ClassVar[str] = "cxflow-asterisk"

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Raises ConfigError if call detail records have no time zone."""
        super().__init__(settings, connection)
        for stream in self.streams.values():
            if stream.log == "cdr":
                self._zone(stream)

    def check(self, stream: AsteriskStream) -> None:
        """Check that at least one file of each log exists and can be opened. Raises SourceError."""
        logs = self._logs(stream)
        empty = [log.name for log in logs if not log.files and not self._is_there(log)]
        if empty or not logs:
            raise SourceError(
                f"there is no log {', '.join(empty or stream.paths)} in {self.connection.root}",
                connection=self.connection.name,
                stream=stream.name,
                value=(empty or stream.paths)[0],
                fix=f"fix root or path, or leave the stream out: only = [{self._others(stream)}]",
            )

    def datasets(self, stream: AsteriskStream) -> list[Dataset]:
        """Its logs, or the folder of those that a glob finds."""
        root = self.settings.path(self.connection.root)
        places = (root if any(mark in path for mark in "*?[") else root / path for path in stream.paths)
        return [Dataset("file", str(place)) for place in dict.fromkeys(places)]

    def plan(self, stream: AsteriskStream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line per file that would be read."""
        known = (cursor or {}).get("logs", {})
        wanted = f" for what ended in {window}" if cursor is None else ""
        return [
            f"{piece.file.path} from byte {piece.start:,}"
            + (f", new from {piece.fresh:,}" if piece.fresh > piece.start else wanted)
            for log in self._logs(stream)
            for piece in tail.pieces(log, tail.Progress.from_json(known.get(log.name)))
        ]

    def read(self, stream: AsteriskStream, window: Window, cursor: Cursor | None) -> Reading:
        """The calls completed since the cursor or, in a backfill, within the window.

        A scheduled run reads all that the logs hold by now, even past the window's end: a line is known when
        it is written, and is not read again.
        """
        known = (cursor or {}).get("logs", {})
        positions: dict[str, Any] = dict(known)
        for log in self._logs(stream):
            progress = tail.Progress.from_json(known.get(log.name))
            keep = _keep(window, is_new=log.name not in known, is_scheduled=cursor is not None)
            positions[log.name] = (yield from self._follow(stream, log, progress, keep)).as_json()
        return {"logs": positions}

    def _follow(
        self,
        stream: AsteriskStream,
        log: log_files.Log,
        progress: tail.Progress,
        keep: Callable[[float], bool],
    ) -> Generator[Page, None, tail.Progress]:
        """Yields what is new in one log; returns the new progress."""
        if not log.files:
            return progress
        newest = log.files[-1]
        if progress.lost(log):
            offset = progress.read.get(progress.newest or "", 0)
            lost = (
                "the file read last was lost in a rotation (see `rotated`); it may have had lines after byte"
            )
            yield _page(log.name, newest, Reject(f"{lost} {offset}", ""))
        present = {file.head for file in log.files}
        read = {head: offset for head, offset in progress.read.items() if head in present}
        resume = progress.resume
        pieces = tail.pieces(log, progress)
        rejects: list[Reject] = []

        def complain(reason: str, line: bytes) -> None:
            rejects.append(Reject(reason, line.rstrip(b"\r\n")))

        reader = self._reader(stream, log.files[0].began_at, keep, complain)
        for piece in pieces:
            at = piece.file
            lines = tail.Lines(piece)
            records = reader.records(lines, at.head, piece.fresh)
            for page in pages(records, origin=str(at.path), received_at=at.modified_at):
                yield page
                yield from _refused(at, rejects)
            yield from _refused(at, rejects)
            read[at.head] = lines.position
        if pieces:
            resume = reader.resume()
        return tail.Progress(read, newest.head, resume)

    def _reader(
        self,
        stream: AsteriskStream,
        began_at: float,
        keep: Callable[[float], bool],
        complain: Callable[[str, bytes], None],
    ) -> _Reader:
        if stream.log == "queue_log":
            return queue_log.QueueLog(
                began_at=began_at,
                longest_call_hours=stream.longest_call_hours,
                encoding=stream.encoding,
                keep=keep,
                complain=complain,
            )
        connection = self.connection
        return cdr.CallDetails(
            columns=stream.columns,
            dialling=cdr.Dialling(
                inbound_contexts=frozenset(connection.inbound_contexts),
                outbound_contexts=frozenset(connection.outbound_contexts),
                queue_extensions=frozenset(connection.queue_extensions),
                outbound_prefix=connection.outbound_prefix,
            ),
            zone=self._zone(stream),
            began_at=began_at,
            longest_call_hours=stream.longest_call_hours,
            encoding=stream.encoding,
            keep=keep,
            complain=complain,
        )

    def _logs(self, stream: AsteriskStream) -> list[log_files.Log]:
        time_of: log_files.TimeOf = queue_log.time_of
        if stream.log == "cdr":
            time_of = cdr.time_of(self._zone(stream), stream.columns, stream.encoding)
        root = self.settings.path(self.connection.root)
        return log_files.find(root, stream.paths, stream.rotated, time_of)

    def _is_there(self, log: log_files.Log) -> bool:
        """Whether there is an empty file: the log was just rotated, or nobody has called yet."""
        return (self.settings.path(self.connection.root) / log.name).is_file()

    def _zone(self, stream: AsteriskStream) -> ZoneInfo:
        """The time zone of the server's clock. Raises ConfigError if none is set."""
        if self.connection.usegmtime:
            return ZoneInfo("UTC")
        zone = stream.timezone or self.connection.timezone
        if zone is None:
            raise ConfigError(
                "call detail records are in the server's local time, and the connection has no timezone",
                connection=self.connection.name,
                stream=stream.name,
                value="timezone",
                fix='set timezone = "Europe/London" (the server\'s), or usegmtime = true if cdr.conf has it, '
                f"or leave the stream out: only = [{self._others(stream)}]",
            )
        return ZoneInfo(zone)

    def _others(self, stream: AsteriskStream) -> str:
        return ", ".join(f'"{name}"' for name in self.streams if name != stream.name)


def _page(origin: str, file: log_files.LogFile, *rejects: Reject) -> Page:
    return Page(origin, file.modified_at, rejects=rejects)


def _refused(file: log_files.LogFile, rejects: list[Reject]) -> Iterator[Page]:
    """A page of the rejects so far; clears the list."""
    if rejects:
        yield _page(str(file.path), file, *rejects)
        rejects.clear()


def _keep(window: Window, *, is_new: bool, is_scheduled: bool) -> Callable[[float], bool]:
    """Whether to keep what became known at an epoch second. A scheduled run keeps all that is new, also past
    the window's end: it does not come by again. The first one begins where its window does."""
    if is_scheduled and not is_new:
        return lambda _: True
    start = window.start.timestamp() if window.start else float("-inf")
    end = float("inf") if is_scheduled else window.end.timestamp()
    return lambda known: start <= known < end
