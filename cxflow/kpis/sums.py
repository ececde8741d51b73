"""The values of many KPIs at once, as they follow from counted days.

A statement costs a database more than the days of a small company: so the KPIs whose days are few are summed together,
and those with many each alone, which keeps memory in bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby

from sqlalchemy import Connection

from cxflow.kpis import days, left_out
from cxflow.kpis.alike import alike
from cxflow.kpis.cell_values import cell_values
from cxflow.kpis.cells_of_days import Sliced
from cxflow.kpis.counting import Counted
from cxflow.kpis.estimators import Additive
from cxflow.kpis.periods import EVERY_PERIOD, Periods
from cxflow.kpis.publication import NOTHING, CellValue, Key
from cxflow.kpis.slices import moved
from cxflow.settings import Settings

_ROWS_TOGETHER = 100_000
"""Rows of days that are summed in one statement, about."""


def portions(
    connection: Connection, several: Sequence[Counted], *, one_by_one: bool
) -> Iterator[list[Counted]]:
    """The KPIs in portions whose days may be summed together, or `one_by_one`."""
    sizes = days.sizes(connection, [each.kpi for each in several])
    portion: list[Counted] = []
    held = 0
    for each in several:
        size = sizes.get(each.kpi.name, 0) + len(each.values)
        if portion and (one_by_one or held + size > _ROWS_TOGETHER):
            yield portion
            portion, held = [], 0
        portion.append(each)
        held += size
    if portion:
        yield portion


def add_up(connection: Connection, settings: Settings, several: Sequence[Counted]) -> None:
    """Give KPIs the values that follow from their days, and to all cells what is left out of them."""
    additive = [each for each in several if isinstance(each.plan.estimator, Additive)]
    if additive:
        slices = days.slices(connection, [each.kpi for each in additive], settings.kpis.max_values)
        for each in additive:
            each.slices = slices.get(each.kpi.name, {})
            if each.periods != EVERY_PERIOD:
                each.moved = moved(each.plan.before.definition.slices, each.slices)
    for group in alike(additive, lambda each: (each.periods, each.kpi.grains, _over_customers(each))):
        _sum_days(connection, settings, group, group[0].periods)
    for each in additive:
        if each.moved:
            _sum_days(connection, settings, [each], EVERY_PERIOD, each.moved)
    for group in alike(several, lambda each: (_with_moved(each), each.kpi.grains)):
        found = left_out.summed(connection, _sliced(group), group[0].kpi.grains, _with_moved(group[0]))
        for each in group:
            _leave_out(each, found.get(each.kpi.name, {}))


def _over_customers(counted: Counted) -> bool:
    return isinstance(counted.plan.estimator, Additive) and counted.plan.estimator.over_customers


def _with_moved(counted: Counted) -> Periods:
    """The periods of all its cells."""
    return EVERY_PERIOD if counted.moved else counted.periods


def _sliced(several: Sequence[Counted]) -> Sliced:
    return [(each.kpi, each.slices) for each in several]


def _sum_days(
    connection: Connection,
    settings: Settings,
    several: Sequence[Counted],
    periods: Periods,
    only: Mapping[str, Set[str]] | None = None,
) -> None:
    """The values of KPIs with the same grains; all of them look at customers, or none."""
    first = several[0]
    by_name = {each.kpi.name: each for each in several}
    rows = connection.execute(
        days.summed(_sliced(several), first.kpi.grains, periods, only, over_customers=_over_customers(first))
    ).all()
    for name, cells in groupby(rows, key=lambda row: str(row.kpi)):
        each = by_name[name]
        each.values |= cell_values(each.kpi, each.plan.estimator, list(cells), settings.kpis.min_n)


def _leave_out(counted: Counted, found: Mapping[Key, int]) -> None:
    """Add to cells how many events are left out of them."""
    values: dict[Key, CellValue] = counted.values
    for key, events in found.items():
        # A slice of nothing but events that are left out is none.
        if key in values or (not key[2] and (key[0], key[1]) in counted.periods):
            values[key] = values.get(key, NOTHING)._replace(left_out=events)
