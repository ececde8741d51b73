"""Records that vanished: two snapshots of their stream were delivered after the last delivery that holds them.

A *snapshot* is a delivery that held everything its stream had. Whether a record has vanished depends only on what is
stored, not on the order of loads: on when it was last seen (`record_sighting`: loaded, or delivered and refused), and
on when the loaded snapshots were delivered (`stream_snapshot`). It has vanished if it was seen before the second newest
of these times. Its rows then count as deleted, and live again as soon as that is no longer so.

Snapshots with one time of delivery are one: a record in any of them was seen. A snapshot with the content of the one
before it from its origin is that one, read again. One without a record, and one with a record whose key could not be
read, shows who is there but not who is gone, so it is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cxflow.landing import files, prepared
from cxflow.load import pending
from cxflow.load.staged import OUTCOME, REFUSED, Loading
from cxflow.load.versions import IN_CONFLICT
from cxflow.model.reading import Snapshot
from cxflow.settings import Settings
from cxflow.warehouse import engines, key_claims
from cxflow.warehouse.tables import (
    CANONICAL,
    TIME,
    key_claim,
    record_identity,
    record_sighting,
    source_record,
    stream_snapshot,
)

_NAMED = 3
"""Origins that a message names at most."""

_SIGHTING = sa.table("stage_sighting", sa.column("record_id"), sa.column("seen_at"))
"""The records of the batch whose keys could be read, and when the last of their deliveries came."""
_DELIVERY = sa.table("stage_delivered", sa.column("origin"), sa.column("received_at"))
"""The deliveries that hold these."""
_SEEN = sa.table("stage_seen", *map(sa.column, ("record_id", "seen_at", "is_vanished")))
"""Those that were never seen before, or seen earlier."""
_RETURNED = sa.table("stage_returned", sa.column("record_id"))
"""Vanished records that were seen again."""
_VANISHED = sa.table("stage_vanished", *map(sa.column, ("record_id", "received_at", "is_known")))
"""Live records that have vanished, and whether they had before the load."""


def is_watched(loading: Loading) -> bool:
    """Whether the stream has snapshots, in the batch or loaded before."""
    stored = sa.select(stream_snapshot).where(loading.of_stream(stream_snapshot)).exists()
    return bool(loading.manifest.snapshots) or bool(loading.execute(sa.select(stored)).scalar())


def judge(loading: Loading, settings: Settings, landed: Path) -> prepared.Verdict:
    """The batch's verdict, closed if its snapshots lack too many of the live records.

    A record counts that is missing from the newest snapshot, for the first time or the second. If the batch's snapshots
    are older than that, those count that would vanish. Fewer live records than `quality.min_records` are judged as if
    they were that many; a batch that lacks all of them is stopped whatever their number, unless the share is 1.
    """
    stage(loading, landed)
    brought = [files.snapshot_from_json(each) for each in loading.manifest.snapshots]
    newest = max(each.received_at for each in brought)
    stored = _newest_times(loading)
    times = sorted({*stored, *(each.received_at for each in brought)}, reverse=True)
    # The second newest time is there: a stored one is newer.
    boundary = newest if newest == times[0] else times[1]
    seen = sa.func.greatest(_last_seen(), _SIGHTING.c.seen_at)
    is_missing = seen < sa.literal(boundary, TIME)
    query = sa.select(sa.func.count().label("live"), sa.func.count().filter(is_missing).label("missing"))
    staged = _SIGHTING.c.record_id == source_record.c.source_record_id
    found = loading.execute(
        query.select_from(_known(loading).outerjoin(_SIGHTING, staged)).where(_is_live(loading))
    ).one()
    live, missing = int(found.live), int(found.missing)
    verdict, share = loading.verdict, loading.verdict.max_vanished_share
    if missing <= share * max(live, settings.quality.min_records) and (
        missing < live or share == 1 or not live
    ):
        return verdict
    names = [each.origin for each in brought if each.received_at == newest]
    return replace(
        verdict,
        passed=False,
        why=f"{missing:,} of {live:,} live records are missing from {_named(names)}, more than the {share:.1%} allowed",
        fix="nothing was loaded; check whether that delivery is whole, and have it delivered again; or, if the records "
        "are gone from the source, raise max_vanished_share until two deliveries without them are loaded",
    )


def stage(loading: Loading, landed: Path) -> None:
    """Stage what the batch's records tell: when each was seen, and in which deliveries. `landed` is its folder."""
    source = landed / prepared.FOLDER / prepared.DATABASE
    for table in (_SIGHTING, _DELIVERY):
        name = table.name.removeprefix("stage_")
        engines.of(loading.warehouse).stage(
            loading.warehouse, table.name, source, f"{prepared.OUTPUT}.{name}", is_read_only=True
        )


