"""Canonical keys that several records claim: nothing tells whose they are, so all of these records are refused.

What counts is the current version of each record, by the order of versions alone, of whatever stream and batch. A
record that is loaded already is taken back: its rows are removed. The registry keeps the versions, and `key_claim`
every key that they claim, so that a third claimant finds them. A deleted record claims its keys against other deleted
ones only, and loses no more than the row.

A load that finds no such key looks once at each table. One that does, or in which a record gives up remembered claims,
begins anew while no other stream loads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cxflow.load import merge, pending, versions
from cxflow.load.staged import CHANGED, CLAIMED, DISCARDED, OUTCOME, RECORD, ROWS, WITHDRAWN, Loading, names
from cxflow.load.versions import IN_CONFLICT
from cxflow.warehouse import key_claims
from cxflow.warehouse.tables import CANONICAL, KEYS, key_claim, source_record, touchpoint

_RECORD = ("source_system", "source_object", "source_record_id")

_HIDDEN = (key_claims.REFUSED, key_claims.LOST)
"""The states of claims that no canonical row shows."""

_SHARED = sa.table("stage_shared_key", sa.column("table_name"), sa.column("key_hash"))
"""The keys of changed records that others claim, too."""
_CLAIMANT = sa.table(
    "stage_claimant", *map(sa.column, ("table_name", "key_hash", *_RECORD, "is_deleted", "place"))
)
"""Who claims them, and where that is seen: in the batch (`new`), in a canonical table (`loaded`), or in `key_claim`
(`known`)."""
_GIVEN_UP = sa.table("stage_given_up", sa.column("record_id"))
"""The stream's records whose earlier claims end with this load."""
FREED = sa.table("stage_freed", sa.column("record_id"))
"""Those of them that had no rows because of their claims."""
TAKEN = sa.table(
    "stage_taken",
    *map(
        sa.column,
        (*_RECORD, "version_at", "received_at", "origin", "batch_id", "row_number", "raw_hash"),
    ),
)
"""Loaded records, of any stream, that are taken back."""


class NeedsEveryLock(Exception):  # noqa: N818 - no error: the load begins anew
    """The load must begin anew while no other stream loads."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of shared keys."""

    found_any: bool = False
    """Whether there were any, or claims ended."""
    lost: dict[str, list[int]] = field(default_factory=dict)
    """Canonical table to the deleted records (their `_row`) that lose their row in it."""
    taken_elsewhere: int = 0
    """Records of other streams that were taken back."""


def settle(loading: Loading) -> Settled:
    """Decide about the records whose keys others claim, and update `key_claim`; take back those that are loaded.

    Raises NeedsEveryLock if there are any while other streams may load.
    """
    are_known = key_claims.any_known(loading.warehouse)
    if are_known:
        _leave_discarded(loading)
    _find_shared(loading, are_known)
    ended = loading.of_stream(key_claim) & key_claim.c.source_record_id.in_(_given_up())
    if not _any(loading, sa.select(_SHARED)) and not (
        are_known and _any(loading, sa.select(key_claim).where(ended))
    ):
        return Settled()
    if not loading.has_every_lock:
        raise NeedsEveryLock
    loading.execute(
        sa.select(_given_up().subquery().c.record_id).distinct().into(_GIVEN_UP.name, temporary=True)
    )
    _find_claimants(loading)
    _find_taken(loading)
    _mark(loading)
    _end_claims(loading)
    _remember(loading)
    lost = _lose(loading)
    merge.remove_rows(loading, lambda table: sa.exists().where(key_claims.is_same_record(TAKEN.c, table.c)))
    elsewhere = sa.select(sa.func.count()).select_from(TAKEN).where(sa.not_(_is_here(loading, TAKEN.c)))
    return Settled(True, lost, int(loading.execute(elsewhere).scalar() or 0))


def _any(loading: Loading, query: sa.Select[Any]) -> bool:
    return bool(loading.execute(sa.select(query.exists())).scalar())


def _is_here(loading: Loading, record: Any) -> sa.ColumnElement[bool]:
    """Whether a record is of the batch's stream."""
    batch = loading.batch
    return sa.and_(record.source_system == batch.connection, record.source_object == batch.stream)


