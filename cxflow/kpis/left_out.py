"""Counts the events that KPIs leave out (an order without a value, an answer on another scale), by day and reason.

`kpi_left_out` holds the days; what a period leaves out is their sum, for every kind of KPI.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, literal, select, union_all

from cxflow.kpis import cells_of_days
from cxflow.kpis.cells import Cut, cells, named
from cxflow.kpis.cells_of_days import OF_KPI, Sliced, in_periods, of_kpis, slice_name
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.found_events import FoundEvents
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Grain, Period, Periods
from cxflow.kpis.publication import Key
from cxflow.kpis.slices import Slices
from cxflow.warehouse.tables import kpi_left_out

_t = kpi_left_out.c


class LeftOut(NamedTuple):
    """How many events a KPI left out of a period, and why."""

    kpi: str
    version: int
    period_start: date
    reason: str
    events: int


def forget(connection: Connection, kpis: Collection[Kpi], periods: Periods) -> None:
    """Forget the days in `periods` of some KPIs."""
    cells_of_days.forget(connection, kpi_left_out, kpis, periods)


def count(connection: Connection, kpi: Kpi, estimator: Estimator, cut: Cut, found: FoundEvents) -> None:
    """Count the days of a cut, which are forgotten."""
    for reason, fact in estimator.left_out.items():
        events = found.of(fact, cut)
        if events is not None and connection.execute(select(events.c.at).limit(1)).first() is None:
            continue  # as usual; counting none takes much longer
        cell = named(cells(fact, replace(cut, kept=events), n=func.count()), cut).subquery()
        counted = select(
            literal(kpi.name).label("kpi"),
            literal(kpi.version).label("version"),
            cell.c.period_start.label("day"),
            cell.c.dimension,
            cell.c.dimension_value,
            literal(reason).label("reason"),
            cell.c.n.label("events"),
        )
        names = [each.name for each in counted.selected_columns]
        connection.execute(insert(kpi_left_out).from_select(names, counted))


def summed(
    connection: Connection, several: Sliced, grains: Sequence[Grain], periods: Periods
) -> dict[str, dict[Key, int]]:
    """KPI to its cells, each to the number of events left out of it, in these periods; only cells with any."""
    slice_ = slice_name(kpi_left_out, several).label("dimension_value")
    day = (
        select(_t.kpi, _t.day, _t.dimension, slice_, _t.events)
        .where(of_kpis(kpi_left_out, [kpi for kpi, _ in several]))
        .cte("days")
    )
    found = union_all(*(in_periods(day, grain, periods) for grain in grains)).subquery()
    key = [found.c[name] for name in OF_KPI]
    cells: dict[str, dict[Key, int]] = {}
    for kpi, *cell, events in connection.execute(select(*key, func.sum(found.c.events)).group_by(*key)):
        cells.setdefault(kpi, {})[tuple(cell)] = int(events)
    return cells


def reasons(connection: Connection, kpis: Collection[str], grain: Grain) -> list[LeftOut]:
    """How many events KPIs leave out of each period of a grain, over everything, most frequent reason first."""
    day = select(kpi_left_out).where(_t.kpi.in_(kpis), _t.dimension == "").cte("days")
    found = in_periods(day, grain, Periods(None)).subquery()
    each = (found.c.kpi, found.c.version, found.c.period_start, found.c.reason)
    events = func.sum(found.c.events)
    rows = connection.execute(
        select(*each, events).group_by(*each).order_by(found.c.period_start, events.desc(), found.c.reason)
    )
    return [LeftOut(*row[:-1], int(row[-1])) for row in rows]


def of_cell(
    connection: Connection, kpi: Kpi, period: Period, by: tuple[str, str] | None, slices: Slices
) -> dict[str, int]:
    """Reason to the number of events that are left out of one cell, most frequent first. `by`: a dimension and the name
    of a slice of it."""
    dimension, name = by or ("", "")
    wanted = [_t.kpi == kpi.name, _t.version == kpi.version, _t.dimension == dimension]
    if by is not None:
        wanted.append(slice_name(kpi_left_out, [(kpi, slices)]) == name)
    if period.grain != "all":
        wanted += [_t.day >= period.start, _t.day < period.end]
    events = func.sum(_t.events)
    rows = connection.execute(
        select(_t.reason, events).where(*wanted).group_by(_t.reason).order_by(events.desc(), _t.reason)
    )
    return {reason: int(found) for reason, found in rows}