def see(loading: Loading) -> list[str]:
    """Keep the sightings and the snapshots of the batch, and let records live again that were seen. Before its records
    are merged; after `stage`, and after its refused records were staged.

    Returns the origins of snapshots that cannot tell who is gone, because not all their keys could be read.
    """
    recorded = record_sighting
    here = loading.of_stream(recorded) & (recorded.c.source_record_id == _SIGHTING.c.record_id)
    later = sa.select(
        _SIGHTING.c.record_id,
        _SIGHTING.c.seen_at,
        sa.func.coalesce(recorded.c.is_vanished, sa.false()).label("is_vanished"),
    ).select_from(_SIGHTING.outerjoin(recorded, here))
    later = later.where(sa.or_(recorded.c.seen_at.is_(None), recorded.c.seen_at < _SIGHTING.c.seen_at))
    loading.execute(later.into(_SEEN.name, temporary=True))
    loading.execute(
        sa.delete(recorded).where(
            loading.of_stream(recorded), recorded.c.source_record_id.in_(sa.select(_SEEN.c.record_id))
        )
    )
    _insert_sightings(loading, sa.select(_SEEN.c.record_id, _SEEN.c.seen_at, _SEEN.c.is_vanished))
    unreadable = _keep_snapshots(loading)
    _let_return(loading)
    return unreadable


def mark(loading: Loading) -> int:
    """Mark what has vanished as deleted, after the batch's records were merged. Returns how many records had not
    vanished before."""
    recorded = record_sighting
    of_stream = loading.of_stream(recorded)
    # Deleted by its source, a record is not vanished any more.
    by_source = sa.select(OUTCOME.c.record_id).where(OUTCOME.c.outcome == "deleted")
    loading.execute(
        sa.update(recorded)
        .where(of_stream, recorded.c.is_vanished, recorded.c.source_record_id.in_(by_source))
        .values(is_vanished=False)
    )
    edge = _edge(loading)
    if edge is None:
        return 0
    gone = (
        sa.select(
            source_record.c.source_record_id.label("record_id"),
            source_record.c.received_at,
            sa.func.coalesce(recorded.c.is_vanished, sa.false()).label("is_known"),
        )
        .select_from(_known(loading))
        .where(_is_live(loading), _last_seen() < sa.literal(edge, TIME))
    )
    loading.execute(gone.into(_VANISHED.name, temporary=True))
    query = sa.select(
        sa.func.count().label("found"), sa.func.count().filter(sa.not_(_VANISHED.c.is_known)).label("new")
    )
    counts = loading.execute(query.select_from(_VANISHED)).one()
    if counts.found:
        _set_deleted(loading, _VANISHED, is_deleted=True)
        if key_claims.any_known(loading.warehouse):  # deleted, it leaves its keys to whoever else claims them
            claims = loading.of_stream(key_claim) & (key_claim.c.state == key_claims.REFUSED)
            gone_too = key_claim.c.source_record_id.in_(sa.select(_VANISHED.c.record_id))
            loading.execute(sa.update(key_claim).where(claims, gone_too).values(state=key_claims.LOST))
        vanished = recorded.c.source_record_id.in_(sa.select(_VANISHED.c.record_id))
        loading.execute(sa.update(recorded).where(of_stream, vanished).values(is_vanished=True))
        # Loaded before the stream had snapshots, and never seen since.
        known = sa.exists().where(of_stream, recorded.c.source_record_id == _VANISHED.c.record_id)
        unseen = sa.select(_VANISHED.c.record_id, _VANISHED.c.received_at, sa.true()).where(~known)
        _insert_sightings(loading, unseen)
    return int(counts.new)


