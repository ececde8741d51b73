"""What identity and the KPIs have to look at again: noted in the transaction that changes it, taken in the one that
settles it.

The lists have no unique key, so concurrent loads neither wait for each other here nor collide; an entry that two of
them add is there twice and settled once. Identity and KPIs exclude all loads (`Engine.lock_streams`), so they
take everything that was added and lose nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from cxflow.warehouse.functions import utc
from cxflow.warehouse.tables import pending_identity, pending_kpi, times


def note_identifiers(connection: sa.Connection, identifiers: sa.Select[Any]) -> None:
    """Note identifiers (`namespace`, `identity_hash`) for the next resolution."""
    met = identifiers.distinct().subquery()
    known = sa.exists().where(
        pending_identity.c.namespace == met.c.namespace,
        pending_identity.c.identity_hash == met.c.identity_hash,
    )
    connection.execute(
        sa.insert(pending_identity).from_select(
            ["namespace", "identity_hash"], sa.select(met.c.namespace, met.c.identity_hash).where(~known)
        )
    )


def note_days(connection: sa.Connection, table: sa.Table, rows: sa.Select[Any]) -> None:
    """Note the days of a table's rows, by each of their times, for the next computation of KPIs. `rows` selects these
    times, whatever else."""
    moments = [rows.selected_columns[time] for time in times(table)]
    if not moments:  # no event, no period
        return
    # All times of a row at once: the rows are read once.
    days = sa.func.unnest(array([sa.cast(utc(moment), sa.Date) for moment in moments]))
    met = rows.with_only_columns(days.label("day")).distinct().subquery()
    known = sa.exists().where(pending_kpi.c.table_name == table.name, pending_kpi.c.day == met.c.day)
    connection.execute(
        sa.insert(pending_kpi).from_select(
            ["table_name", "day"],
            sa.select(sa.literal(table.name), met.c.day).where(met.c.day.is_not(None), ~known),
        )
    )


def take_days(connection: sa.Connection) -> dict[str, set[date | None]]:
    """What is noted for the KPIs, by table; it is noted no longer."""
    query = sa.delete(pending_kpi).returning(pending_kpi.c.table_name, pending_kpi.c.day)
    taken: dict[str, set[date | None]] = {}
    for table, day in connection.execute(query):
        taken.setdefault(table, set()).add(day)
    return taken
