"""Readings of all that a service has, to find what it has deleted without a word. Called by `connector`."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

from cxflow.connect.http.stream import RestStream
from cxflow.model.reading import Checkpoint, Count, Cursor, Page, Reading, Snapshot
from cxflow.model.window import Window

_KEY = "whole"
"""In a cursor, when the stream was read whole; in a checkpoint, when such a reading began."""


def is_due(stream: RestStream, window: Window, cursor: Cursor | None, start: datetime | None) -> bool:
    """Whether a run reads all that the service has. Not a backfill; and not where the connection's `start` leaves older
    records out, for nothing would tell those that a backfill has loaded from deleted ones."""
    if not stream.snapshot or cursor is None or start is not None:
        return False
    last = cursor.get(_KEY)
    return (
        last is None
        or stream.whole_every is None
        or datetime.fromisoformat(last) + stream.whole_every <= window.end
    )


def is_one(checkpoint: Checkpoint) -> bool:
    """Whether the interrupted reading was one."""
    return _KEY in checkpoint


def begun(done: Checkpoint) -> tuple[str, Checkpoint]:
    """When the reading began, ISO 8601: now, or when it was interrupted; and its place in the pages."""
    at = done.get(_KEY) or datetime.now().astimezone().isoformat()
    return at, {name: value for name, value in done.items() if name != _KEY}


def as_snapshot(
    reading: Generator[Count | Page, None, dict[str, Any]], stream: RestStream, window: Window, at: str
) -> Reading:
    """A reading that began `at` and goes up to the window's end, as one delivery."""
    received_at, origin = datetime.fromisoformat(at), f"{stream.name} (whole)"
    try:
        while True:
            item = next(reading)
            if isinstance(item, Page):
                checkpoint = {**(item.checkpoint or {}), _KEY: at}
                yield replace(item, origin=origin, received_at=received_at, checkpoint=checkpoint)
            else:
                yield replace(item, origin=origin)
    except StopIteration as end:
        yield Snapshot(origin, received_at)
        return {**end.value, _KEY: window.end.isoformat()}
    finally:
        reading.close()


def kept(cursor: Cursor | None) -> dict[str, Any]:
    """The part of a cursor that the next one takes over."""
    return {_KEY: cursor[_KEY]} if cursor and _KEY in cursor else {}