def _given_up() -> sa.CompoundSelect[Any]:
    changed = sa.select(OUTCOME.c.record_id).where(CHANGED)
    return changed.union_all(sa.select(WITHDRAWN.c.record_id))


def _leave_discarded(loading: Loading) -> None:
    """Mark the records whose entry in quarantine was discarded: they stay out, and claim nothing."""
    known = source_record
    same = (
        sa.select(RECORD.c._row)
        .join_from(RECORD, known, loading.of_stream(known) & (known.c.source_record_id == RECORD.c.record_id))
        .where(key_claims.has_claim(known.c, key_claims.DISCARDED), versions.is_same_raw(RECORD.c, known.c))
    )
    loading.execute(sa.update(OUTCOME).where(CHANGED, OUTCOME.c._row.in_(same)).values(outcome=DISCARDED))


def _tables(loading: Loading) -> list[str]:
    # A touchpoint's key is a hash of the record's key.
    return [name for name in loading.verdict.tables if name != touchpoint.name]


def _is_changed(staged: sa.TableClause) -> sa.ColumnElement[bool]:
    return staged.c._row.in_(sa.select(OUTCOME.c._row).where(CHANGED))


def _is_given_up(loading: Loading, table: sa.Table) -> sa.ColumnElement[bool]:
    return loading.of_stream(table) & table.c.source_record_id.in_(_given_up())


def _find_shared(loading: Loading, are_known: bool) -> None:
    """Fill `stage_shared_key`."""
    nothing = sa.select(key_claim.c.table_name, key_claim.c.key_hash).where(sa.false())
    loading.execute(nothing.into(_SHARED.name, temporary=True))
    for name in _tables(loading):
        table, staged = CANONICAL[name], ROWS[name]
        key = key_claims.hash_of(name, staged.c)
        same_key = sa.and_(*(table.c[column] == staged.c[column] for column in KEYS[name]))
        by_loaded = (
            sa.select(sa.literal(name), key)
            .join_from(staged, table, same_key)
            .where(_is_changed(staged), sa.not_(_is_given_up(loading, table)))
        )
        found: list[Any] = [by_loaded]
        if are_known:
            is_other = sa.not_(_is_given_up(loading, key_claim))
            claims_it = (key_claim.c.table_name == name) & (key_claim.c.key_hash == key)
            found.append(
                sa.select(sa.literal(name), key)
                .join_from(staged, key_claim, claims_it)
                .where(_is_changed(staged), is_other, key_claim.c.state.in_(_HIDDEN))
            )
        if loading.verdict.shares_keys:
            columns = [staged.c[column] for column in KEYS[name]]
            found.append(
                sa.select(sa.literal(name), key)
                .where(_is_changed(staged))
                .group_by(*columns)
                .having(sa.func.count(staged.c.record_id.distinct()) > 1)
            )
        loading.execute(sa.insert(_SHARED).from_select(names(_SHARED), sa.union(*found)))


def _find_claimants(loading: Loading) -> None:
    """Fill `stage_claimant`."""
    here = (sa.literal(loading.batch.connection), sa.literal(loading.batch.stream))
    remembered = (
        sa.select(
            key_claim.c.table_name,
            key_claim.c.key_hash,
            *(key_claim.c[name] for name in _RECORD),
            (key_claim.c.state == key_claims.LOST).label("is_deleted"),
            sa.literal("known").label("place"),
        )
        .join(
            _SHARED,
            (_SHARED.c.table_name == key_claim.c.table_name) & (_SHARED.c.key_hash == key_claim.c.key_hash),
        )
        .where(key_claim.c.state.in_(_HIDDEN), sa.not_(_is_given_up(loading, key_claim)))
    )
    loading.execute(remembered.into(_CLAIMANT.name, temporary=True))
    for name in _tables(loading):
        table, staged = CANONICAL[name], ROWS[name]
        key = key_claims.hash_of(name, staged.c)
        is_shared = (_SHARED.c.table_name == name) & (_SHARED.c.key_hash == key)
        new = (
            sa.select(
                sa.literal(name), key, *here, staged.c.record_id, staged.c.is_deleted, sa.literal("new")
            )
            .join_from(staged, _SHARED, is_shared)
            .where(_is_changed(staged))
        )
        shared = (
            sa.select(*(staged.c[column] for column in KEYS[name]), key.label("key_hash"))
            .join_from(staged, _SHARED, is_shared)
            .where(_is_changed(staged))
            .distinct()
            .subquery()
        )
        same_key = sa.and_(*(table.c[column] == shared.c[column] for column in KEYS[name]))
        loaded = (
            sa.select(
                sa.literal(name),
                shared.c.key_hash,
                *(table.c[column] for column in _RECORD),
                table.c.is_deleted,
                sa.literal("loaded"),
            )
            .join_from(table, shared, same_key)
            .where(sa.not_(_is_given_up(loading, table)))
        )
        loading.execute(sa.insert(_CLAIMANT).from_select(names(_CLAIMANT), sa.union_all(new, loaded)))


