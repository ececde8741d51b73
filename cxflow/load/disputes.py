"""Keeps the quarantine's entries of records that share canonical keys: one for each table in which another living
record claims a key of theirs, with the raw text of the current version.

A change of one record's keys may add or end entries of others, of any stream. Called after the load has decided
(`claims`), registered and kept its own entries.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow.load import raw_texts
from cxflow.load.claims import FREED, TAKEN
from cxflow.load.staged import CLAIMED, OUTCOME, RECORD, Loading, names
from cxflow.settings import Settings
from cxflow.warehouse import key_claims
from cxflow.warehouse.tables import TIME, quarantine

_VERSION = ("version_at", "received_at", "origin", "batch_id", "row_number")
"""What an entry says of the version that it is about."""
_COLUMNS = ("source_system", "source_object", "source_record_id", *_VERSION, "raw_hash", "payload")
_DISPUTED = sa.table("stage_disputed", *map(sa.column, _COLUMNS))
"""The records that this load has refused or taken back."""
_NEEDED = sa.table("stage_needed", *map(sa.column, ("quarantine_id", "column_name", *_COLUMNS)))
"""The entries that must be open."""


def stage(loading: Loading, settings: Settings, landed: Path) -> None:
    """Fetch the raw texts of the records that are refused or taken back now. `landed` is the local folder of the raw
    batch."""
    texts = raw_texts.of_places(loading, settings, TAKEN, "stage_taken_text")
    same_place = sa.and_(
        *(
            texts.c[name] == TAKEN.c[name]
            for name in ("source_system", "source_object", "batch_id", "row_number")
        )
    )
    taken = sa.select(*(TAKEN.c[name] for name in _COLUMNS[:-1]), texts.c.payload)
    taken = taken.join_from(TAKEN, texts, same_place, isouter=True)
    loading.execute(taken.into(_DISPUTED.name, temporary=True))
    claimed = sa.select(OUTCOME.c._row).where(OUTCOME.c.outcome == CLAIMED)
    if rows := list(loading.execute(claimed).scalars()):
        raw = raw_texts.of_batch(loading, landed, rows, "stage_claimed_text")
        values = {
            "source_system": sa.literal(loading.batch.connection),
            "source_object": sa.literal(loading.batch.stream),
            "source_record_id": RECORD.c.record_id,
            "payload": raw.c.payload,
        }
        new = sa.select(*(values[name] if name in values else RECORD.c[name] for name in _COLUMNS))
        new = new.join_from(RECORD, raw, raw.c._row == RECORD.c._row)
        loading.execute(sa.insert(_DISPUTED).from_select(names(_DISPUTED), new))


def keep(loading: Loading) -> None:
    """Close the entries that are settled, and write or reopen those that must be open."""
    is_open = (quarantine.c.status == "open") & key_claims.of_entry()
    freed = loading.of_stream(quarantine) & quarantine.c.source_record_id.in_(sa.select(FREED.c.record_id))
    _close(loading, is_open & freed)
    contested = key_claims.contested().subquery("contested")
    is_record = key_claims.is_same_record(contested.c, quarantine.c)
    in_table = contested.c.table_name == quarantine.c.column_name
    of_others = sa.exists().where(is_record), sa.not_(sa.exists().where(is_record, in_table))
    _find_needed(loading, contested)
    _close(loading, sa.and_(is_open, *of_others))
    _open(loading)


def _close(loading: Loading, condition: sa.ColumnElement[bool]) -> None:
    closed = {"status": "superseded", "closed_at": loading.now, "run_id": loading.batch.batch_id}
    loading.execute(sa.update(quarantine).where(condition).values(**closed))


def _find_needed(loading: Loading, contested: sa.Subquery) -> None:
    """Fill `stage_needed`: the entries of what this load refused or took back, and those that earlier claimants need
    for a further table. The latter have an open entry with all that is known of them."""
    now = sa.select(
        _id_of(_DISPUTED.c, contested.c.table_name),
        contested.c.table_name.label("column_name"),
        *(_DISPUTED.c[name] for name in _COLUMNS),
    ).join_from(_DISPUTED, contested, key_claims.is_same_record(_DISPUTED.c, contested.c))
    loading.execute(now.into(_NEEDED.name, temporary=True))
    entry = quarantine.alias("entry")
    is_open = (entry.c.status == "open") & key_claims.of_entry(entry.c)
    of_record = key_claims.is_same_record(entry.c, contested.c)
    rank = sa.func.row_number().over(
        partition_by=(
            contested.c.source_system,
            contested.c.source_object,
            contested.c.source_record_id,
            contested.c.table_name,
        ),
        order_by=entry.c.quarantine_id,
    )
    has_one = (
        sa.select(quarantine)
        .where(
            key_claims.of_entry(),
            quarantine.c.status == "open",
            key_claims.is_same_record(quarantine.c, contested.c),
            quarantine.c.column_name == contested.c.table_name,
        )
        .exists()
    )
    is_new = sa.exists().where(key_claims.is_same_record(_DISPUTED.c, contested.c))
    known = (
        sa.select(contested.c.table_name, *(entry.c[name] for name in _COLUMNS), rank.label("rank"))
        .join_from(contested, entry, of_record & is_open)
        .where(sa.not_(has_one), sa.not_(is_new))
        .subquery("known")
    )
    further = sa.select(
        _id_of(known.c, known.c.table_name), known.c.table_name, *(known.c[name] for name in _COLUMNS)
    ).where(known.c.rank == 1)
    loading.execute(sa.insert(_NEEDED).from_select(names(_NEEDED), further))


def _open(loading: Loading) -> None:
    """Reopen the entries of `stage_needed` that exist, and write the others."""
    run_id, needed = loading.batch.batch_id, _NEEDED.c
    is_needed = needed.quarantine_id == quarantine.c.quarantine_id
    loading.execute(
        sa.update(quarantine)
        .where(is_needed, quarantine.c.status != "discarded")
        .values(**{name: needed[name] for name in _VERSION})
    )
    loading.execute(
        sa.update(quarantine)
        .where(is_needed, quarantine.c.status.not_in(("open", "discarded")))
        .values(status="open", closed_at=None, run_id=run_id)
    )
    own = {
        "stage": sa.literal("load"),
        "rule": sa.literal(key_claims.RULE),
        "raw_value": sa.cast(sa.null(), sa.String),
        "status": sa.literal("open"),
        "first_seen_at": sa.literal(loading.now, TIME),
        "run_id": sa.literal(run_id),
    }
    columns = [*names(_NEEDED), *own]
    added = sa.select(*_NEEDED.c, *own.values()).where(
        sa.not_(sa.exists().where(quarantine.c.quarantine_id == needed.quarantine_id))
    )
    loading.execute(sa.insert(quarantine).from_select(columns, added))


def _id_of(
    record: sa.ColumnCollection[str, sa.ColumnElement[object]], table: sa.ColumnElement[str]
) -> sa.Label[str]:
    """SQL: the id of a record's entry for a table, as `entries` makes it."""
    payload = sa.func.md5(sa.func.coalesce(record["payload"], ""))
    place = (record["source_system"], record["source_object"], record["source_record_id"])
    return sa.func.md5(sa.func.concat_ws("|", *place, key_claims.RULE, table, payload)).label("quarantine_id")