def _known(loading: Loading) -> sa.Join:
    """The registry, with the sightings of its records."""
    here = loading.of_stream(record_sighting) & (
        record_sighting.c.source_record_id == source_record.c.source_record_id
    )
    return source_record.outerjoin(record_sighting, here)


def _is_live(loading: Loading) -> sa.ColumnElement[bool]:
    """The condition for records of the registry that have rows which do not count as deleted."""
    known = source_record.c
    return sa.and_(
        loading.of_stream(source_record), sa.not_(known.is_deleted), known.content_hash != IN_CONFLICT
    )


def _last_seen() -> sa.ColumnElement[datetime]:
    """When a record of `_known` was last seen. Sightings are only kept since the stream has snapshots."""
    return sa.func.greatest(source_record.c.received_at, record_sighting.c.seen_at)


def _insert_sightings(loading: Loading, sightings: sa.Select[Any]) -> None:
    some = sightings.subquery()
    record_id, seen_at, is_vanished = some.columns
    rows = sa.select(
        sa.literal(loading.batch.connection),
        sa.literal(loading.batch.stream),
        record_id,
        seen_at,
        is_vanished,
    )
    names = ["source_system", "source_object", "source_record_id", "seen_at", "is_vanished"]
    loading.execute(sa.insert(record_sighting).from_select(names, rows))


def _keep_snapshots(loading: Loading) -> list[str]:
    """Add the batch's snapshots, but for those that cannot tell who is gone. Returns the origins of those that hold a
    record without a readable key."""
    refused = sa.select(REFUSED.c.origin, REFUSED.c.received_at).where(REFUSED.c.record_id.is_(None))
    keyless = {(row.origin, row.received_at) for row in loading.execute(refused.distinct())}
    passed = sa.select(_DELIVERY.c.origin, _DELIVERY.c.received_at)
    filled = {(row.origin, row.received_at) for row in loading.execute(passed)}
    table = stream_snapshot
    stored = sa.select(table.c.origin, table.c.received_at, table.c.content).where(loading.of_stream(table))
    known: dict[tuple[str, datetime], str | None] = {
        (row.origin, row.received_at): row.content for row in loading.execute(stored)
    }
    unreadable = []
    for snapshot in (files.snapshot_from_json(each) for each in loading.manifest.snapshots):
        place = (snapshot.origin, snapshot.received_at)
        if place in keyless:
            unreadable.append(snapshot.origin)
        elif place in filled:
            _keep(loading, snapshot, known)
    return unreadable


def _keep(loading: Loading, snapshot: Snapshot, known: dict[tuple[str, datetime], str | None]) -> None:
    """Add a snapshot. Of two contents of one origin and time, the greater is kept, whatever came first."""
    table, place = stream_snapshot, (snapshot.origin, snapshot.received_at)
    if place in known and (known[place] or "") >= (snapshot.content or ""):
        return
    here = (table.c.origin == snapshot.origin) & (table.c.received_at == snapshot.received_at)
    loading.execute(sa.delete(table).where(loading.of_stream(table), here))
    loading.execute(
        sa.insert(table).values(
            source_system=loading.batch.connection,
            source_object=loading.batch.stream,
            origin=snapshot.origin,
            received_at=snapshot.received_at,
            content=snapshot.content,
            run_id=loading.batch.batch_id,
        )
    )
    known[place] = snapshot.content


