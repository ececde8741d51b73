"""Cuts a fact into cells (one period of one grain, for one slice) and aggregates each: one SELECT for all.

A slice is one value of a dimension, or everything (dimension and value are then empty). Events whose
dimension is null belong to no slice of it, but to everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.periods import BEGINNING, Grain
from cxflow.store.dialect import utc

Dimension = Literal["channel", "source", "segment"]

DIMENSIONS: tuple[Dimension, ...] = ("channel", "source", "segment")
KEY = ("grain", "period_start", "dimension", "dimension_value")
"""The columns that name a cell."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How to cut."""

    grains: tuple[Grain, ...]
    dimensions: tuple[Dimension, ...]
    zone: str
    """IANA name of the zone in which days begin."""
    spans: tuple[tuple[datetime, datetime], ...] | None = None
    """Only events in these half-open stretches of time; None: all."""


def local_day(at: ColumnElement[Any], zone: str) -> ColumnElement[Any]:
    """The date of an instant in a zone."""
    return cast(_local(at, zone), Date)


def _local(at: ColumnElement[Any], zone: str) -> ColumnElement[datetime]:
    """The wall clock of a zone at an instant."""
    return utc(at) if zone == "UTC" else func.timezone(zone, at, type_=DateTime)


def cells(fact: Fact, cut: Cut, per_customer: bool = False, **aggregates: ColumnElement[Any]) -> Rows:
    """A row per cell that has events: its KEY, then the aggregates over the fact's columns.

    With `per_customer`, a row per cell and customer, `customer_id` after the KEY; events without one are left
    out.
    """
    if cut.spans is not None:
        fact = fact.between(cut.spans[0][0], cut.spans[-1][1])
    inner = fact.rows.subquery()
    timed = select(inner, _local(inner.c.at, cut.zone).label("local"))
    if cut.spans is not None:
        timed = timed.where(or_(*(and_(inner.c.at >= start, inner.c.at < end) for start, end in cut.spans)))
    if per_customer:
        timed = timed.where(inner.c.customer_id.is_not(None))
    local = timed.subquery()
    dated = [grain for grain in cut.grains if grain != "all"]
    dates = [cast(func.date_trunc(grain, local.c.local), Date).label(f"of_{grain}") for grain in dated]
    events = select(local, *dates).subquery()

    person = [events.c.customer_id] if per_customer else []
    slices = [events.c[dimension] for dimension in cut.dimensions]
    sets = [
        tuple_(*([] if grain == "all" else [events.c[f"of_{grain}"]]), *one, *person)
        for grain in cut.grains
        for one in ([], *([each] for each in slices))
    ]
    periods = [events.c[f"of_{grain}"] for grain in dated]
    return (
        select(
            _grouped_by(dated, periods, "all").label("grain"),
            func.coalesce(*periods, literal(BEGINNING)).label("period_start"),
            _grouped_by(cut.dimensions, slices, "").label("dimension"),
            func.coalesce(*slices, literal("")).label("dimension_value"),
            *person,
            *(aggregate.label(name) for name, aggregate in aggregates.items()),
        )
        .select_from(events)
        .group_by(func.grouping_sets(*sets))
        # Over no events at all, the grouping set of everything still makes a row.
        .having(func.count() > 0, *(or_(func.grouping(each) == 1, each.is_not(None)) for each in slices))
    )


def cells_of_customers(customers: Rows, **aggregates: ColumnElement[Any]) -> Rows:
    """The second step after `per_customer`: a row per cell, aggregated over its customers."""
    key: list[ColumnElement[Any]] = [column(name) for name in KEY]
    return (
        select(*key, *(aggregate.label(name) for name, aggregate in aggregates.items()))
        .select_from(customers.subquery())
        .group_by(*key)
    )


def _grouped_by(names: Sequence[str], columns: Sequence[Any], otherwise: str) -> ColumnElement[str]:
    """The name of the column that a row of the grouping sets is grouped by."""
    whens = [(func.grouping(each) == 0, name) for name, each in zip(names, columns, strict=True)]
    return case(*whens, else_=otherwise) if whens else literal(otherwise)
