"""Reads the quarantine, discards entries with a reason, and finds the records to replay.

Called by `flow` and the command line. Records hold personal data: only `entries` returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings
from cxflow.warehouse import engines, key_claims, revisions, transactions
from cxflow.warehouse.tables import quarantine


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to select; an empty filter selects all open ones."""

    connection: str | None = None
    stream: str | None = None
    rule: str | None = None
    status: str | None = "open"
    ids: tuple[str, ...] = ()
    """Ids, or prefixes of ids."""

    def condition(self) -> sa.ColumnElement[bool]:
        """The filter as a SQL condition."""
        parts: list[sa.ColumnElement[bool]] = []
        for column, value in (
            (quarantine.c.source_system, self.connection),
            (quarantine.c.source_object, self.stream),
            (quarantine.c.rule, self.rule),
            (quarantine.c.status, self.status),
        ):
            if value is not None:
                parts.append(column == value)
        if self.ids:
            parts.append(sa.or_(*(quarantine.c.quarantine_id.startswith(item) for item in self.ids)))
        return sa.and_(sa.true(), *parts)


def reasons(settings: Settings, chosen: Filter) -> Sequence[sa.RowMapping]:
    """The number of entries per reason: connection, stream, rule, column, status, entries, first and last seen."""
    c = quarantine.c
    query = (
        sa.select(
            c.source_system,
            c.source_object,
            c.rule,
            c.column_name,
            c.status,
            sa.func.count().label("entries"),
            sa.func.min(c.first_seen_at).label("first_seen_at"),
            sa.func.max(c.first_seen_at).label("last_seen_at"),
        )
        .where(chosen.condition())
        .group_by(c.source_system, c.source_object, c.rule, c.column_name, c.status)
        .order_by(c.source_system, c.source_object, c.rule, c.column_name, c.status)
    )
    return _rows(settings, query)


def open_records(warehouse: sa.Connection) -> dict[tuple[str, str], int]:
    """The number of records with open entries, by connection and stream. One that broke several rules counts once."""
    c = quarantine.c
    records = (
        sa.select(c.source_system, c.source_object, c.batch_id, c.row_number)
        .where(c.status == "open")
        .distinct()
        .subquery()
    )
    query = sa.select(
        records.c.source_system, records.c.source_object, sa.func.count().label("records")
    ).group_by(records.c.source_system, records.c.source_object)
    found = warehouse.execute(query)
    return {(row.source_system, row.source_object): int(row.records) for row in found}


def entries(settings: Settings, chosen: Filter, limit: int = 50) -> Sequence[sa.RowMapping]:
    """Single entries, newest first. `raw_value` and `payload` hold personal data."""
    query = (
        sa.select(quarantine)
        .where(chosen.condition())
        .order_by(quarantine.c.first_seen_at.desc(), quarantine.c.quarantine_id)
        .limit(limit)
    )
    return _rows(settings, query)


def discard(settings: Settings, chosen: Filter, reason: str) -> int:
    """Close open entries for good, and store the reason with each. Returns how many. Raises ConfigError without one.

    A record that shares canonical keys is refused whole: with one entry of it for that, the others are discarded, too,
    and it claims its keys no more.
    """
    if not reason.strip():
        raise ConfigError("discarding a record needs a reason", fix='give one with --reason "…"')

    def work(warehouse: sa.Connection) -> int:
        revisions.require(warehouse)
        condition: sa.ColumnElement[bool] = chosen.condition() & (quarantine.c.status == "open")
        of_keys = sa.select(quarantine.c.quarantine_id).where(condition, key_claims.of_entry())
        if warehouse.execute(of_keys.limit(1)).first():
            engines.of(warehouse).lock_streams(warehouse)
            condition = quarantine.c.quarantine_id.in_(_with_others(warehouse, condition))
            key_claims.discard(warehouse, condition)
        closed = (
            sa.update(quarantine)
            .where(condition)
            .values(status="discarded", reason=reason.strip(), closed_at=datetime.now(UTC))
            .returning(quarantine.c.quarantine_id)
        )
        return len(warehouse.execute(closed).all())

    return transactions.committed(settings, work)


def _with_others(warehouse: sa.Connection, condition: sa.ColumnElement[bool]) -> list[str]:
    """The ids of the entries that meet a condition, and of the open ones of the same records about shared keys."""
    other = quarantine.alias("other")
    record = key_claims.is_same_record(other.c, quarantine.c)
    others = (
        sa.select(other.c.quarantine_id)
        .join_from(quarantine, other, record)
        .where(condition, key_claims.of_entry(), key_claims.of_entry(other.c), other.c.status == "open")
    )
    return list(warehouse.scalars(sa.select(quarantine.c.quarantine_id).where(condition).union(others)))


def raw_hashes(settings: Settings, connection: str, stream: str) -> set[int]:
    """The hashes of a stream's raw records with open or discarded entries. Malformed records have none."""
    query = (
        sa.select(quarantine.c.raw_hash)
        .where(
            Filter(connection, stream, status=None).condition(),
            quarantine.c.status.in_(("open", "discarded")),
            quarantine.c.raw_hash.is_not(None),
        )
        .distinct()
    )
    return {int(row["raw_hash"]) for row in _rows(settings, query)}


def replayable(settings: Settings, chosen: Filter) -> dict[BatchRef, list[int]]:
    """The landed rows of open entries, by batch. Malformed records are left out: they need a new delivery."""
    query = (
        sa.select(
            quarantine.c.source_system,
            quarantine.c.source_object,
            quarantine.c.batch_id,
            quarantine.c.row_number,
        )
        .where(chosen.condition(), quarantine.c.status == "open", quarantine.c.rule != "malformed")
        .distinct()
        .order_by(quarantine.c.batch_id, quarantine.c.row_number)
    )
    found: dict[BatchRef, list[int]] = {}
    for row in _rows(settings, query):
        batch = BatchRef(row["source_system"], row["source_object"], row["batch_id"], "replay")
        found.setdefault(batch, []).append(int(row["row_number"]))
    return found


def _rows(settings: Settings, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
    with transactions.reading(settings) as warehouse:
        revisions.require(warehouse)
        return warehouse.execute(query).mappings().all()
