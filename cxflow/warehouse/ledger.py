"""Reads and writes the cursors and the ledger of loads, including those that the gate stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.window import Window
from cxflow.settings import Settings
from cxflow.warehouse import engines, revisions, transactions
from cxflow.warehouse.tables import load_run, record_sighting, source_record, stream_state


def cursor(settings: Settings, connection: str, stream: str) -> dict[str, Any]:
    """The stream's cursor after its last scheduled run; {} before the first."""
    row = _state(settings, connection, stream)
    return dict(json.loads(row.cursor)) if row else {}


def position(settings: Settings, connection: str, stream: str) -> datetime | None:
    """The instant before which everything known is loaded; None before the first scheduled run.

    A stored position in the future was set by a clock that ran ahead, and later changes would never be read. Then the
    position is the start of the first window that reached into the future.
    """
    row, now = _state(settings, connection, stream), datetime.now(UTC)
    if row is None or row.position is None or row.position <= now:
        return row.position if row else None
    ran_ahead = (
        sa.select(load_run.c.window_start)
        .where(
            _of_stream(load_run, connection, stream),
            load_run.c.status == "loaded",
            load_run.c.mode == "scheduled",
            load_run.c.window_end > now,
        )
        .order_by(load_run.c.window_end)
        .limit(1)
    )
    with transactions.reading(settings) as warehouse:
        start: datetime | None = warehouse.scalar(ran_ahead)
        return start


def raw_columns(settings: Settings, connection: str, stream: str) -> raw_schema.RawSchema:
    """The raw schema of the stream, as seen so far."""
    row = _state(settings, connection, stream)
    return dict(json.loads(row.raw_columns)) if row else {}


def _state(settings: Settings, connection: str, stream: str) -> sa.Row[Any] | None:
    with transactions.reading(settings) as warehouse:
        revisions.require_revision(warehouse)
        return warehouse.execute(
            sa.select(stream_state).where(_of_stream(stream_state, connection, stream))
        ).first()


def states(settings: Settings) -> Sequence[sa.RowMapping]:
    """All cursors, by connection and stream."""
    with transactions.reading(settings) as warehouse:
        revisions.require(warehouse)
        return states_in(warehouse)


def states_in(warehouse: sa.Connection) -> Sequence[sa.RowMapping]:
    """The same, in the caller's transaction."""
    query = sa.select(stream_state).order_by(stream_state.c.source_system, stream_state.c.source_object)
    return warehouse.execute(query).mappings().all()


def forget(settings: Settings, connection: str, stream: str | None = None) -> int:
    """Delete cursors, so that the next scheduled run reads from the beginning; returns how many. Loaded data stays."""
    chosen = stream_state.c.source_system == connection
    if stream:
        chosen &= stream_state.c.source_object == stream

    def work(warehouse: sa.Connection) -> int:
        revisions.require(warehouse)
        names = sa.select(stream_state.c.source_object).where(chosen).order_by(stream_state.c.source_object)
        found = list(warehouse.scalars(names))
        # A running load writes its cursor when it ends. Wait for it, so that this one is deleted as well.
        for name in found:
            engines.of(warehouse).lock_stream(warehouse, connection, name)
        warehouse.execute(sa.delete(stream_state).where(chosen))
        return len(found)

    return transactions.committed(settings, work)


@dataclass(frozen=True, slots=True)
class NextState:
    """What a load knows of its stream's state afterwards."""

    cursor: dict[str, Any]
    """The next cursor, in the connector's format."""
    window: Window
    """What was read."""
    raw_columns: raw_schema.RawSchema
    """The raw schema seen so far."""
    mapping: str
    """The fingerprint of the mapping that made the rows."""
    known_until: datetime
    """What happened before this instant has been delivered."""
    replaces_raw_columns: bool = False
    """Whether the raw schema seen by earlier loads counts no more: they read the source under other settings."""


