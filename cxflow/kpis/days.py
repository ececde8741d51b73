"""Daily components of additive KPIs: counted once from events; longer periods and `(other)` are summed from them.

`kpi_day` holds the components of every day and value, also of values that are published as `(other)`. So a load costs
only the days that it touched, and a value that gains or loses its own slice costs sums of days, however many events
there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import date

from sqlalchemy import (
    Connection,
    Double,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
)

from cxflow.kpis import cells_of_days, customers_of_days
from cxflow.kpis.cells import Cut, local_day, named
from cxflow.kpis.cells_of_days import OF_KPI, Sliced, in_periods, is_same_cell, of_kpis, slice_name
from cxflow.kpis.clusters import COMPONENTS
from cxflow.kpis.estimators import Additive
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Periods
from cxflow.kpis.slices import Slices, ranked_by_kpi
from cxflow.warehouse.tables import kpi_day, kpi_day_customer

_AT_ONCE_DAYS = 31
_AT_ONCE_ROWS = 500_000
"""Rows that are sorted at a time, about; the days of a month are, whatever they hold."""
_COMPONENTS = ("n", "numerator", "squared_deviation", "cubed_deviation")


def pieces(connection: Connection, fact: Fact, zone: str, periods: Periods) -> list[Periods]:
    """The periods to count at a time: all at once, or runs of days where the fact looks at other rows than its own. A
    database that sorts the rows of a whole history needs memory for all of them."""
    if fact.among is None or (periods.starts is not None and len(periods.starts["day"]) <= _AT_ONCE_DAYS):
        return [periods]
    row = fact.among.subquery()
    day = local_day(row.c.at, zone)
    sizes = connection.execute(
        select(day, func.count()).where(row.c.at.is_not(None)).group_by(day).order_by(day)
    )
    runs: list[list[date]] = []
    held = 0
    for start, rows in sizes:
        if ("day", start) not in periods:
            continue
        if not runs or held >= _AT_ONCE_ROWS:
            runs.append([])
            held = 0
        runs[-1].append(start)
        held += rows
    return [Periods.holding(run) for run in runs]


def forget(connection: Connection, kpis: Collection[Kpi], periods: Periods) -> None:
    """Forget the days in `periods` of some KPIs."""
    for counted in (kpi_day, kpi_day_customer):
        cells_of_days.forget(connection, counted, kpis, periods)


def count(connection: Connection, kpi: Kpi, estimator: Additive, cut: Cut) -> None:
    """Count the events of a cut's days, which are forgotten."""
    cell = named(estimator.cells(cut), cut).subquery()
    counted = select(
        literal(kpi.name).label("kpi"),
        literal(kpi.version).label("version"),
        cell.c.period_start.label("day"),
        cell.c.dimension,
        cell.c.dimension_value,
        *(cell.c[name] if name in cell.c else null().label(name) for name in _COMPONENTS),
    )
    connection.execute(insert(kpi_day).from_select([each.name for each in counted.selected_columns], counted))
    if estimator.over_customers:
        customers_of_days.count(connection, kpi, estimator, cut)


def sizes(connection: Connection, kpis: Collection[Kpi]) -> dict[str, int]:
    """How many rows there are of the days of each of these KPIs."""
    counted = union_all(
        *(select(each.c.kpi).where(of_kpis(each, kpis)) for each in (kpi_day, kpi_day_customer))
    ).subquery()
    rows = connection.execute(select(counted.c.kpi, func.count()).group_by(counted.c.kpi))
    return {kpi: int(size) for kpi, size in rows}


def slices(connection: Connection, kpis: Collection[Kpi], most: int) -> dict[str, Slices]:
    """KPI to the slices of its dimensions: the largest `most` values of each have their own."""
    t = kpi_day.c
    value = (t.kpi, t.dimension, t.dimension_value)
    sizes = (
        select(*value, func.sum(t.n).label("n"))
        .where(of_kpis(kpi_day, kpis), t.dimension != "")
        .group_by(*value)
    )
    return ranked_by_kpi(connection, sizes, most)


def summed(
    several: Sliced,
    grains: Sequence[Grain],
    periods: Periods,
    only: Mapping[str, Set[str]] | None = None,
    *,
    over_customers: bool,
) -> Rows:
    """One row per cell of these KPIs with events in these periods, KPI by KPI: what identifies it, and the components
    of an `Additive` estimator, of which all or none look at customers (`over_customers`).

    The slices of a KPI tell which values have their own. `only` restricts the rows to some slices of some dimensions.
    """
    t = kpi_day.c
    day = (
        select(
            t.kpi,
            t.day,
            t.dimension,
            slice_name(kpi_day, several).label("dimension_value"),
            *(t[name] for name in _COMPONENTS),
        )
        .where(of_kpis(kpi_day, [kpi for kpi, _ in several]))
        .cte("days")
    )
    in_period = union_all(*(in_periods(day, grain, periods, only) for grain in grains)).subquery()
    cell = [in_period.c[name] for name in OF_KPI]
    n, numerator = cast(in_period.c.n, Double), in_period.c.numerator
    mean = func.sum(numerator).over(partition_by=cell) / func.nullif(func.sum(n).over(partition_by=cell), 0)
    # Deviations from each day's mean, shifted to the cell's mean: the difference of two large sums of squares would
    # lose a small spread.
    shift = numerator / func.nullif(n, 0) - mean
    squared, cubed = in_period.c.squared_deviation, in_period.c.cubed_deviation
    squares = squared + n * shift * shift
    cubes = cubed + 3 * shift * squared + n * shift * shift * shift
    shifted = select(in_period, squares.label("squares"), cubes.label("cubes")).subquery()
    key = [shifted.c[name] for name in OF_KPI]
    totals = (
        select(
            *key,
            func.sum(shifted.c.n).label("n"),
            func.sum(shifted.c.numerator).label("numerator"),
            func.sum(shifted.c.squares).label("squared_deviation"),
            func.sum(shifted.c.cubes).label("cubed_deviation"),
        )
        .group_by(*key)
        .cte("totals")
    )
    if not over_customers:
        return select(totals).order_by(totals.c.kpi)
    customers = customers_of_days.summed(several, grains, periods, only).subquery()
    return (
        select(totals, *(customers.c[name] for name in COMPONENTS))
        .join_from(totals, customers, is_same_cell(totals, customers), isouter=True)
        .order_by(totals.c.kpi)
    )
