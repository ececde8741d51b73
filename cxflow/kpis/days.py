"""Weeks, months and the whole period as sums of the days that are published: an event is counted once, in its day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Date, DateTime, Double, cast, func, literal, select, union_all

from cxflow.kpis.cells import KEY
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import BEGINNING, Grain, Periods
from cxflow.kpis.publication import latest
from cxflow.store.tables import kpi_value


def summed(kpi: Kpi, grains: Sequence[Grain], periods: Periods) -> Rows:
    """A row per cell of these grains that has events: its KEY, and the components of an `Additive` estimator.

    A bounded set of periods narrows the rows to between its first and its last period of each grain.
    """
    t = kpi_value.c
    day = latest(t.kpi == kpi.name, t.version == kpi.version, t.grain == "day").cte("days")
    in_period = union_all(*(_in_periods(day, grain, periods) for grain in grains)).subquery()
    cell = [in_period.c[name] for name in KEY]
    n, numerator = in_period.c.n, in_period.c.numerator
    mean = func.sum(numerator).over(partition_by=cell) / func.nullif(func.sum(n).over(partition_by=cell), 0)
    # Within a day about its own mean, and from there to the mean of the cell: the difference of two large sums of
    # squares would lose a small spread.
    moved = numerator / func.nullif(n, 0) - mean
    squares = in_period.c.squared_deviation + n * moved * moved
    piece = select(in_period, squares.label("squares")).subquery()
    key = [piece.c[name] for name in KEY]
    return (
        select(
            *key,
            func.sum(piece.c.n).label("n"),
            func.sum(piece.c.numerator).label("numerator"),
            func.sum(piece.c.squares).label("squared_deviation"),
        )
        .group_by(*key)
        # Days that had events once, and have none now, are published without a numerator.
        .having(func.count(piece.c.numerator) > 0)
    )


def _in_periods(day: CTE, grain: Grain, periods: Periods) -> Rows:
    """The days, each in its period of a grain."""
    start: ColumnElement[Any] = literal(BEGINNING)
    if grain != "all":
        start = cast(func.date_trunc(grain, cast(day.c.period_start, DateTime)), Date)
    edges = periods.between(grain)
    return select(
        literal(grain).label("grain"),
        start.label("period_start"),
        day.c.dimension,
        day.c.dimension_value,
        cast(day.c.n, Double).label("n"),
        day.c.numerator,
        day.c.squared_deviation,
    ).where(*([start.between(*edges)] if edges else []))
