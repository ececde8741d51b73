"""How far a long step is. Stages report it, whoever shows it listens, and neither knows the other.

    with listening(screen):
        with of("shop", "orders"):
            report("reading", 20_000, total=1_000_000)

A report is for a page, a slice of a file or a KPI, never for a record. Where nobody listens, the log tells of a stage
that takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import structlog

_LEAST_SECONDS = 0.1
"""Reports of the same stage that follow sooner are dropped."""
_LOG_SECONDS = 30.0

log = structlog.get_logger("cxflow")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is."""

    stage: str
    """What is being done: "reading", "conforming", "KPIs"."""
    connection: str | None = None
    """None: the stage is about the whole warehouse."""
    stream: str | None = None
    """Of the connection; None as above."""
    done: int | None = None
    """Units done so far; None: the stage cannot tell."""
    total: int | None = None
    """Units in all, if that is known."""
    unit: str = "records"
    """What is counted, in the plural: records, texts, KPIs."""
    share: float | None = None
    """The share of the stage that is done, from 0 to 1, where other things than its units tell it: bytes."""
    note: str = ""
    """What holds it up, such as a service's limit."""

    @property
    def part(self) -> float | None:
        """The share that is done, from 0 to 1; None if nothing tells."""
        if self.share is not None:
            return min(max(self.share, 0.0), 1.0)
        return min(self.done / self.total, 1.0) if self.total and self.done is not None else None


Listener = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("cxflow_progress_listener", default=None)
_place: ContextVar[tuple[str | None, str | None]] = ContextVar("cxflow_progress_place", default=(None, None))
_last: ContextVar[_Last | None] = ContextVar("cxflow_progress_last", default=None)


@dataclass(slots=True)
class _Last:
    """The last report that was passed on."""

    progress: Progress = Progress("")
    told: float = 0.0
    logged: float = 0.0


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Pass the reports of the block to `listener`, which must be quick. A thread that the block starts reports to it
    if it runs in a copy of the context."""
    token, last = _listener.set(listener), _last.set(_Last())
    try:
        yield
    finally:
        _listener.reset(token)
        _last.reset(last)


@contextmanager
def of(connection: str | None, stream: str | None) -> Iterator[None]:
    """Reports of the block are about a stream."""
    token = _place.set((connection, stream))
    try:
        yield
    finally:
        _place.reset(token)


def is_heard() -> bool:
    """Whether somebody listens: else what only progress needs is left out, such as a count."""
    return _listener.get() is not None


def report(
    stage: str,
    done: int | None = None,
    *,
    total: int | None = None,
    unit: str = "records",
    share: float | None = None,
) -> None:
    """Tell how far a stage is, or that it begins. See `Progress`."""
    last, now, place = _last_report(), time.monotonic(), _place.get()
    before = last.progress
    if (stage, *place) != (before.stage, before.connection, before.stream):
        last.logged = now
    elif now - last.told < _LEAST_SECONDS:
        return
    last.told = now
    last.progress = Progress(stage, *place, done, total, unit, share)
    if listener := _listener.get():
        listener(last.progress)
    elif now - last.logged >= _LOG_SECONDS:
        last.logged = now
        log.info(
            "in progress",
            stage=stage,
            connection=place[0],
            stream=place[1],
            done=done,
            total=total,
            unit=unit,
        )


def held_up(note: str) -> None:
    """Tell what holds the present stage up, until its next report."""
    if listener := _listener.get():
        listener(replace(_last_report().progress, note=note))


def _last_report() -> _Last:
    last = _last.get()
    if last is None:
        _last.set(last := _Last())
    return last
