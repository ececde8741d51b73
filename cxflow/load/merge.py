"""Merges staged records into the canonical tables.

The outcome of each record is decided against `source_record`, the registry: an unknown one is inserted, a known
one updated, left unchanged, or set aside because a newer version is loaded. What changed replaces the record's
rows in every table; the rest is not touched. All of it is set-based SQL, the same on every database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cxflow.load import pending
from cxflow.load.staged import IDENTIFIER, OUTCOME, RECORD, ROWS, Loading
from cxflow.warehouse import engines
from cxflow.warehouse.tables import CANONICAL, TIME, mappable, record_identity, source_record

LONG_AGO = sa.literal(datetime(1, 1, 1, tzinfo=UTC), TIME)
"""Stands for the version of a record that declares none."""

_CHANGED = ("inserted", "updated", "deleted")
CHANGED = OUTCOME.c.outcome.in_(_CHANGED)


def decide(loading: Loading) -> None:
    """Fill `stage_outcome`."""
    known = source_record
    new_version = sa.func.coalesce(RECORD.c.version_at, LONG_AGO)
    known_version = sa.func.coalesce(known.c.version_at, LONG_AGO)
    is_older = (new_version < known_version) | (
        (new_version == known_version) & (RECORD.c.received_at < known.c.received_at)
    )
    is_unknown = known.c.source_record_id.is_(None)
    outcome = sa.case(
        (is_unknown & RECORD.c.is_deleted, "deleted"),
        (is_unknown, "inserted"),
        (known.c.content_hash == RECORD.c.content_hash, "unchanged"),
        (is_older, "deduplicated"),
        (RECORD.c.is_deleted, "deleted"),
        else_="updated",
    )
    query = sa.select(
        RECORD.c._row, RECORD.c.record_id, outcome.label("outcome"), sa.not_(is_older).label("is_newer")
    ).select_from(
        RECORD.outerjoin(known, loading.of_stream(known) & (known.c.source_record_id == RECORD.c.record_id))
    )
    loading.execute(query.into(OUTCOME.name, temporary=True))
    engines.of(loading.warehouse).analyze(loading.warehouse, OUTCOME.name)


def outcomes(loading: Loading) -> dict[str, int]:
    """How many records have each outcome."""
    query = sa.select(OUTCOME.c.outcome, sa.func.count().label("n")).group_by(OUTCOME.c.outcome)
    return {row.outcome: int(row.n) for row in loading.execute(query)}


def _number(found: Mapping[str, int], *outcomes: str) -> int:
    return sum(found.get(outcome, 0) for outcome in outcomes)


def remove_old_rows(loading: Loading) -> None:
    """Delete the rows of records that changed, in every table that the stream may ever have filled."""
    changed = sa.select(OUTCOME.c.record_id).where(CHANGED)
    for table in CANONICAL.values():
        old = loading.of_stream(table) & table.c.source_record_id.in_(changed)
        pending.pend_kpis(loading, table, sa.select(table).where(old))
        loading.execute(sa.delete(table).where(old))
    old = loading.of_stream(record_identity) & record_identity.c.source_record_id.in_(changed)
    pending.pend_identity(
        loading, sa.select(record_identity.c.namespace, record_identity.c.identity_hash).where(old)
    )
    loading.execute(sa.delete(record_identity).where(old))


def insert_rows(loading: Loading, found: Mapping[str, int], lost: Mapping[str, Sequence[int]]) -> None:
    """Insert the rows and identifiers of records that changed, but for the rows that deleted ones have `lost`.

    `found` are the outcomes and their numbers.
    """
    system, stream, run_id = loading.batch.connection, loading.batch.stream, loading.batch.batch_id
    changed = _number(found, *_CHANGED)
    for name in loading.verdict.tables:
        table, staged = CANONICAL[name], ROWS[name]
        every = sa.select(
            *(staged.c[column] for column in mappable(table)),
            sa.literal(system).label("source_system"),
            sa.literal(stream).label("source_object"),
            staged.c.record_id.label("source_record_id"),
            staged.c.is_deleted,
            sa.literal(run_id).label("run_id"),
            sa.literal(loading.now, TIME).label("loaded_at"),
        )
        rows = _of(every, staged, CHANGED, changed, found)
        if name in lost:
            rows = rows.where(staged.c._row.not_in(lost[name]))
        _insert(loading, table, rows)
        pending.pend_kpis(loading, table, rows)
    identifiers = sa.select(
        sa.literal(system).label("source_system"),
        sa.literal(stream).label("source_object"),
        IDENTIFIER.c.record_id.label("source_record_id"),
        IDENTIFIER.c.namespace,
        IDENTIFIER.c.identity_hash,
        IDENTIFIER.c.identity_value,
        IDENTIFIER.c.seen_at,
    )
    met = _of(identifiers, IDENTIFIER, CHANGED, changed, found)
    _insert(loading, record_identity, met)
    edges = met.subquery()
    pending.pend_identity(loading, sa.select(edges.c.namespace, edges.c.identity_hash))


def _of(
    rows: sa.Select[Any],
    staged: sa.TableClause,
    condition: sa.ColumnElement[bool],
    most: int,
    found: Mapping[str, int],
) -> sa.Select[Any]:
    """The staged rows of records whose outcome meets a condition, as at most so many do.

    The database keeps the smaller kind of records in memory: those that do, or those that do not. As a join: of an
    EXISTS, DuckDB first copies all the rows.
    """
    is_small = 2 * most < sum(found.values())
    some = sa.select(OUTCOME.c._row).where(condition if is_small else sa.not_(condition)).subquery("some")
    joined = rows.join_from(staged, some, some.c._row == staged.c._row, isouter=not is_small)
    return joined if is_small else joined.where(some.c._row.is_(None))


def confirm_identifiers(loading: Loading) -> None:
    """Bring `seen_at` of unchanged records' identifiers to the version that is now loaded: a record without an
    event of its own was seen when its version says, in whatever order the versions came."""
    confirmed = (
        sa.select(
            OUTCOME.c.record_id, IDENTIFIER.c.namespace, IDENTIFIER.c.identity_hash, IDENTIFIER.c.seen_at
        )
        .join_from(IDENTIFIER, OUTCOME, OUTCOME.c._row == IDENTIFIER.c._row)
        .where(OUTCOME.c.outcome == "unchanged", OUTCOME.c.is_newer)
        .subquery()
    )
    moved = sa.and_(
        loading.of_stream(record_identity),
        record_identity.c.source_record_id == confirmed.c.record_id,
        record_identity.c.namespace == confirmed.c.namespace,
        record_identity.c.identity_hash == confirmed.c.identity_hash,
        record_identity.c.seen_at != confirmed.c.seen_at,
    )
    pending.pend_identity(
        loading,
        sa.select(confirmed.c.namespace, confirmed.c.identity_hash).join_from(
            confirmed, record_identity, moved
        ),
    )
    loading.execute(sa.update(record_identity).where(moved).values(seen_at=confirmed.c.seen_at))


def register(loading: Loading, found: Mapping[str, int]) -> None:
    """Bring the registry to the versions now loaded, and note when unchanged ones were last confirmed.

    `found` are the outcomes and their numbers.
    """
    kept = CHANGED | ((OUTCOME.c.outcome == "unchanged") & OUTCOME.c.is_newer)
    loading.execute(
        sa.delete(source_record).where(
            loading.of_stream(source_record),
            source_record.c.source_record_id.in_(sa.select(OUTCOME.c.record_id).where(kept)),
        )
    )
    records = sa.select(
        sa.literal(loading.batch.connection).label("source_system"),
        sa.literal(loading.batch.stream).label("source_object"),
        RECORD.c.record_id.label("source_record_id"),
        RECORD.c.version_at,
        RECORD.c.received_at,
        RECORD.c.content_hash,
        RECORD.c.is_deleted,
        sa.literal(loading.batch.batch_id).label("run_id"),
    )
    most = _number(found, *_CHANGED, "unchanged")
    _insert(loading, source_record, _of(records, RECORD, kept, most, found))


def _insert(loading: Loading, table: sa.Table, rows: sa.Select[Any]) -> None:
    loading.execute(sa.insert(table).from_select([column.name for column in rows.selected_columns], rows))