def _of_keys(living: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The claimants of keys with so many living ones. `living` compares `_LIVING`."""
    per_key = (
        sa.select(_CLAIMANT.c.table_name, _CLAIMANT.c.key_hash)
        .group_by(_CLAIMANT.c.table_name, _CLAIMANT.c.key_hash)
        .having(living)
        .subquery()
    )
    same_key = (per_key.c.table_name == _CLAIMANT.c.table_name) & (per_key.c.key_hash == _CLAIMANT.c.key_hash)
    return sa.select(_CLAIMANT).join(per_key, same_key)


_LIVING = sa.func.sum(sa.case((_CLAIMANT.c.is_deleted, 0), else_=1))
"""The number of living claimants of a key."""


def _contested(place: str) -> sa.Subquery:
    """The living claimants in one place of keys that several living ones claim."""
    return _of_keys(_LIVING > 1).where(sa.not_(_CLAIMANT.c.is_deleted), _CLAIMANT.c.place == place).subquery()


def _find_taken(loading: Loading) -> None:
    """Fill `stage_taken`."""
    contested, known = _contested("loaded"), source_record.c
    is_contested = sa.exists().where(key_claims.is_same_record(contested.c, known))
    loading.execute(
        sa.select(*(known[name] for name in names(TAKEN)))
        .where(is_contested)
        .into(TAKEN.name, temporary=True)
    )


def _mark(loading: Loading) -> None:
    """Give the batch's records with contested keys their outcome. Of those that were loaded before, note that they are
    withdrawn."""
    contested = _contested("new")
    is_taken = OUTCOME.c.record_id.in_(sa.select(TAKEN.c.source_record_id).where(_is_here(loading, TAKEN.c)))
    is_unchanged = OUTCOME.c.outcome == "unchanged"
    is_claimed = sa.or_(
        CHANGED & OUTCOME.c.record_id.in_(sa.select(contested.c.source_record_id)),
        is_unchanged & OUTCOME.c.is_newer & is_taken,
    )
    loading.execute(sa.update(OUTCOME).where(is_claimed).values(outcome=CLAIMED))
    loading.execute(sa.update(OUTCOME).where(is_unchanged, is_taken).values(outcome="deduplicated"))
    claimed = sa.select(OUTCOME.c.record_id).where(OUTCOME.c.outcome == CLAIMED)
    had_no_rows = (
        sa.select(key_claim.c.source_record_id)
        .where(
            loading.of_stream(key_claim),
            key_claim.c.source_record_id.in_(sa.select(_GIVEN_UP.c.record_id)),
            key_claim.c.state.in_((key_claims.REFUSED, key_claims.DISCARDED)),
        )
        .distinct()
    )
    loading.execute(
        sa.select(had_no_rows.subquery().c.source_record_id.label("record_id")).into(
            FREED.name, temporary=True
        )
    )
    freed = sa.select(FREED.c.record_id)
    loading.execute(sa.delete(WITHDRAWN).where(WITHDRAWN.c.record_id.in_(freed)))
    known = source_record.c
    withdrawn = sa.select(known.source_record_id).where(
        loading.of_stream(source_record),
        known.content_hash != IN_CONFLICT,
        known.source_record_id.not_in(freed),
        sa.or_(
            known.source_record_id.in_(claimed),
            known.source_record_id.in_(sa.select(TAKEN.c.source_record_id).where(_is_here(loading, TAKEN.c))),
        ),
    )
    loading.execute(sa.insert(WITHDRAWN).from_select(["record_id"], withdrawn))


def _end_claims(loading: Loading) -> None:
    """Forget the claims of records that have new ones, or none."""
    claim = key_claim.c
    given_up = claim.source_record_id.in_(sa.select(_GIVEN_UP.c.record_id))
    is_taken = sa.exists().where(key_claims.is_same_record(TAKEN.c, claim))
    loading.execute(sa.delete(key_claim).where(sa.or_(loading.of_stream(key_claim) & given_up, is_taken)))
    # What the batch holds of a record stands for what is loaded of it.
    in_batch = TAKEN.c.source_record_id.in_(_claimed("record_id"))
    loading.execute(sa.delete(TAKEN).where(_is_here(loading, TAKEN.c), in_batch))


def _remember(loading: Loading) -> None:
    """Remember every claim of the records that are refused, and those of keys that only deleted records share with
    another."""
    here = (sa.literal(loading.batch.connection), sa.literal(loading.batch.stream))
    refused = sa.literal(key_claims.REFUSED)
    for name in _tables(loading):
        staged = ROWS[name]
        key = key_claims.hash_of(name, staged.c)
        new = sa.select(*here, staged.c.record_id, sa.literal(name), key, refused)
        _insert(loading, new.where(staged.c._row.in_(_claimed("_row"))))
    for name, table in CANONICAL.items():
        if name != touchpoint.name:
            record = (table.c[each] for each in _RECORD)
            taken = sa.select(*record, sa.literal(name), key_claims.hash_of(name, table.c), refused)
            is_taken = key_claims.is_same_record(TAKEN.c, table.c)
            _insert(loading, taken.join_from(table, TAKEN, is_taken))
    claimant = _of_keys(_LIVING < 2).subquery()
    state = sa.case((claimant.c.is_deleted, key_claims.LOST), else_=key_claims.HELD)
    shared = sa.select(
        *(claimant.c[each] for each in _RECORD), claimant.c.table_name, claimant.c.key_hash, state
    )
    is_known = sa.exists().where(
        key_claims.is_same_record(key_claim.c, claimant.c),
        key_claim.c.table_name == claimant.c.table_name,
        key_claim.c.key_hash == claimant.c.key_hash,
    )
    _insert(loading, shared.where(sa.not_(is_known)))
    deleted = _of_keys(_LIVING > 1).where(_CLAIMANT.c.is_deleted, _CLAIMANT.c.place != "known").subquery()
    lost = sa.select(
        *(deleted.c[each] for each in _RECORD),
        deleted.c.table_name,
        deleted.c.key_hash,
        sa.literal(key_claims.LOST),
    )
    _insert(loading, lost)
    key_claims.forget_alone(loading.warehouse)


def _insert(loading: Loading, claims: sa.Select[Any]) -> None:
    loading.execute(sa.insert(key_claim).from_select(names(key_claim), claims))


def _lose(loading: Loading) -> dict[str, list[int]]:
    """Remove the rows that deleted records lose. Returns the batch's records that get none, by table."""
    lost: dict[str, list[int]] = {}
    claimant = _CLAIMANT.c
    for name in _tables(loading):
        table, staged = CANONICAL[name], ROWS[name]
        of_table = (claimant.table_name == name) & claimant.is_deleted
        here = of_table & (claimant.place == "loaded")
        is_lost = sa.exists().where(
            here,
            key_claims.is_same_record(claimant, table.c),
            claimant.key_hash == key_claims.hash_of(name, table.c),
        )
        if _any(loading, sa.select(_CLAIMANT).where(here)):
            pending.pend_rows(loading, table, sa.select(table).where(is_lost))
            loading.execute(sa.delete(table).where(is_lost))
        new = (
            sa.select(staged.c._row)
            .join_from(staged, _CLAIMANT, claimant.key_hash == key_claims.hash_of(name, staged.c))
            .where(of_table, claimant.place == "new", claimant.source_record_id == staged.c.record_id)
            .distinct()
        )
        lost[name] = list(loading.execute(new).scalars())
    return {name: rows for name, rows in lost.items() if rows}


def _claimed(column: str) -> sa.Select[Any]:
    return sa.select(OUTCOME.c[column]).where(OUTCOME.c.outcome == CLAIMED)