def keep_state(warehouse: sa.Connection, batch: BatchRef, found: NextState, now: datetime) -> None:
    """Write the stream's state in the load's transaction.

    A scheduled batch moves the cursor, unless a later one has moved it further. Any batch adds to the known raw schema.
    The state names the mapping only while one mapping made every loaded row.
    """
    here = _of_stream(stream_state, batch.connection, batch.stream)
    known = warehouse.execute(sa.select(stream_state).where(here)).first()
    scheduled, end, next_cursor = batch.mode == "scheduled", found.window.end, found.cursor
    # A position in the future was set by a clock that ran ahead.
    moves = scheduled and (
        known is None or known.position is None or known.position <= end or known.position > now
    )
    # A replay or remap brings nothing new of the source, and a backfill of earlier days takes nothing away.
    reads = batch.mode in ("scheduled", "backfill")
    known_until = min(found.known_until, now) if reads else None
    if known is not None and known.known_until is not None and known.known_until <= now:
        known_until = max(known_until or known.known_until, known.known_until)
    if known is None:
        state = {"cursor": json.dumps(next_cursor if moves else {}), "position": end if moves else None}
    elif moves:
        state = {"cursor": json.dumps(next_cursor), "position": end}
    else:
        state = {"cursor": known.cursor, "position": known.position}
    is_only = known is None or batch.mode == "remap" or known.mapping == found.mapping
    raw = found.raw_columns
    if known is not None and not found.replaces_raw_columns:
        # Another batch may have been loaded since this one was prepared.
        raw = raw_schema.merge(json.loads(known.raw_columns), raw)
    warehouse.execute(sa.delete(stream_state).where(here))
    warehouse.execute(
        sa.insert(stream_state).values(
            source_system=batch.connection,
            source_object=batch.stream,
            raw_columns=json.dumps(raw),
            mapping=found.mapping if is_only else None,
            known_until=known_until,
            run_id=batch.batch_id,
            updated_at=now,
            **state,
        )
    )


def loaded(warehouse: sa.Connection, batch: BatchRef) -> sa.Row[Any] | None:
    """The ledger's row of a batch, if it was already loaded."""
    return warehouse.execute(
        sa.select(load_run).where(load_run.c.batch_id == batch.batch_id, load_run.c.status == "loaded")
    ).first()


def loaded_batches(settings: Settings, connection: str, stream: str) -> list[BatchRef]:
    """The batches of a stream that were read from its source and loaded, oldest first."""
    query = (
        sa.select(load_run.c.batch_id, load_run.c.mode)
        .where(_of_stream(load_run, connection, stream), load_run.c.status == "loaded")
        .where(load_run.c.mode.in_(("scheduled", "backfill")))
        .order_by(load_run.c.batch_id)
    )
    with transactions.reading(settings) as warehouse:
        revisions.require(warehouse)
        return [BatchRef(connection, stream, row.batch_id, row.mode) for row in warehouse.execute(query)]


def outdated_in(warehouse: sa.Connection, connection: str, stream: str, mapping: str) -> int:
    """The number of a stream's loaded records whose rows another mapping made than the one with this fingerprint."""
    of_all = sa.select(stream_state.c.mapping).where(_of_stream(stream_state, connection, stream))
    if warehouse.scalar(of_all) == mapping:
        return 0
    query = (
        sa.select(sa.func.count())
        .select_from(source_record)
        .join(load_run, load_run.c.run_id == source_record.c.run_id)
        .where(_of_stream(source_record, connection, stream), load_run.c.mapping != mapping)
    )
    return int(warehouse.scalar(query) or 0)


def vanished(warehouse: sa.Connection) -> dict[tuple[str, str], int]:
    """The number of records that count as deleted because snapshots lack them, by connection and stream."""
    place = (record_sighting.c.source_system, record_sighting.c.source_object)
    query = sa.select(*place, sa.func.count().label("records")).where(record_sighting.c.is_vanished)
    found = warehouse.execute(query.group_by(*place))
    return {(row.source_system, row.source_object): int(row.records) for row in found}


def _of_stream(table: sa.Table, connection: str, stream: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.source_system == connection, table.c.source_object == stream)


def counts_of(row: Any) -> Counts:
    """The counts of a ledger row."""
    return Counts(**{name: int(getattr(row, name)) for name in asdict(Counts())})


def runs(warehouse: sa.Connection, limit: int = 50) -> Sequence[sa.RowMapping]:
    """The latest loads, newest first."""
    query = sa.select(load_run).order_by(load_run.c.started_at.desc()).limit(limit)
    return warehouse.execute(query).mappings().all()


def totals(settings: Settings) -> dict[tuple[str, str], Counts]:
    """The total counts of everything loaded, by connection and stream."""
    with transactions.reading(settings) as warehouse:
        revisions.require(warehouse)
        return totals_in(warehouse)


def totals_in(warehouse: sa.Connection) -> dict[tuple[str, str], Counts]:
    """The same, in the caller's transaction."""
    columns = [sa.func.sum(load_run.c[name]).label(name) for name in asdict(Counts())]
    query = (
        sa.select(load_run.c.source_system, load_run.c.source_object, *columns)
        .where(load_run.c.status == "loaded")
        .group_by(load_run.c.source_system, load_run.c.source_object)
        .order_by(load_run.c.source_system, load_run.c.source_object)
    )
    return {(row.source_system, row.source_object): counts_of(row) for row in warehouse.execute(query)}
