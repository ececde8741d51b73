"""Notes what identity and the KPIs have to look at again, in the load's own transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.load.staged import Loading
from cxflow.store.tables import CANONICAL, pending_identity, pending_kpi, times


def pend_identity(loading: Loading, identifiers: sa.Select[Any]) -> None:
    """Note identifiers (`namespace`, `identity_hash`) for the next resolution."""
    met = identifiers.distinct().subquery()
    known = sa.exists().where(
        pending_identity.c.namespace == met.c.namespace,
        pending_identity.c.identity_hash == met.c.identity_hash,
    )
    loading.execute(
        sa.insert(pending_identity).from_select(
            ["namespace", "identity_hash"], sa.select(met.c.namespace, met.c.identity_hash).where(~known)
        )
    )


def pend_kpis(loading: Loading, table: sa.Table, rows: sa.Subquery) -> None:
    """Note the days of a table's rows, by each of their times, for the next computation of KPIs; and those of
    the rows that they belong to: a refund counts in the period of its order."""
    for time in times(table):
        day = sa.cast(rows.c[time], sa.Date).label("day")
        _pend_days(loading, table.name, sa.select(day).where(rows.c[time].is_not(None)))
    if table.info["parent"]:
        name, shared_id = table.info["parent"]
        parent = CANONICAL[name]
        for time in times(parent):
            day = sa.cast(parent.c[time], sa.Date).label("day")
            same = rows.c[shared_id] == parent.c[shared_id]
            _pend_days(
                loading, name, sa.select(day).join_from(parent, rows, same).where(parent.c[time].is_not(None))
            )


def _pend_days(loading: Loading, table_name: str, days: sa.Select[Any]) -> None:
    day = days.distinct().subquery().c.day
    known = sa.exists().where(
        pending_kpi.c.table_name == table_name, pending_kpi.c.day.is_not_distinct_from(day)
    )
    loading.execute(
        sa.insert(pending_kpi).from_select(
            ["table_name", "day"], sa.select(sa.literal(table_name), day).where(~known)
        )
    )
