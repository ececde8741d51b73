"""The order of versions, as SQL conditions.

It is total and does not depend on what was loaded when: the version, then the time of delivery. Of equal ones, the
origin decides, its later reading, and the place in that. So a batch loaded whole, in pieces or in another order ends in
the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cxflow.warehouse.tables import TIME

Columns = Any
"""Columns of a table with records: `version_at`, `received_at`, `origin`, `batch_id`, `row_number`, `raw_hash`."""

IN_CONFLICT = ""
"""The content hash in the registry of a record in conflict (`conflicts`)."""
LONG_AGO = sa.literal(datetime(1, 1, 1, tzinfo=UTC), TIME)
"""The version of a record without a declared one."""


def version(record: Columns) -> sa.ColumnElement[datetime]:
    """The version of a record, never null."""
    return sa.func.coalesce(record.version_at, LONG_AGO)


def is_before(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether one version is older than another, or equal and delivered before it."""
    return sa.or_(
        version(one) < version(other),
        sa.and_(version(one) == version(other), one.received_at < other.received_at),
    )


def at_same_time(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether neither is before the other."""
    return sa.and_(version(one) == version(other), one.received_at == other.received_at)


def precedes(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether one comes before the other in the total order."""
    keys: list[Callable[[Columns], sa.ColumnElement[Any]]] = [_origin, _batch, _row]
    before: sa.ColumnElement[bool] = sa.false()
    for key in reversed(keys):
        before = sa.or_(key(one) < key(other), sa.and_(key(one) == key(other), before))
    return sa.or_(is_before(one, other), sa.and_(at_same_time(one, other), before))


def newest_first(record: Columns) -> tuple[sa.ColumnElement[Any], ...]:
    """The total order as terms of an ORDER BY, the newest first."""
    keys = (version(record), record.received_at, _origin(record), _batch(record), _row(record))
    return tuple(key.desc() for key in keys)


def is_same_raw(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether two raw records are the same. One of which nothing is known is taken for the other."""
    return sa.func.coalesce(one.raw_hash == other.raw_hash, sa.true())


def is_earlier_reading(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether one was read from the same origin as the other, but before."""
    return sa.and_(_origin(one) == _origin(other), _batch(one) < _batch(other))


def are_rivals(one: Columns, other: Columns) -> sa.ColumnElement[bool]:
    """Whether two versions of a record differ, and nothing tells which is newer."""
    return sa.and_(
        at_same_time(one, other),
        sa.not_(is_same_raw(one, other)),
        sa.not_(is_earlier_reading(one, other)),
        sa.not_(is_earlier_reading(other, one)),
    )


def _origin(record: Columns) -> sa.ColumnElement[str]:
    # By code point, as DuckDB compares within a batch.
    return sa.collate(sa.func.coalesce(record.origin, ""), "C")


def _batch(record: Columns) -> sa.ColumnElement[str]:
    return sa.collate(sa.func.coalesce(record.batch_id, ""), "C")


def _row(record: Columns) -> sa.ColumnElement[int]:
    return sa.func.coalesce(record.row_number, 0)
