"""Notes what identity and the KPIs have to look at again, in the load's own transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.load.staged import Loading
from cxflow.warehouse import pending
from cxflow.warehouse.tables import CANONICAL


def pend_identity(loading: Loading, identifiers: sa.Select[Any]) -> None:
    """Note identifiers (`namespace`, `identity_hash`) for the next resolution."""
    pending.note_identifiers(loading.warehouse, identifiers)


def pend_kpis(loading: Loading, table: sa.Table, rows: sa.Select[Any]) -> None:
    """Note the days of a table's rows, by each of their times, for the next computation of KPIs; and those of
    the rows that they belong to: a refund counts in the period of its order."""
    pending.note_days(loading.warehouse, table, rows)
    if table.info["parent"]:
        name, shared_id = table.info["parent"]
        parent, child = CANONICAL[name], rows.subquery()
        of_parent = sa.select(parent).join_from(parent, child, child.c[shared_id] == parent.c[shared_id])
        pending.note_days(loading.warehouse, parent, of_parent)
