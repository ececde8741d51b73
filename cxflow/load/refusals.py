"""Writes what was refused to the quarantine, and closes what a loaded version has made good."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow import scratch
from cxflow.landing import prepared
from cxflow.load.merge import CHANGED, LONG_AGO
from cxflow.load.staged import OUTCOME, RECORD, REFUSED, ROWS, Loading
from cxflow.warehouse import engines
from cxflow.warehouse.tables import CANONICAL, KEYS, TIME, quarantine, source_record


def refuse_taken_keys(loading: Loading, landed: Path) -> tuple[int, dict[str, list[int]]]:
    """Refuse records of which a row's key belongs to another record's row; returns how many. A deleted record is
    not refused for it, it only loses the row: also returned, by table.

    `landed` is the local folder of the raw batch, for their raw text.
    """
    lost: dict[str, list[int]] = {}
    for name in loading.verdict.tables:
        if name == "touchpoint":  # its key is a hash of the record itself
            continue
        table, staged = CANONICAL[name], ROWS[name]
        same_key = sa.and_(*(table.c[column] == staged.c[column] for column in KEYS[name]))
        same_record = loading.of_stream(table) & (table.c.source_record_id == staged.c.record_id)
        of_changed = staged.c._row.in_(sa.select(OUTCOME.c._row).where(CHANGED))
        taken = (
            sa.select(staged.c._row, staged.c.is_deleted)
            .join_from(staged, table, same_key)
            .where(sa.not_(same_record), of_changed)
        )
        # Materialised first: a table that is being updated is not to be read by the same statement.
        found = loading.execute(taken.distinct()).all()
        if deleted := [row._row for row in found if row.is_deleted]:
            lost[name] = deleted
        if rows := [row._row for row in found if not row.is_deleted]:
            loading.execute(
                sa.update(OUTCOME).where(OUTCOME.c._row.in_(rows)).values(outcome=f"taken {name}")
            )
    refused = sa.select(OUTCOME.c._row).where(OUTCOME.c.outcome.like("taken %"))
    if rows := list(loading.execute(refused).scalars()):
        _stage_taken(loading, landed, rows)
    return len(rows), lost


def _stage_taken(loading: Loading, landed: Path, rows: list[int]) -> None:
    taken = sa.table("stage_taken", sa.column("_row"), sa.column("payload"))
    with scratch.folder("load") as folder:
        target = prepared.payloads_of(landed, loading.manifest, rows, folder / "taken.duckdb")
        engines.of(loading.warehouse).stage(loading.warehouse, taken.name, target, "taken")
    loading.execute(
        sa.insert(REFUSED).from_select(
            [column.name for column in REFUSED.columns],
            sa.select(
                RECORD.c._row,
                sa.literal("load"),
                sa.literal("duplicate_key"),
                sa.func.replace(OUTCOME.c.outcome, "taken ", ""),
                sa.null(),
                RECORD.c.record_id,
                RECORD.c.version_at,
                RECORD.c.received_at,
                taken.c.payload,
            )
            .join_from(RECORD, taken, taken.c._row == RECORD.c._row)
            .join(OUTCOME, OUTCOME.c._row == RECORD.c._row),
        )
    )


def keep(loading: Loading) -> None:
    """Add what was refused, open again what was refused again, close what a loaded version supersedes."""
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
    """The refused records, one entry per record and rule whatever the number of lines they came in."""
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
    """A refused record of which a version as new or newer is loaded is no longer open."""
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
