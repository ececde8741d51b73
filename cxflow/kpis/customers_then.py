"""What customers were at a time: their segment, consent and country.

`customer` has what they are now, `customer_history` the periods in which that was something else. Events are sliced by
what their customer was when they happened. A KPI that follows customers counts each once in a period, with what they
were when that began or ended, whatever they were at each event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case

from cxflow.warehouse.customer_tables import DESCRIBED
from cxflow.warehouse.tables import customer, customer_history

_then = customer_history.c


def with_customers(
    rows: FromClause, customer_id: ColumnElement[Any], at: ColumnElement[Any]
) -> tuple[FromClause, Mapping[str, ColumnElement[Any]]]:
    """Rows joined with their customers, and each of DESCRIBED as it was at a time."""
    joined = rows.outerjoin(customer, customer.c.customer_id == customer_id)
    return with_history(joined, customer_id, at), {
        name: then(_then[name], customer.c[name]) for name in DESCRIBED
    }


def with_history(
    rows: FromClause,
    customer_id: ColumnElement[Any],
    at: ColumnElement[Any],
    of: ColumnElement[Any] = _then.customer_id,
) -> FromClause:
    """Rows joined with what their customers were at a time, where that is known to differ from now. `of`: what
    `customer_id` is of a customer of the history, if it is not their id."""
    return rows.outerjoin(
        customer_history, and_(of == customer_id, at >= _then.valid_from, at < _then.valid_to)
    )


def then(was: ColumnElement[Any], now: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a customer was, over the rows of `with_history`: `was` is what the history says, `now` what they are."""
    return case((_then.customer_id.is_not(None), was), else_=now)
