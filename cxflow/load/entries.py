"""The entries of the quarantine: writes those of refused records, and closes those that are settled."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.landing.prepared import CONFLICT_COLUMN, CONFLICT_RULE
from cxflow.load import versions
from cxflow.load.staged import ENTRY, PLACE, REFUSED, Loading, names
from cxflow.warehouse import key_claims
from cxflow.warehouse.tables import TIME, quarantine, source_record


def id_of(loading: Loading, **refused: Any) -> sa.ColumnElement[str]:
    """SQL: the id of a refused record's entry, the same in whatever batch it comes again."""
    return sa.func.md5(
        sa.func.concat_ws(
            "|",
            loading.batch.connection,
            loading.batch.stream,
            sa.func.coalesce(refused["record_id"], ""),
            refused["rule"],
            sa.func.coalesce(refused["column_name"], ""),
            sa.func.md5(sa.func.coalesce(refused["payload"], "")),
        )
    )


def stage(loading: Loading) -> None:
    """Fill `stage_entry`: one entry per record and rule, even if the batch holds the record several times: its newest
    reading."""
    key = id_of(loading, **dict(REFUSED.c))
    rank = sa.func.row_number().over(partition_by=key, order_by=versions.newest_first(REFUSED.c))
    ranked = sa.select(REFUSED, key.label("quarantine_id"), rank.label("rank")).subquery()
    newest_only = sa.select(*(ranked.c[name] for name in names(ENTRY))).where(ranked.c.rank == 1)
    loading.execute(newest_only.into(ENTRY.name, temporary=True))


def keep(loading: Loading) -> None:
    """Close the entries that the batch processed again, write and reopen those of `stage_entry`, and close those that a
    loaded version supersedes."""
    run_id, met = loading.batch.batch_id, ENTRY
    closed = {"closed_at": loading.now, "run_id": run_id}
    of_stream = loading.of_stream(quarantine)
    if loading.manifest.sources:
        again = sa.exists().where(
            PLACE.c.batch_id == quarantine.c.batch_id, PLACE.c.row_number == quarantine.c.row_number
        )
        processed = sa.and_(of_stream, quarantine.c.status == "open", quarantine.c.rule != "malformed", again)
        loading.execute(sa.update(quarantine).where(processed).values(status="replayed", **closed))
    renewed = {
        name: met.c[name] for name in ("version_at", "received_at", "origin", "batch_id", "row_number")
    }
    is_met = met.c.quarantine_id == quarantine.c.quarantine_id
    loading.execute(
        sa.update(quarantine)
        .where(is_met, quarantine.c.status != "discarded", sa.not_(versions.precedes(met.c, quarantine.c)))
        .values(**renewed)
    )
    loading.execute(
        sa.update(quarantine)
        .where(
            is_met,
            quarantine.c.status.not_in(("open", "discarded")),
            sa.not_(_is_superseded(loading)),
        )
        .values(status="open", closed_at=None, run_id=run_id)
    )
    known = sa.exists().where(quarantine.c.quarantine_id == met.c.quarantine_id)
    added = sa.select(
        met.c.quarantine_id,
        sa.literal(loading.batch.connection).label("source_system"),
        sa.literal(loading.batch.stream).label("source_object"),
        met.c.record_id.label("source_record_id"),
        met.c.batch_id,
        met.c.row_number,
        met.c.stage,
        met.c.rule,
        met.c.column_name,
        met.c.raw_value,
        met.c.payload,
        met.c.version_at,
        met.c.received_at,
        met.c.origin,
        met.c.raw_hash,
        sa.literal("open").label("status"),
        sa.literal(loading.now, TIME).label("first_seen_at"),
        sa.literal(run_id).label("run_id"),
    ).where(~known)
    loading.execute(
        sa.insert(quarantine).from_select([column.name for column in added.selected_columns], added)
    )
    superseded = sa.and_(of_stream, quarantine.c.status == "open", _is_superseded(loading))
    if key_claims.any_known(loading.warehouse):  # `disputes` closes those of records that share a key
        is_disputed = key_claims.of_entry() & key_claims.has_claim(quarantine.c, key_claims.REFUSED)
        superseded = sa.and_(superseded, sa.not_(is_disputed))
    loading.execute(sa.update(quarantine).where(superseded).values(status="superseded", **closed))


def _is_superseded(loading: Loading) -> sa.ColumnElement[bool]:
    """Whether a newer version of an entry's record is loaded; or this very one, after its mapping was fixed."""
    loaded, refused = source_record.c, quarantine.c
    is_live = loaded.content_hash != versions.IN_CONFLICT
    was_conflict = (refused.rule == CONFLICT_RULE) & (refused.column_name == CONFLICT_COLUMN)
    fixed = sa.or_(
        versions.is_same_raw(loaded, refused), versions.is_earlier_reading(refused, loaded), was_conflict
    )
    return sa.exists().where(
        loading.of_stream(source_record),
        loaded.source_record_id == refused.source_record_id,
        sa.or_(
            versions.is_before(refused, loaded),
            sa.and_(versions.at_same_time(refused, loaded), is_live, fixed),
        ),
    )
