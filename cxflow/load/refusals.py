"""Writes refused records to the quarantine, and closes entries that a loaded version supersedes."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow import scratch
from cxflow.landing import prepared
from cxflow.load.merge import CHANGED, LONG_AGO
from cxflow.load.staged import OUTCOME, RECORD, REFUSED, ROWS, Loading
from cxflow.warehouse import engines
from cxflow.warehouse.tables import CANONICAL, KEYS, TIME, quarantine, source_record


def refuse_claimed_keys(loading: Loading, landed: Path) -> tuple[int, dict[str, list[int]]]:
    """Refuse records with a row whose key another record has claimed.

    Returns how many, and the deleted records with such a row (their `_row`, by table): these are not refused, they only
    lose the row. `landed` is the local folder of the raw batch, for the raw text of refused records.
    """
    lost: dict[str, list[int]] = {}
    for name in loading.verdict.tables:
        if name == "touchpoint":  # its key is a hash of the record's key
            continue
        table, staged = CANONICAL[name], ROWS[name]
        same_key = sa.and_(*(table.c[column] == staged.c[column] for column in KEYS[name]))
        same_record = loading.of_stream(table) & (table.c.source_record_id == staged.c.record_id)
        of_changed = staged.c._row.in_(sa.select(OUTCOME.c._row).where(CHANGED))
        claimed = (
            sa.select(staged.c._row, staged.c.is_deleted)
            .join_from(staged, table, same_key)
            .where(sa.not_(same_record), of_changed)
        )
        # Materialised first: a statement must not read the table that it updates.
        found = loading.execute(claimed.distinct()).all()
        if deleted := [row._row for row in found if row.is_deleted]:
            lost[name] = deleted
        if rows := [row._row for row in found if not row.is_deleted]:
            loading.execute(
                sa.update(OUTCOME).where(OUTCOME.c._row.in_(rows)).values(outcome=f"claimed {name}")
            )
    refused = sa.select(OUTCOME.c._row).where(OUTCOME.c.outcome.like("claimed %"))
    if rows := list(loading.execute(refused).scalars()):
        _stage_claimed(loading, landed, rows)
    return len(rows), lost


def _stage_claimed(loading: Loading, landed: Path, rows: list[int]) -> None:
    """Add the records with a claimed key to `stage_refused`, with their raw text."""
    claimed = sa.table("stage_claimed", sa.column("_row"), sa.column("payload"))
    with scratch.folder("load") as folder:
        target = prepared.payloads_of(landed, loading.manifest, rows, folder / "claimed.duckdb")
        engines.of(loading.warehouse).stage(loading.warehouse, claimed.name, target, "payload")
    loading.execute(
        sa.insert(REFUSED).from_select(
            [column.name for column in REFUSED.columns],
            sa.select(
                RECORD.c._row,
                sa.literal("load"),
                sa.literal("duplicate_key"),
                sa.func.replace(OUTCOME.c.outcome, "claimed ", ""),
                sa.null(),
                RECORD.c.record_id,
                RECORD.c.version_at,
                RECORD.c.received_at,
                claimed.c.payload,
            )
            .join_from(RECORD, claimed, claimed.c._row == RECORD.c._row)
            .join(OUTCOME, OUTCOME.c._row == RECORD.c._row),
        )
    )


def keep(loading: Loading) -> None:
    """Add refused records, reopen entries that were refused again, close those that a loaded version supersedes."""
    met = _entries(loading)
    again = sa.select(met.c.received_at).where(
        met.c.quarantine_id == quarantine.c.quarantine_id, met.c.received_at > quarantine.c.received_at
    )
    loading.execute(
        sa.update(quarantine)
        .where(quarantine.c.status != "discarded", again.exists())
        .values(
            status="open",
            closed_at=None,
            run_id=loading.batch.batch_id,
            received_at=again.scalar_subquery(),
        )
    )
    known = sa.exists().where(quarantine.c.quarantine_id == met.c.quarantine_id)
    entries = sa.select(
        met.c.quarantine_id,
        sa.literal(loading.batch.connection).label("source_system"),
        sa.literal(loading.batch.stream).label("source_object"),
        met.c.record_id.label("source_record_id"),
        sa.literal(loading.batch.batch_id).label("batch_id"),
        met.c._row.label("row_number"),
        met.c.stage,
        met.c.rule,
        met.c.column_name,
        met.c.raw_value,
        met.c.payload,
        met.c.version_at,
        met.c.received_at,
        sa.literal("open").label("status"),
        sa.literal(loading.now, TIME).label("first_seen_at"),
        sa.literal(loading.batch.batch_id).label("run_id"),
    ).where(~known)
    loading.execute(
        sa.insert(quarantine).from_select([column.name for column in entries.selected_columns], entries)
    )
    _close(loading)


def _entries(loading: Loading) -> sa.Subquery:
    """The refused records, one entry per record and rule even if the batch holds the record several times."""
    key = sa.func.md5(
        sa.func.concat_ws(
            "|",
            loading.batch.connection,
            loading.batch.stream,
            sa.func.coalesce(REFUSED.c.record_id, ""),
            REFUSED.c.rule,
            sa.func.coalesce(REFUSED.c.column_name, ""),
            sa.func.md5(sa.func.coalesce(REFUSED.c.payload, "")),
        )
    )
    rank = sa.func.row_number().over(partition_by=key, order_by=REFUSED.c._row.desc())
    ranked = sa.select(REFUSED, key.label("quarantine_id"), rank.label("rank")).subquery()
    return sa.select(ranked).where(ranked.c.rank == 1).subquery()


def _close(loading: Loading) -> None:
    """Close the open entries of records whose loaded version is at least as new."""
    loaded_version = sa.func.coalesce(source_record.c.version_at, LONG_AGO)
    refused_version = sa.func.coalesce(quarantine.c.version_at, LONG_AGO)
    superseded = sa.exists().where(
        loading.of_stream(source_record),
        source_record.c.source_record_id == quarantine.c.source_record_id,
        (loaded_version > refused_version)
        | ((loaded_version == refused_version) & (source_record.c.received_at >= quarantine.c.received_at)),
    )
    loading.execute(
        sa.update(quarantine)
        .where(loading.of_stream(quarantine), quarantine.c.status == "open", superseded)
        .values(
            status="replayed" if loading.batch.mode == "replay" else "superseded",
            closed_at=loading.now,
            run_id=loading.batch.batch_id,
        )
    )
