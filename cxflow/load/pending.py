"""Notes what identity and the KPIs have to look at again, in the load's own transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from cxflow.load.staged import Loading
from cxflow.store import dialect
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


def pend_kpis(loading: Loading, table: sa.Table, rows: sa.Select[Any]) -> None:
    """Note the days of a table's rows, by each of their times, for the next computation of KPIs; and those of
    the rows that they belong to: a refund counts in the period of its order."""
    _pend_days(loading, table.name, [rows.selected_columns[time] for time in times(table)], rows)
    if table.info["parent"]:
        name, shared_id = table.info["parent"]
        parent, child = CANONICAL[name], rows.subquery()
        of_parent = sa.select(parent).join_from(parent, child, child.c[shared_id] == parent.c[shared_id])
        _pend_days(loading, name, [parent.c[time] for time in times(parent)], of_parent)


def _pend_days(
    loading: Loading, table_name: str, moments: list[sa.ColumnElement[Any]], rows: sa.Select[Any]
) -> None:
    if not moments:  # no event, no period
        return
    # All times of a row at once: the rows are read once.
    days = sa.func.unnest(array([sa.cast(dialect.utc(moment), sa.Date) for moment in moments]))
    met = rows.with_only_columns(days.label("day")).distinct().subquery()
    known = sa.exists().where(pending_kpi.c.table_name == table_name, pending_kpi.c.day == met.c.day)
    loading.execute(
        sa.insert(pending_kpi).from_select(
            ["table_name", "day"],
            sa.select(sa.literal(table_name), met.c.day).where(met.c.day.is_not(None), ~known),
        )
    )
