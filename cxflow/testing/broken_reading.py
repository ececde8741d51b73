"""Reads a stream in one go, and again interrupted after one of its checkpoints. Called by the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.errors import TransientError
from cxflow.extract import extract
from cxflow.landing import files, zone
from cxflow.model.reading import Checkpoint, Cursor, Page, Reading
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Settings


@dataclass(frozen=True, slots=True)
class Landed:
    """What landed of a stream."""

    records: list[Any]
    """In their order, without the time of their delivery."""
    rejects: list[Any]
    cursor: Cursor


def whole(
    settings: Settings, connector: Connector, stream: Stream, window: Window
) -> tuple[Landed, list[Checkpoint]]:
    """What a reading gives, and the checkpoints of its pages."""
    seen: list[Checkpoint] = []
    return _landed(
        _at_each_checkpoint(settings), connector, stream, window, partial(_watched, seen, None)
    ), seen


def in_two(settings: Settings, connector: Connector, stream: Stream, window: Window, place: int) -> Landed:
    """What a reading gives that is interrupted after the checkpoint of that number, from 1, and resumed."""
    settings = _at_each_checkpoint(settings)
    try:
        _landed(settings, connector, stream, window, partial(_watched, [], place))
    except _BrokenOffError:
        return _landed(settings, connector, stream, window, _given_up)
    raise AssertionError(f"{stream.name} has fewer than {place} checkpoints at a second reading")


class _BrokenOffError(TransientError):
    """What was asked for has happened."""


def _watched(seen: list[Checkpoint], last: int | None, reading: Reading) -> Reading:
    """The same reading. It notes the checkpoints, and fails after the `last`."""
    with closing(reading):
        while True:
            try:
                item = next(reading)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield item
            if isinstance(item, Page) and item.checkpoint is not None:
                seen.append(item.checkpoint)
                if len(seen) == last:
                    raise _BrokenOffError("broken off on purpose")


def _given_up(reading: Reading) -> Reading:
    """No reading from the start is wanted any more."""
    reading.close()
    raise AssertionError("it does not resume from its checkpoint, but reads from the start")


def _at_each_checkpoint(settings: Settings) -> Settings:
    """The same project, keeping the pages at each checkpoint."""
    landing = settings.landing.model_copy(update={"checkpoint_seconds": 0.0})
    return settings.model_copy(update={"landing": landing})


def _landed(
    settings: Settings,
    connector: Connector,
    stream: Stream,
    window: Window,
    through: Callable[[Reading], Reading],
) -> Landed:
    """Extract a stream, its reading from the start passed `through` a function."""
    read = connector.read
    connector.read = lambda *asked: through(read(*asked))  # type: ignore[method-assign]
    try:
        batch = extract(settings, Extraction(connector, stream, window, {}, "scheduled"))
    finally:
        del connector.read
    with zone.local_copy(settings, batch.path) as folder, duckdb.connect() as database:

        def rows(paths: list[Path]) -> list[Any]:
            if not paths:
                return []
            relation = files.numbered(paths, 0)
            return database.execute(
                f"SELECT * EXCLUDE (_received_at) FROM {relation} ORDER BY _row"
            ).fetchall()

        records = rows(files.parts_in(folder))
        rejects = rows(sorted(folder.glob("malformed-*.parquet")))
    return Landed(records, rejects, zone.read_manifest(settings, batch).cursor)
