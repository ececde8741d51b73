"""Where on the customer's way a touchpoint lies, and who controls the place. SQL only.

The stage is relative to the customer's own orders that are not cancelled: *before* the first one, *during* one (from
the order to its delivery), *after* it. Whose first known order lies in the first 180 days of the data may have ordered
before: what came before that order is *unknown*. So it is for a customer without an order, in those days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    String,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from cxflow.kpis.experience.moments import epoch
from cxflow.kpis.experience.seeds import EVERY, Place
from cxflow.kpis.facts import Rows
from cxflow.kpis.order_facts import is_cancelled
from cxflow.warehouse.columns import TIME
from cxflow.warehouse.tables import order_header

UNKNOWN = "unknown"
"""The stage of a touchpoint that may lie before or after an order that nobody knows of."""
FIRST_DAYS = timedelta(days=180)
"""How long after the data's first order a customer's first known order may not be their first."""
UNDELIVERED = timedelta(days=14)
"""How long an order lasts of which no delivery is known."""

_o = order_header.c
_orders = (~_o.is_deleted, ~is_cancelled)


def first_order() -> Rows:
    """The time of the first order of all, to tell where the data begin; null without one."""
    return select(func.min(_o.created_at)).where(*_orders)


def controlled(rows: FromClause, places: Sequence[Place]) -> ColumnElement[str]:
    """Who controls the place of a touchpoint: what its mapping says, else its activity's, else its channel's row."""
    found: list[ColumnElement[Any]] = [rows.c.control]
    for kind, name in (("activity", rows.c.activity), ("channel", rows.c.channel)):
        known = {each.name: each.control for each in places if each.kind == kind and each.control}
        otherwise = literal(known.pop(EVERY), String) if EVERY in known else cast(null(), String)
        found.append(case(known, value=name, else_=otherwise) if known else otherwise)
    return func.coalesce(*found)


def staged(row: FromClause, start: datetime | None) -> Rows:
    """Judgement and stage (`judgement_id`, `stage`) of those rows whose customer ordered; `start` is when the data
    begin. The rows have `judgement_id`, `customer_id` and `at`."""
    ordered = select(_o.customer_id).where(*_orders, _o.customer_id.is_not(None))
    of_rows = select(
        row.c.judgement_id,
        row.c.customer_id,
        row.c.at,
        cast(null(), Double).label("until"),
    ).where(row.c.customer_id.in_(ordered))
    customers = select(row.c.customer_id).where(row.c.customer_id.is_not(None))
    # In seconds: databases add times differently.
    until = func.coalesce(epoch(_o.delivered_at), epoch(_o.created_at) + UNDELIVERED.total_seconds())
    of_orders = select(cast(null(), String), _o.customer_id, _o.created_at, until).where(
        *_orders, _o.customer_id.in_(customers)
    )
    event = union_all(of_rows, of_orders).subquery().c
    # Of one instant, the order comes first: what happens with it is during it.
    is_row = case((event.judgement_id.is_(None), 0), else_=1)
    of_customer: dict[str, Any] = {"partition_by": event.customer_id}
    last = func.max(event.until).over(**of_customer, order_by=(event.at, is_row), rows=(None, 0))
    began = func.min(case((event.judgement_id.is_(None), event.at), else_=null())).over(**of_customer)
    along = select(event.judgement_id, event.at, last.label("last"), began.label("began")).subquery()
    stage = case(
        (epoch(along.c.at) <= along.c.last, "during"),
        (along.c.last.is_not(None), "after"),
        (along.c.began < _sure(start), UNKNOWN),
        else_="before",
    )
    return select(along.c.judgement_id, stage.label("stage")).where(along.c.judgement_id.is_not(None))


def unordered(row: FromClause, places: Sequence[Place], start: datetime | None) -> ColumnElement[str]:
    """The stage of a row whose customer, if it has one, never ordered. Without a customer, it is what the mapping says
    or else the activity's row; so it is for all rows where nobody ordered."""
    said = {each.name: each.stage for each in places if each.kind == "activity" and each.stage}
    by_activity = case(said, value=row.c.activity, else_=null()) if said else cast(null(), String)
    otherwise = func.coalesce(row.c.journey_stage, by_activity, literal(UNKNOWN))
    if start is None:
        return otherwise
    return case(
        (row.c.customer_id.is_(None), otherwise),
        (row.c.at < _sure(start), UNKNOWN),
        else_="before",
    )


def _sure(start: datetime | None) -> ColumnElement[Any]:
    """From when a customer's first known order is their first; null without orders."""
    return cast(null(), TIME) if start is None else literal(start + FIRST_DAYS, TIME)
