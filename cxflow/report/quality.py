"""Reads what tells whether the numbers can be trusted: the ledger, the quarantine, how far each stream is known.
Called by `contents`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cxflow.warehouse.tables import load_run, quarantine, stream_state

MOST_RULES = 10
_BEHIND = timedelta(days=2)
"""A stream that was read so much less far than another is behind."""
OUTCOMES = ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")
"""What becomes of a source record; together they are what was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The ledger of one stream: what was read, and what became of it."""

    source: str
    stream: str
    extracted: int
    outcomes: tuple[int, ...]
    """As OUTCOMES."""
    is_open: int
    """Records in quarantine now."""
    position: datetime | None
    """Everything known before it is loaded; None: the stream was only read by backfills."""
    loaded_at: datetime | None
    """When the last load ended; None: none did."""
    is_stopped: bool
    """Whether the gate stopped the newest batch: nothing of it was loaded."""
    is_behind: bool
    """Whether another stream was read two days further."""

    @property
    def balances(self) -> bool:
        """Whether every record that was read has one outcome."""
        return self.extracted == sum(self.outcomes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Records in quarantine for one rule."""

    source: str
    stream: str
    rule: str
    records: int


@dataclass(frozen=True, slots=True)
class Quality:
    """The books of every stream."""

    books: tuple[Book, ...]
    refusals: tuple[Refusal, ...]
    """The most frequent."""

    @property
    def extracted(self) -> int:
        """Source records read."""
        return sum(book.extracted for book in self.books)

    @property
    def is_open(self) -> int:
        """Records in quarantine now."""
        return sum(book.is_open for book in self.books)

    @property
    def balances(self) -> bool:
        """Whether the books of every stream balance."""
        return all(book.balances for book in self.books)

    def known_until(self) -> dict[str, datetime]:
        """Source to the instant up to which it is known: by the stream of it that was read furthest."""
        found: dict[str, datetime] = {}
        for book in self.books:
            if book.position is not None:
                found[book.source] = max(book.position, found.get(book.source, book.position))
        return found


def read(connection: sa.Connection) -> Quality:
    """The books as they are now, by source and stream."""
    totals = _by_stream(connection, _totals())
    positions = _by_stream(connection, sa.select(*_of(stream_state), stream_state.c.position))
    newest = _by_stream(connection, _newest())
    refused = connection.execute(_refused()).all()
    is_open: dict[tuple[str, str], int] = {}
    for row in refused:
        place = (row.source_system, row.source_object)
        is_open[place] = is_open.get(place, 0) + row.records
    last = max((row.position for row in positions.values() if row.position), default=None)
    books = []
    for place in sorted({*totals, *positions, *newest}):
        total = totals.get(place)
        position = positions[place].position if place in positions else None
        books.append(
            Book(
                source=place[0],
                stream=place[1],
                extracted=int(total.extracted) if total else 0,
                outcomes=tuple(int(total._mapping[name]) if total else 0 for name in OUTCOMES),
                is_open=is_open.get(place, 0),
                position=position,
                loaded_at=total.loaded_at if total else None,
                is_stopped=place in newest and newest[place].status == "stopped",
                is_behind=position is not None and last is not None and position < last - _BEHIND,
            )
        )
    rules = sorted(refused, key=lambda row: (-row.records, row.source_system, row.source_object, row.rule))
    return Quality(tuple(books), tuple(Refusal(*row) for row in rules[:MOST_RULES]))


def _of(table: sa.Table) -> tuple[sa.Column[Any], sa.Column[Any]]:
    return table.c.source_system, table.c.source_object


def _by_stream(connection: sa.Connection, query: sa.Select[Any]) -> dict[tuple[str, str], sa.Row[Any]]:
    rows: Sequence[sa.Row[Any]] = connection.execute(query).all()
    return {(row.source_system, row.source_object): row for row in rows}


def _totals() -> sa.Select[Any]:
    place = _of(load_run)
    sums = [sa.func.sum(load_run.c[name]).label(name) for name in ("extracted", *OUTCOMES)]
    last = sa.func.max(load_run.c.finished_at).label("loaded_at")
    return sa.select(*place, *sums, last).where(load_run.c.status == "loaded").group_by(*place)


def _newest() -> sa.Select[Any]:
    place = _of(load_run)
    order = sa.func.row_number().over(
        partition_by=place, order_by=(load_run.c.finished_at.desc(), load_run.c.run_id)
    )
    ranked = sa.select(*place, load_run.c.status, order.label("place")).subquery()
    return sa.select(ranked).where(ranked.c.place == 1)


def _refused() -> sa.Select[Any]:
    q = quarantine.c
    group = (q.source_system, q.source_object, q.rule)
    return sa.select(*group, sa.func.count().label("records")).where(q.status == "open").group_by(*group)
