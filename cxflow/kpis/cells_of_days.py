"""What tables with the cells of days have in common: they forget days, rename values and sum periods, of many KPIs at
once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    FromClause,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from cxflow.kpis.cells import KEY
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import BEGINNING, Grain, Periods
from cxflow.kpis.slices import OTHER, Slices, of_slices

OF_KPI = ("kpi", *KEY)
"""Identifies a cell among those of several KPIs."""

Sliced = Sequence[tuple[Kpi, Slices]]
"""KPIs with their slices."""


def forget(connection: Connection, counted: Table, kpis: Collection[Kpi], periods: Periods) -> None:
    """Delete the days in `periods` of some KPIs from a table with the cells of days; with EVERY_PERIOD, those of
    earlier versions, too."""
    old: ColumnElement[bool]
    if periods.starts is None:
        old = counted.c.kpi.in_([kpi.name for kpi in kpis])
    else:
        old = of_kpis(counted, kpis) & counted.c.day.in_(sorted(periods.starts["day"]))
    connection.execute(delete(counted).where(old))


def of_kpis(table: Table, kpis: Collection[Kpi]) -> ColumnElement[bool]:
    """Whether a row is of one of these KPIs, in its version."""
    return tuple_(table.c.kpi, table.c.version).in_([(kpi.name, kpi.version) for kpi in kpis])


def slice_name(days: Table, several: Sliced) -> ColumnElement[str]:
    """The slice under which a value is published, over a table with the cells of days."""
    t = days.c
    shared = [
        and_(
            t.kpi == kpi.name,
            t.dimension == dimension,
            t.dimension_value.not_in([name for name in names if name != OTHER]),
        )
        for kpi, slices in several
        for dimension, names in slices.items()
        if OTHER in names
    ]
    return case((or_(*shared), OTHER), else_=t.dimension_value) if shared else t.dimension_value


def is_same_cell(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether two rows are of one cell of one KPI."""
    return and_(*(one.c[name] == other.c[name] for name in OF_KPI))


def in_periods(day: CTE, grain: Grain, periods: Periods, only: Mapping[str, Set[str]] | None = None) -> Rows:
    """The days, each with its period of a grain: `grain` and `period_start` beside its columns."""
    start: ColumnElement[Any] = literal(BEGINNING)
    if grain == "day":
        start = day.c.day
    elif grain != "all":
        start = cast(func.date_trunc(grain, cast(day.c.day, DateTime)), Date)
    rows = select(literal(grain).label("grain"), start.label("period_start"), day)
    if periods.starts is not None and grain != "all":
        rows = rows.where(start.in_(sorted(periods.starts[grain])))
    if only is not None:
        rows = rows.where(of_slices(day.c.dimension, day.c.dimension_value, only))
    return rows
