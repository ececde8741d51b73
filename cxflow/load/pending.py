"""Notes what identity, words and KPIs must recompute, in the load's own transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cxflow.load.staged import Loading
from cxflow.warehouse import pending
from cxflow.warehouse.tables import CANONICAL, delivery


def pend_identity(loading: Loading, identifiers: sa.Select[Any]) -> None:
    """Note identifiers (`namespace`, `identity_hash`) for the next resolution."""
    pending.note_identifiers(loading.warehouse, identifiers)


def pend_rows(loading: Loading, table: sa.Table, rows: sa.Select[Any]) -> None:
    """Note the days of a table's rows, one per time column, for the next computation of KPIs, and their texts for the
    next scoring. Also the days of their parent rows: a refund counts in the period of its order. And those of an
    order's other parcels: it was delivered on the day of its last one, which any of them may cease to be."""
    cause = f"{pending.LOAD}{loading.batch.connection}.{loading.batch.stream}, run {loading.batch.batch_id}"
    pending.note_days(loading.warehouse, table, rows, cause)
    pending.note_texts(loading.warehouse, table, rows)
    if table.info["parent"]:
        name, shared_id = table.info["parent"]
        parent, child = CANONICAL[name], rows.subquery()
        of_parent = sa.select(parent).join_from(parent, child, child.c[shared_id] == parent.c[shared_id])
        pending.note_days(loading.warehouse, parent, of_parent, cause)
    if table is delivery:
        changed = rows.subquery()
        of_order = sa.select(delivery).join_from(delivery, changed, changed.c.order_id == delivery.c.order_id)
        pending.note_days(loading.warehouse, delivery, of_order, cause)
