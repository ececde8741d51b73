"""Records in conflict: several versions of one record, of the same version and time of delivery, that differ.

Where the policy is to quarantine, nothing tells which of them is right. So none is loaded, one that was loaded before
is withdrawn, and all of them are in quarantine. The registry remembers such a record without rows (IN_CONFLICT) until a
newer version comes, or the others are discarded. It makes no difference in which batches the versions come.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.landing.prepared import CONFLICT_COLUMN, CONFLICT_RULE
from cxflow.load import entries, raw_texts, versions
from cxflow.load.staged import CONFLICT, ENTRY, RECORD, WITHDRAWN, Loading, names
from cxflow.load.versions import IN_CONFLICT
from cxflow.settings import Settings
from cxflow.warehouse.tables import quarantine, source_record

CONFLICTING = "conflicting primary_key"
"""The outcome of a record that conflicts with a loaded or refused one."""

_TAKEN_BACK = sa.table(
    "stage_taken_back",
    *map(
        sa.column,
        (
            *("source_system", "source_object", "record_id", "version_at", "received_at", "origin"),
            *("batch_id", "row_number", "raw_hash"),
        ),
    ),
)
"""The loaded records that conflict with the batch's."""


def has_rivals(loading: Loading) -> sa.ColumnElement[bool]:
    """The condition that a staged record has an open rival in quarantine."""
    is_rival = sa.and_(
        loading.of_stream(quarantine),
        quarantine.c.status == "open",
        quarantine.c.rule == CONFLICT_RULE,
        quarantine.c.column_name == CONFLICT_COLUMN,
    )
    if not loading.execute(sa.select(sa.select(quarantine).where(is_rival).exists())).scalar():
        return sa.false()
    return (
        sa.select(quarantine)
        .where(
            is_rival,
            quarantine.c.source_record_id == RECORD.c.record_id,
            versions.are_rivals(quarantine.c, RECORD.c),
        )
        .exists()
    )


def settle(loading: Loading, settings: Settings) -> None:
    """Withdraw the loaded versions that the batch's conflicts leave in doubt, and remember the conflicts."""
    is_conflict = (ENTRY.c.rule == CONFLICT_RULE) & (ENTRY.c.column_name == CONFLICT_COLUMN)
    is_discarded = sa.exists().where(
        quarantine.c.quarantine_id == ENTRY.c.quarantine_id, quarantine.c.status == "discarded"
    )
    rivals = sa.select(ENTRY).where(is_conflict, sa.not_(is_discarded)).subquery("rivals")
    if not loading.execute(sa.select(sa.select(rivals).exists())).scalar():
        return
    known = source_record
    is_known = loading.of_stream(known) & (known.c.source_record_id == rivals.c.record_id)
    in_doubt = sa.or_(
        known.c.source_record_id.is_(None),
        known.c.content_hash == IN_CONFLICT,
        versions.is_before(known.c, rivals.c),
        versions.are_rivals(known.c, rivals.c),
        sa.and_(
            versions.at_same_time(known.c, rivals.c),
            versions.is_earlier_reading(known.c, rivals.c),
            sa.not_(versions.is_same_raw(known.c, rivals.c)),
        ),
    )
    is_newer = sa.func.coalesce(versions.is_before(rivals.c, known.c), sa.false())
    settled = (
        sa.select(
            rivals.c.record_id,
            rivals.c.version_at,
            rivals.c.received_at,
            sa.case((sa.func.count(rivals.c.origin.distinct()) == 1, sa.func.min(rivals.c.origin))).label(
                "origin"
            ),
            sa.func.max(rivals.c.batch_id).label("batch_id"),
        )
        .select_from(rivals.outerjoin(known, is_known))
        .where(in_doubt, sa.not_(is_newer))
        .group_by(rivals.c.record_id, rivals.c.version_at, rivals.c.received_at)
    )
    loading.execute(settled.into(CONFLICT.name, temporary=True))
    _take_back(loading, settings)
    here = loading.of_stream(known) & known.c.source_record_id.in_(sa.select(CONFLICT.c.record_id))
    loading.execute(
        sa.insert(WITHDRAWN).from_select(
            ["record_id"],
            sa.select(known.c.source_record_id).where(here, known.c.content_hash != IN_CONFLICT),
        )
    )
    loading.execute(sa.delete(known).where(here))
    marks = sa.select(
        sa.literal(loading.batch.connection).label("source_system"),
        sa.literal(loading.batch.stream).label("source_object"),
        CONFLICT.c.record_id.label("source_record_id"),
        CONFLICT.c.version_at,
        CONFLICT.c.received_at,
        sa.literal(IN_CONFLICT).label("content_hash"),
        sa.false().label("is_deleted"),
        sa.literal(loading.batch.batch_id).label("run_id"),
        CONFLICT.c.origin,
        CONFLICT.c.batch_id,
    )
    loading.execute(sa.insert(known).from_select([column.name for column in marks.selected_columns], marks))


def _take_back(loading: Loading, settings: Settings) -> None:
    """Add the loaded rivals to the entries, with their raw text from the landing zone."""
    known = source_record
    is_refused_too = sa.exists().where(
        ENTRY.c.record_id == known.c.source_record_id,
        ENTRY.c.rule == CONFLICT_RULE,
        ENTRY.c.column_name == CONFLICT_COLUMN,
        versions.is_same_raw(ENTRY.c, known.c),
    )
    taken_back = (
        sa.select(
            *(
                known.c["source_record_id" if name == "record_id" else name].label(name)
                for name in names(_TAKEN_BACK)
            )
        )
        .join(CONFLICT, CONFLICT.c.record_id == known.c.source_record_id)
        .where(
            loading.of_stream(known),
            known.c.content_hash != IN_CONFLICT,
            versions.at_same_time(known.c, CONFLICT.c),
            sa.not_(is_refused_too),
            sa.not_(versions.is_earlier_reading(known.c, CONFLICT.c)),
        )
    )
    loading.execute(taken_back.into(_TAKEN_BACK.name, temporary=True))
    payload = raw_texts.of_places(loading, settings, _TAKEN_BACK, "stage_payload")
    values = {
        "_row": _TAKEN_BACK.c.row_number,
        "stage": sa.literal("load"),
        "rule": sa.literal(CONFLICT_RULE),
        "column_name": sa.literal(CONFLICT_COLUMN),
        "raw_value": sa.cast(sa.null(), sa.String),
        **{name: _TAKEN_BACK.c[name] for name in names(_TAKEN_BACK)},
        "payload": payload.c.payload,
    }
    values["quarantine_id"] = entries.id_of(loading, **values)
    raw = sa.and_(
        payload.c.batch_id == _TAKEN_BACK.c.batch_id, payload.c.row_number == _TAKEN_BACK.c.row_number
    )
    added = sa.select(*(values[name].label(name) for name in names(ENTRY))).join_from(
        _TAKEN_BACK, payload, raw, isouter=True
    )
    loading.execute(sa.insert(ENTRY).from_select(names(ENTRY), added))
