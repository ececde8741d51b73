"""Merges staged records into the canonical tables.

The outcome of each record is decided against the registry `source_record`: an unknown record is inserted; a known one
is updated, left unchanged, deleted, deduplicated because a newer version is loaded, or refused because nothing tells
which is newer (`conflicts`). A changed record replaces its rows in every table; other rows are not touched. All of it
is set-based SQL, the same on every database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cxflow.load import conflicts, pending, versions
from cxflow.load.conflicts import CONFLICTING
from cxflow.load.staged import (
    CHANGED,
    CLAIMED,
    DISCARDED,
    IDENTIFIER,
    OUTCOME,
    RECORD,
    ROWS,
    WITHDRAWN,
    Loading,
)
from cxflow.load.versions import IN_CONFLICT
from cxflow.warehouse import engines, key_claims
from cxflow.warehouse.tables import CANONICAL, TIME, mappable, record_identity, source_record

_CHANGED = ("inserted", "updated", "deleted")


def decide(loading: Loading) -> None:
    """Fill `stage_outcome` with the outcome of each staged record."""
    known, new = source_record.c, RECORD.c
    is_unknown = known.source_record_id.is_(None)
    is_older = versions.precedes(new, known)
    appears = sa.case((new.is_deleted, "deleted"), else_="inserted")
    changes = sa.case((new.is_deleted, "deleted"), else_="updated")
    refuses_rivals = sa.literal(not loading.verdict.takes_latest)
    cases: list[tuple[sa.ColumnElement[bool], Any]] = [(is_unknown, appears)]
    has_no_rows: sa.ColumnElement[bool] = sa.false()
    lacks_a_row: sa.ColumnElement[bool] = sa.false()
    if key_claims.any_known(loading.warehouse):
        has_no_rows = key_claims.has_claim(known, key_claims.REFUSED, key_claims.DISCARDED)
        if loading.manifest.sources:  # it may be there for a key that is its own now
            lacks_a_row = key_claims.has_claim(known, key_claims.LOST)
    if loading.is_remap:  # of the same raw records, only the new mapping counts
        is_remapped = known.batch_id.in_(loading.manifest.sources)
        is_older = is_older & sa.not_(is_remapped)
        cases += [
            (is_remapped & ((known.content_hash == IN_CONFLICT) | has_no_rows), appears),
            (is_remapped & (known.content_hash == new.content_hash), "unchanged"),
            (is_remapped, changes),
        ]
    in_conflict = known.content_hash == IN_CONFLICT
    is_rival = refuses_rivals & conflicts.has_rivals(loading)
    cases += [
        (in_conflict & versions.is_before(new, known), "deduplicated"),
        (in_conflict & versions.at_same_time(new, known) & is_rival, CONFLICTING),
        (in_conflict, appears),
        (has_no_rows & (known.content_hash == new.content_hash) & is_older, "deduplicated"),
        (
            (has_no_rows | (lacks_a_row & sa.not_(is_older))) & (known.content_hash == new.content_hash),
            appears,
        ),
        (known.content_hash == new.content_hash, "unchanged"),
        (refuses_rivals & versions.are_rivals(new, known), CONFLICTING),
        (is_older, "deduplicated"),
        (has_no_rows, appears),
    ]
    query = sa.select(
        new._row,
        new.record_id,
        sa.case(*cases, else_=changes).label("outcome"),
        sa.not_(is_older).label("is_newer"),
    ).select_from(
        RECORD.outerjoin(
            source_record, loading.of_stream(source_record) & (known.source_record_id == new.record_id)
        )
    )
    loading.execute(query.into(OUTCOME.name, temporary=True))
    engines.of(loading.warehouse).analyze(loading.warehouse, OUTCOME.name)


def outcomes(loading: Loading) -> dict[str, int]:
    """Outcome to the number of records with it."""
    query = sa.select(OUTCOME.c.outcome, sa.func.count().label("n")).group_by(OUTCOME.c.outcome)
    return {row.outcome: int(row.n) for row in loading.execute(query)}


def _number(found: Mapping[str, int], *outcomes: str) -> int:
    return sum(found.get(outcome, 0) for outcome in outcomes)


def remove_old_rows(loading: Loading) -> None:
    """Delete the rows of changed and withdrawn records."""
    changed = sa.select(OUTCOME.c.record_id).where(CHANGED).union_all(sa.select(WITHDRAWN.c.record_id))
    remove_rows(loading, lambda table: loading.of_stream(table) & table.c.source_record_id.in_(changed))


def remove_rows(loading: Loading, are_old: Callable[[sa.Table], sa.ColumnElement[bool]]) -> None:
    """Delete the rows and identifiers of some records, in every canonical table: an earlier mapping may have filled
    others than the present one. `are_old` gives a table's rows to delete."""
    for table in CANONICAL.values():
        pending.pend_rows(loading, table, sa.select(table).where(are_old(table)))
        loading.execute(sa.delete(table).where(are_old(table)))
    old = are_old(record_identity)
    pending.pend_identity(
        loading, sa.select(record_identity.c.namespace, record_identity.c.identity_hash).where(old)
    )
    loading.execute(sa.delete(record_identity).where(old))


