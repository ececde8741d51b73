"""The pending work of identity, words and KPIs: added in the transaction that changes data, removed in the one that
processes it.

The tables have no unique key, so concurrent loads neither wait for each other here nor collide; an entry added by two
of them is stored twice and processed once. What processes them excludes all loads (`Engine.lock_streams`), so it
processes every entry and loses none.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from cxflow.model.text_model import SIGNALS
from cxflow.warehouse.functions import utc
from cxflow.warehouse.tables import pending_identity, pending_kpi, pending_text, signal, texts, times

LOAD = "load of "
"""What the causes begin with that are loads; the others (identity, words) are steps that follow from loads."""

Days = Mapping[str, Set[date | None]]
"""Canonical table to the UTC days whose rows changed; None stands for rows without a time."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The pending days of the KPIs."""

    days: Days
    causes: Mapping[str, Days] = field(default_factory=dict)
    """What changed them, in words, to the days of it; of days that were noted by hand, nothing is known."""


def note_identifiers(connection: sa.Connection, identifiers: sa.Select[Any]) -> None:
    """Add identifiers (`namespace`, `identity_hash`) for the next resolution."""
    seen = identifiers.distinct().subquery()
    known = sa.exists().where(
        pending_identity.c.namespace == seen.c.namespace,
        pending_identity.c.identity_hash == seen.c.identity_hash,
    )
    connection.execute(
        sa.insert(pending_identity).from_select(
            ["namespace", "identity_hash"], sa.select(seen.c.namespace, seen.c.identity_hash).where(~known)
        )
    )


def note_days(connection: sa.Connection, table: sa.Table, rows: sa.Select[Any], cause: str) -> None:
    """Add the days of a table's rows, by each of their times, for the next computation of KPIs. `rows` must select
    these times. `cause`: what changed them, in words, for who asks why a value was published again."""
    moments = [rows.selected_columns[time] for time in times(table)]
    if not moments:  # without an event there is no period
        return
    # All times of a row at once: the rows are read once.
    days = sa.func.unnest(array([sa.cast(utc(moment), sa.Date) for moment in moments]))
    seen = rows.with_only_columns(days.label("day")).distinct().subquery()
    known = sa.exists().where(
        pending_kpi.c.table_name == table.name, pending_kpi.c.day == seen.c.day, pending_kpi.c.cause == cause
    )
    connection.execute(
        sa.insert(pending_kpi).from_select(
            ["table_name", "day", "cause"],
            sa.select(sa.literal(table.name), seen.c.day, sa.literal(cause)).where(
                seen.c.day.is_not(None), ~known
            ),
        )
    )


def note_texts(connection: sa.Connection, table: sa.Table, rows: sa.Select[Any]) -> None:
    """Add the touchpoints of a table's rows with a text, for the next scoring; and those of signals that a source
    itself gives, which are not computed then. `rows` must select these columns."""
    columns = rows.selected_columns
    is_concerned: sa.ColumnElement[bool]
    if table is signal:
        is_concerned = columns["name"].in_(SIGNALS)
    elif names := texts(table):
        is_concerned = sa.or_(*(columns[name].is_not(None) for name in names))
    else:
        return
    seen = rows.with_only_columns(columns["touchpoint_id"]).where(is_concerned).distinct().subquery()
    known = sa.exists().where(pending_text.c.touchpoint_id == seen.c.touchpoint_id)
    connection.execute(
        sa.insert(pending_text).from_select(
            ["touchpoint_id"],
            sa.select(seen.c.touchpoint_id).where(seen.c.touchpoint_id.is_not(None), ~known),
        )
    )


def take_days(connection: sa.Connection) -> Noted:
    """Remove the pending days of the KPIs and return them."""
    t = pending_kpi.c
    query = sa.delete(pending_kpi).returning(t.table_name, t.day, t.cause)
    days: dict[str, set[date | None]] = {}
    causes: dict[str, dict[str, set[date | None]]] = {}
    for table, day, cause in connection.execute(query):
        days.setdefault(table, set()).add(day)
        if cause is not None:
            causes.setdefault(cause, {}).setdefault(table, set()).add(day)
    return Noted(days, causes)
