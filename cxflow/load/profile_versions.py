"""Keeps what profiles said before their present version, so that events are sliced by what customers were then.

`customer_profile` holds the present version of a profile, and `profile_version` the others that were delivered, in
whatever order and in however many batches. A version counts from the time that its stream declares for it; without
one, from its delivery. Deliveries that change nothing are then not kept: they may come every day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cxflow.landing.prepared import PROFILE
from cxflow.load import pending
from cxflow.load.staged import OLDER_PROFILE, OUTCOME, RECORD, ROWS, Loading
from cxflow.warehouse.customer_tables import DESCRIBED
from cxflow.warehouse.tables import customer_profile, profile_version, record_identity, source_record

_FORMER = sa.table(
    "stage_former", *map(sa.column, ("record_id", "profile_id", "valid_from", "received_at", *DESCRIBED))
)
"""The versions of the load that are not the present ones: one of each profile and time."""


def keep(loading: Loading, found: Mapping[str, int]) -> None:
    """Keep the former versions that the batch holds, and those that it replaces. Before its rows are written.

    `found` is what `merge.outcomes` returns.
    """
    if PROFILE not in loading.verdict.tables:
        return
    versions = [_older_in_batch()] if loading.verdict.deduplicated else []
    if set(found) - {"inserted"}:  # records that were loaded before
        versions += [_late_or_new(), _replaced(loading)]
    if not versions:
        return
    former = sa.union_all(*versions).subquery()
    # Of two versions of one time, the one delivered later; so the order of loads does not matter.
    place = sa.func.row_number().over(
        partition_by=(former.c.record_id, former.c.profile_id, former.c.valid_from),
        order_by=(former.c.received_at.desc(), _words(former.c).desc()),
    )
    ranked = sa.select(former, place.label("place")).subquery()
    kept = sa.select(*(ranked.c[column.name] for column in _FORMER.c)).where(ranked.c.place == 1)
    loading.execute(kept.into(_FORMER.name, temporary=True))
    if not loading.execute(sa.select(sa.select(_FORMER).exists())).scalar():
        return
    _write(loading)
    known = record_identity.c
    pending.pend_identity(
        loading,
        sa.select(known.namespace, known.identity_hash).where(
            loading.of_stream(record_identity), known.source_record_id.in_(sa.select(_FORMER.c.record_id))
        ),
    )


def _older_in_batch() -> sa.Select[Any]:
    """What the batch itself holds a newer version of."""
    return _version(OLDER_PROFILE.c, OLDER_PROFILE.c)


def _late_or_new() -> sa.Select[Any]:
    """Versions older than the loaded one; and new ones without a declared version, because later deliveries of the same
    would hide since when it holds."""
    staged, record, outcome = ROWS[PROFILE], RECORD.c, OUTCOME.c
    is_late = sa.or_(
        outcome.outcome == "deduplicated",
        sa.and_(outcome.outcome == "unchanged", sa.not_(outcome.is_newer)),
        sa.and_(outcome.outcome == "updated", record.version_at.is_(None)),
    )
    return (
        _version(staged.c, record)
        .select_from(
            staged.join(RECORD, record._row == staged.c._row).join(OUTCOME, outcome._row == staged.c._row)
        )
        .where(is_late, sa.not_(staged.c.is_deleted))
    )


def _replaced(loading: Loading) -> sa.Select[Any]:
    """Loaded versions that are replaced. A remap maps them anew instead: it holds all that was landed."""
    profile, known, outcome = customer_profile, source_record, OUTCOME.c
    is_other = _since(RECORD.c) != _since(known.c)
    is_replaced = sa.or_(
        outcome.outcome == "deleted",
        sa.and_(outcome.outcome == "updated", is_other),
        sa.and_(outcome.outcome == "unchanged", outcome.is_newer, is_other, known.c.version_at.is_not(None)),
    )
    if loading.is_remap:
        is_replaced &= sa.func.coalesce(known.c.batch_id.not_in(loading.manifest.sources), sa.true())
    return (
        _version(profile.c, known.c, profile.c.source_record_id)
        .select_from(
            profile.join(
                known,
                loading.of_stream(known) & (known.c.source_record_id == profile.c.source_record_id),
            )
            .join(OUTCOME, outcome.record_id == profile.c.source_record_id)
            .join(RECORD, RECORD.c._row == outcome._row)
        )
        .where(loading.of_stream(profile), sa.not_(profile.c.is_deleted), is_replaced)
    )


def _version(profile: Any, record: Any, record_id: sa.ColumnElement[str] | None = None) -> sa.Select[Any]:
    """A version of a profile, with the columns of _FORMER."""
    return sa.select(
        (profile.record_id if record_id is None else record_id).label("record_id"),
        profile.profile_id,
        _since(record).label("valid_from"),
        record.received_at,
        *(profile[name] for name in DESCRIBED),
    )


def _since(record: Any) -> sa.ColumnElement[datetime]:
    """Since when a version holds."""
    return sa.func.coalesce(record.version_at, record.received_at)


def _write(loading: Loading) -> None:
    kept, new = profile_version, _FORMER.c
    is_same = sa.and_(
        loading.of_stream(kept),
        kept.c.source_record_id == new.record_id,
        kept.c.profile_id == new.profile_id,
        kept.c.valid_from == new.valid_from,
    )
    is_later = sa.or_(
        new.received_at > kept.c.received_at,
        sa.and_(new.received_at == kept.c.received_at, _words(new) > _words(kept.c)),
    )
    if loading.is_remap:  # of the same raw record, only the new mapping counts
        is_later = sa.true()
    loading.execute(sa.delete(kept).where(sa.exists().where(is_same, is_later)))
    missing = sa.select(
        sa.literal(loading.batch.connection).label("source_system"),
        sa.literal(loading.batch.stream).label("source_object"),
        new.record_id.label("source_record_id"),
        *(new[name] for name in ("profile_id", "valid_from", "received_at", *DESCRIBED)),
    ).where(~sa.exists().where(is_same).correlate(_FORMER))
    loading.execute(
        sa.insert(kept).from_select([column.name for column in missing.selected_columns], missing)
    )


def _words(said: Any) -> sa.ColumnElement[str]:
    """What a version says, as one text."""
    each = (sa.func.coalesce(sa.cast(said[name], sa.String), "") for name in DESCRIBED)
    return sa.collate(sa.func.concat_ws("|", *each), "C")