def _let_return(loading: Loading) -> None:
    """Let the vanished records live again that were seen since."""
    recorded, edge = record_sighting, _edge(loading)
    of_stream = loading.of_stream(recorded)
    returned = sa.select(recorded.c.source_record_id.label("record_id")).where(
        of_stream, recorded.c.is_vanished
    )
    if edge is not None:
        returned = returned.where(recorded.c.seen_at >= sa.literal(edge, TIME))
    loading.execute(returned.into(_RETURNED.name, temporary=True))
    if loading.execute(sa.select(sa.select(_RETURNED).exists())).scalar():
        _set_deleted(loading, _RETURNED, is_deleted=False)
        if key_claims.any_known(loading.warehouse):
            _forget_lost(loading)
        again = recorded.c.source_record_id.in_(sa.select(_RETURNED.c.record_id))
        loading.execute(sa.update(recorded).where(of_stream, again).values(is_vanished=False))


def _forget_lost(loading: Loading) -> None:
    """Forget the returned records that lost a row while they had vanished: they are loaded, or refused, as new ones."""
    lost = sa.select(key_claim.c.source_record_id).where(
        loading.of_stream(key_claim),
        key_claim.c.state == key_claims.LOST,
        key_claim.c.source_record_id.in_(sa.select(_RETURNED.c.record_id)),
    )
    here = loading.of_stream(source_record) & source_record.c.source_record_id.in_(lost)
    loading.execute(sa.delete(source_record).where(here))
    claims = loading.of_stream(key_claim) & key_claim.c.source_record_id.in_(sa.select(_RETURNED.c.record_id))
    loading.execute(sa.delete(key_claim).where(claims, key_claim.c.state == key_claims.LOST))


def _set_deleted(loading: Loading, records: sa.TableClause, *, is_deleted: bool) -> None:
    """Let all rows of some records count as deleted, or no longer; notes what identity and KPIs must recompute."""
    some = sa.select(records.c.record_id)
    for table in CANONICAL.values():
        rows = loading.of_stream(table) & table.c.source_record_id.in_(some)
        pending.pend_rows(loading, table, sa.select(table).where(rows))
        written = {"is_deleted": is_deleted, "run_id": loading.batch.batch_id, "loaded_at": loading.now}
        loading.execute(sa.update(table).where(rows).values(**written))
    known = loading.of_stream(source_record) & source_record.c.source_record_id.in_(some)
    loading.execute(sa.update(source_record).where(known).values(is_deleted=is_deleted))
    edges = record_identity
    pending.pend_identity(
        loading,
        sa.select(edges.c.namespace, edges.c.identity_hash).where(
            loading.of_stream(edges), edges.c.source_record_id.in_(some)
        ),
    )


def _edge(loading: Loading) -> datetime | None:
    """The second newest time at which a snapshot was delivered: what was seen before it has vanished. None before."""
    times = _newest_times(loading)
    return times[1] if len(times) > 1 else None


def _newest_times(loading: Loading) -> Sequence[datetime]:
    """The two newest times at which a loaded snapshot was delivered, newest first."""
    table = stream_snapshot
    before = sa.func.lag(table.c.content).over(partition_by=table.c.origin, order_by=table.c.received_at)
    each = sa.select(table.c.received_at, table.c.content, before.label("before"))
    each_of_stream = each.where(loading.of_stream(table)).subquery()
    is_same = sa.func.coalesce(each_of_stream.c.content == each_of_stream.c.before, sa.false())
    times = sa.select(each_of_stream.c.received_at).where(sa.not_(is_same)).distinct()
    return loading.execute(times.order_by(each_of_stream.c.received_at.desc()).limit(2)).scalars().all()


def _named(origins: Sequence[str]) -> str:
    names = [origin.rsplit("/", 1)[-1] for origin in origins]
    return f"{', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