def insert_rows(loading: Loading, found: Mapping[str, int], lost: Mapping[str, Sequence[int]]) -> None:
    """Insert the rows and identifiers of changed records.

    `found` is what `outcomes` returns. `lost` maps a table to the records whose rows in it are left out, because their
    keys belong to other records.
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
        rows = _rows_of(every, staged, CHANGED, changed, found)
        if name in lost:
            rows = rows.where(staged.c._row.not_in(lost[name]))
        _insert(loading, table, rows)
        pending.pend_rows(loading, table, rows)
    identifiers = sa.select(
        sa.literal(system).label("source_system"),
        sa.literal(stream).label("source_object"),
        IDENTIFIER.c.record_id.label("source_record_id"),
        IDENTIFIER.c.namespace,
        IDENTIFIER.c.identity_hash,
        IDENTIFIER.c.identity_value,
        IDENTIFIER.c.seen_at,
    )
    seen = _rows_of(identifiers, IDENTIFIER, CHANGED, changed, found)
    _insert(loading, record_identity, seen)
    edges = seen.subquery()
    pending.pend_identity(loading, sa.select(edges.c.namespace, edges.c.identity_hash))


def _rows_of(
    rows: sa.Select[Any],
    staged: sa.TableClause,
    condition: sa.ColumnElement[bool],
    most: int,
    found: Mapping[str, int],
) -> sa.Select[Any]:
    """The staged rows of records whose outcome meets a condition. `most` bounds the number of such records.

    The smaller side is joined, the records that meet it or those that do not, so that the database holds few rows in
    memory. A join, because for an EXISTS DuckDB first copies all the rows.
    """
    is_small = 2 * most < sum(found.values())
    some = sa.select(OUTCOME.c._row).where(condition if is_small else sa.not_(condition)).subquery("some")
    joined = rows.join_from(staged, some, some.c._row == staged.c._row, isouter=not is_small)
    return joined if is_small else joined.where(some.c._row.is_(None))


def confirm_identifiers(loading: Loading) -> None:
    """Update `seen_at` of unchanged records' identifiers to the version now loaded. A record without an event is seen
    at its version, so the result must not depend on the order in which versions arrive."""
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
    """Update the registry to the versions now loaded, and for unchanged records to the version that confirmed them.
    Records that have no rows because they share a key are registered as the others are.

    `found` is what `outcomes` returns.
    """
    kept = CHANGED | OUTCOME.c.outcome.in_((CLAIMED, DISCARDED))
    kept |= (OUTCOME.c.outcome == "unchanged") & OUTCOME.c.is_newer
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
        RECORD.c.origin,
        RECORD.c.batch_id,
        RECORD.c.row_number,
        RECORD.c.raw_hash,
    )
    most = _number(found, *_CHANGED, CLAIMED, DISCARDED, "unchanged")
    _insert(loading, source_record, _rows_of(records, RECORD, kept, most, found))


def _insert(loading: Loading, table: sa.Table, rows: sa.Select[Any]) -> None:
    loading.execute(sa.insert(table).from_select([column.name for column in rows.selected_columns], rows))
