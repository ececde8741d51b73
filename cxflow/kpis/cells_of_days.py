"""What tables with the cells of days have in common: they forget days, rename values and sum periods."""

from __future__ import annotations

from collections.abc import Mapping, Set
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
)

from cxflow.kpis.cells import KEY
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import BEGINNING, Grain, Periods
from cxflow.kpis.slices import OTHER, Slices, of_slices


def forget(connection: Connection, counted: Table, kpi: Kpi, periods: Periods) -> None:
    """Delete the days in `periods` from a table with the cells of days; with EVERY_PERIOD, those of earlier versions,
    too."""
    t = counted.c
    old = delete(counted).where(t.kpi == kpi.name)
    if periods.starts is not None:
        old = old.where(t.version == kpi.version, t.day.in_(sorted(periods.starts["day"])))
    connection.execute(old)


def slice_name(days: Table, slices: Slices) -> ColumnElement[str]:
    """The slice under which a value is published, over a table with the cells of days."""
    t = days.c
    shared = [
        and_(t.dimension == dimension, t.dimension_value.not_in([name for name in names if name != OTHER]))
        for dimension, names in slices.items()
        if OTHER in names
    ]
    return case((or_(*shared), OTHER), else_=t.dimension_value) if shared else t.dimension_value


def is_same_cell(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether two rows with a KEY are of one cell."""
    return and_(*(one.c[name] == other.c[name] for name in KEY))


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
