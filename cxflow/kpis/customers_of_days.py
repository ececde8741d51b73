"""The customers behind the days of additive KPIs, and what the intervals of longer periods need to know of them.

`kpi_day_customer` holds the components of `kpi_day` by customer. On a day with many events, customers are dealt at
random to groups: the sums of groups vary as those of customers do, and a day costs the same however many they are. A
customer is in the same group on every day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from sqlalchemy import (
    CTE,
    BigInteger,
    Connection,
    Date,
    Double,
    FromClause,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    union_all,
)

from cxflow.kpis.cells import GROUPS, Cut, named
from cxflow.kpis.cells_of_days import OF_KPI, Sliced, in_periods, is_same_cell, of_kpis, slice_name
from cxflow.kpis.estimators import Additive
from cxflow.kpis.facts import Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Periods
from cxflow.warehouse.tables import kpi_day, kpi_day_customer

_CROWDED_EVENTS = 100
"""On days with more, customers are dealt to groups."""
_SHORT: tuple[Grain, ...] = ("day", "week", "month")
_t = kpi_day_customer.c


def count(connection: Connection, kpi: Kpi, estimator: Additive, cut: Cut) -> None:
    """Count the customers of a cut's days, whose events are counted already."""
    day = kpi_day.c
    crowded = select(day.day).where(
        day.kpi == kpi.name, day.version == kpi.version, day.dimension == "", day.n > _CROWDED_EVENTS
    )
    each = estimator.cells(cut.of_customers(crowded)).subquery()
    names = ("customer", "n", "numerator")
    # In order, so that the same events are the same row whatever an engine reads first.
    lists = (
        func.array_agg(each.c[name]).aggregate_order_by(each.c.customer).label(f"{name}s") for name in names
    )
    cell = (each.c.period_start, each.c.dimension, each.c.dimension_value)
    counted = select(
        literal(kpi.name).label("kpi"),
        literal(kpi.version).label("version"),
        *cell,
        func.bool_or(each.c.customer < GROUPS).label("is_grouped"),
        *lists,
    ).group_by(*cell)
    counted = named(counted, cut)
    connection.execute(insert(kpi_day_customer).from_select([column.name for column in _t], counted))


def summed(
    several: Sliced, grains: Sequence[Grain], periods: Periods, only: Mapping[str, Set[str]] | None = None
) -> Rows:
    """One row per cell with known customers: what identifies it, and the components of `Clusters`."""
    slice_ = slice_name(kpi_day_customer, several).label("dimension_value")
    days = select(
        _t.kpi, _t.day, _t.dimension, slice_, _t.is_grouped, _t.customers, _t.n, _t.numerators
    ).where(of_kpis(kpi_day_customer, [kpi for kpi, _ in several]))
    cell = days.cte("days_of_customers")
    each = _each(cell).cte("customers_of_days")
    # Quarters, years and all time from months, which are fewer.
    sums = (func.sum(each.c.n).label("n"), func.sum(each.c.numerator).label("numerator"))
    month = cast(func.date_trunc("month", each.c.day), Date).label("day")
    by = (each.c.kpi, month, each.c.dimension, each.c.dimension_value, each.c.customer)
    months = select(*by, *sums).group_by(*by).cte("customers_of_months")

    found = union_all(
        *(in_periods(each if grain in _SHORT else months, grain, periods, only) for grain in grains)
    ).subquery()
    flags = union_all(*(in_periods(cell, grain, periods, only) for grain in grains)).subquery()
    key = [flags.c[name] for name in OF_KPI]
    grouped = select(*key, func.bool_or(flags.c.is_grouped).label("is_grouped")).group_by(*key).subquery()
    return _aggregated(found, grouped)


def _each(cell: CTE) -> Rows:
    """A row per customer, or group, of a cell's days."""
    return select(
        cell.c.kpi,
        cell.c.day,
        cell.c.dimension,
        cell.c.dimension_value,
        func.unnest(cell.c.customers, type_=BigInteger).label("customer"),
        func.unnest(cell.c.n, type_=BigInteger).label("n"),
        func.unnest(cell.c.numerators, type_=Double).label("numerator"),
    )


def _aggregated(found: FromClause, grouped: FromClause) -> Rows:
    """The customers of each cell, or its groups where a day has groups."""
    key = [found.c[name] for name in OF_KPI]
    unit = case((grouped.c.is_grouped, found.c.customer % GROUPS), else_=found.c.customer).label("unit")
    dealt = (
        select(found, unit, grouped.c.is_grouped)
        .join_from(found, grouped, is_same_cell(found, grouped))
        .subquery()
    )
    key = [dealt.c[name] for name in OF_KPI]
    is_one = func.min(dealt.c.customer) == func.max(dealt.c.customer)
    is_one &= func.min(dealt.c.customer) >= GROUPS
    units = (
        select(
            *key,
            func.bool_or(dealt.c.is_grouped).label("is_grouped"),
            cast(func.sum(dealt.c.n), Double).label("n"),
            func.sum(dealt.c.numerator).label("numerator"),
            case((is_one, 1), else_=2).label("customers"),
        )
        .group_by(*key, dealt.c.unit)
        .subquery()
    )
    of_cell = [units.c[name] for name in OF_KPI]
    known, total = (func.sum(each).over(partition_by=of_cell) for each in (units.c.n, units.c.numerator))
    value = func.coalesce(total / func.nullif(known, 0), 0)
    away_from = select(units, (units.c.numerator - value * units.c.n).label("away")).subquery()
    key = [away_from.c[name] for name in OF_KPI]
    off = away_from.c.away
    return select(
        *key,
        func.sum(away_from.c.n).label("known"),
        func.sum(away_from.c.numerator).label("known_numerator"),
        func.sum(away_from.c.customers).label("customers"),
        func.sum(off * off).label("squares_of_customers"),
        func.sum(off * off * off).label("cubes_of_customers"),
        func.sum(away_from.c.n * away_from.c.n).label("sizes_of_customers"),
        func.max(case((away_from.c.is_grouped, 1), else_=0)).label("is_grouped"),
    ).group_by(*key)
