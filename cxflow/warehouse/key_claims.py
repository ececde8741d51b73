"""The table `key_claim`: which records claim a canonical key that is not theirs alone.

A key belongs to one record. If the current versions of several records claim one, none of them is loaded, and the table
remembers every key that they claim. A deleted record claims a key against no living one: it only loses the row. Called
by `load`, and by `validate.quarantine` when entries are discarded.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.model.batch import BatchRef
from cxflow.warehouse.tables import CANONICAL, KEYS, TIME, key_claim, quarantine, source_record

REFUSED, HELD, LOST, DISCARDED = "refused", "held", "lost", "discarded"
"""The states of a claim. The table's column says what they mean."""

RULE, OF_RECORD = "duplicate_key", "primary_key"
"""The rule in the quarantine entry of a record that shares a key. Its column is the canonical table, unless it is the
record's own key of which there are conflicting versions."""


def hash_of(table: str, row: Any) -> sa.ColumnElement[str]:
    """SQL: the hash of a canonical row's key. `row` has the table's columns."""
    values = []
    for name in KEYS[table]:
        of_time = CANONICAL[table].c[name].type is TIME
        # The text of a time depends on the session.
        values.append(sa.cast(sa.extract("epoch", row[name]) if of_time else row[name], sa.String))
    return sa.func.md5(sa.func.concat_ws(sa.literal("\x1f"), *values))


def any_known(warehouse: sa.Connection) -> bool:
    """Whether any claim is remembered: most warehouses have none."""
    return bool(warehouse.scalar(sa.select(sa.select(key_claim).exists())))


def is_same_record(one: Any, other: Any) -> sa.ColumnElement[bool]:
    """SQL: whether two rows with the columns of a record's key name the same record."""
    return sa.and_(
        one.source_record_id == other.source_record_id,
        one.source_object == other.source_object,
        one.source_system == other.source_system,
    )


def of_entry(entry: Any = quarantine.c) -> sa.ColumnElement[bool]:
    """SQL: whether a quarantine entry is that of a record which shares a canonical key."""
    return sa.and_(entry.rule == RULE, entry.column_name != OF_RECORD)


def has_claim(record: Any, *states: str) -> sa.ColumnElement[bool]:
    """SQL: whether a record has a claim in one of the states."""
    return sa.exists().where(is_same_record(key_claim.c, record), key_claim.c.state.in_(states))


def _claimants() -> sa.Subquery:
    """How many records claim each remembered key: `living` ones, and `every` one."""
    state = key_claim.c.state
    return (
        sa.select(
            key_claim.c.table_name,
            key_claim.c.key_hash,
            sa.func.sum(sa.case((state.in_((REFUSED, HELD)), 1), else_=0)).label("living"),
            sa.func.sum(sa.case((state != DISCARDED, 1), else_=0)).label("every"),
        )
        .group_by(key_claim.c.table_name, key_claim.c.key_hash)
        .subquery("claimants")
    )


def contested() -> sa.Select[Any]:
    """The refused records, and the tables in which another living record claims a key of theirs."""
    claim, claimants = key_claim.c, _claimants()
    same_key = (claimants.c.table_name == claim.table_name) & (claimants.c.key_hash == claim.key_hash)
    return (
        sa.select(claim.source_system, claim.source_object, claim.source_record_id, claim.table_name)
        .join_from(key_claim, claimants, same_key)
        .where(claim.state == REFUSED, claimants.c.living > 1)
        .distinct()
    )


def releasable(warehouse: sa.Connection) -> dict[BatchRef, list[int]]:
    """The landed rows, by batch, of the records that lack rows although nobody else claims their keys any more."""
    claim, claimants = key_claim.c, _claimants()
    record = (claim.source_system, claim.source_object, claim.source_record_id)
    same_key = (claimants.c.table_name == claim.table_name) & (claimants.c.key_hash == claim.key_hash)
    alone = (
        sa.select(*record)
        .join_from(key_claim, claimants, same_key)
        .where(claim.state.in_((REFUSED, LOST)))
        .group_by(*record)
        .having(
            sa.or_(
                sa.func.max(sa.case((claim.state == REFUSED, claimants.c.living))) == 1,
                sa.func.min(sa.case((claim.state == LOST, claimants.c.every))) == 1,
            )
        )
        .subquery("alone")
    )
    known = source_record.c
    places = (
        sa.select(known.source_system, known.source_object, known.batch_id, known.row_number)
        .join_from(source_record, alone, is_same_record(known, alone.c))
        .where(known.batch_id.is_not(None), known.row_number.is_not(None))
        .order_by(known.source_system, known.source_object, known.batch_id, known.row_number)
    )
    found: dict[BatchRef, list[int]] = {}
    for row in warehouse.execute(places):
        batch = BatchRef(row.source_system, row.source_object, row.batch_id, "replay")
        found.setdefault(batch, []).append(int(row.row_number))
    return found


def forget_alone(warehouse: sa.Connection) -> None:
    """Remove the claims of loaded records whose keys no deleted record claims any more."""
    other = key_claim.alias("other")
    shared = sa.exists().where(
        other.c.table_name == key_claim.c.table_name,
        other.c.key_hash == key_claim.c.key_hash,
        other.c.state == LOST,
    )
    warehouse.execute(sa.delete(key_claim).where(key_claim.c.state == HELD, sa.not_(shared)))


def discard(warehouse: sa.Connection, entries: sa.ColumnElement[bool]) -> None:
    """End the claims of the refused records with an entry in quarantine that meets the condition."""
    meant = sa.exists().where(of_entry(), entries, is_same_record(quarantine.c, key_claim.c))
    warehouse.execute(sa.update(key_claim).where(key_claim.c.state == REFUSED, meant).values(state=DISCARDED))
