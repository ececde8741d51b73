"""Counts the events of one KPI after the other: an additive one by days, others by cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from cxflow.kpis import days, left_out, shared
from cxflow.kpis.alike import alike
from cxflow.kpis.cell_values import Cells, cell_values
from cxflow.kpis.cells import Cut, named
from cxflow.kpis.estimators import Additive, Estimator
from cxflow.kpis.found_events import FoundEvents
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import EVERY_PERIOD, Grain, Periods
from cxflow.kpis.plans import Plan
from cxflow.kpis.publication import CellValue, Key
from cxflow.kpis.slices import Census, Slices, TooManySlices, capped, is_capped, moved, ranked
from cxflow.settings import Settings

_KEPT = "kpi_event"
"""The temporary table of the events of all grains of a KPI."""
_AT_A_TIME = 20_000
"""Cells to read before each check whether there are too many."""


@dataclass(slots=True)
class Counted:
    """A KPI whose events are counted; the values of an additive one are still to be summed from its days."""

    plan: Plan
    periods: Periods
    """The periods of `values`. A cell that is published in one of them but not among these no longer has events."""
    values: dict[Key, CellValue] = field(default_factory=dict)
    slices: Slices = field(default_factory=dict)
    """Dimension to the names of its slices now."""
    moved: Mapping[str, Set[str]] = field(default_factory=dict)
    """Further slices, for which `values` holds the cells of every period."""

    @property
    def kpi(self) -> Kpi:
        """Whose events they are."""
        return self.plan.kpi


class Counter:
    """Counts for one computation. Consecutive KPIs share what they read alike."""

    def __init__(self, connection: Connection, settings: Settings, found: FoundEvents) -> None:
        self._connection, self._settings, self._found = connection, settings, found
        self._zone, self._most = settings.project.timezone, settings.kpis.max_values
        self._read: tuple[Estimator | None, Sequence[Cut], Cells] = (None, (), ())
        """The cells read last, with their estimator and cuts."""
        self._sized: tuple[Estimator | None, Cut | None, Slices] = (None, None, {})
        """The slices found last, with their estimator and cut."""

    def forget(self, plans: Sequence[Plan]) -> None:
        """Forget the days that are counted anew."""
        for group in alike(plans, lambda plan: plan.periods):
            periods = group[0].periods
            left_out.forget(self._connection, [plan.kpi for plan in group], periods)
            additive = [plan.kpi for plan in group if isinstance(plan.estimator, Additive)]
            if additive:
                days.forget(self._connection, additive, periods)

    def count(self, plan: Plan) -> Counted:
        """Count the events of a KPI, and those that it leaves out. Its days are forgotten."""
        with shared.stored(self._connection, plan.estimator.sliced.shared):
            counted = self._of_days(plan) if isinstance(plan.estimator, Additive) else self._of_events(plan)
            if counted.periods != plan.periods:
                left_out.forget(self._connection, [plan.kpi], counted.periods)
            # Not with the days before, even if the value needs them: they keep what was counted.
            cut = self._cut("day", plan.before.dimensions, counted.periods)
            left_out.count(self._connection, plan.kpi, plan.estimator, cut, self._found)
        return counted

    def _of_days(self, plan: Plan) -> Counted:
        """Of an additive KPI: its days, from events."""
        estimator, periods, dimensions = plan.estimator, plan.periods, plan.before.dimensions
        assert isinstance(estimator, Additive)
        events = self._found.find(estimator, periods, lambda some: self._cut("day", dimensions, some))
        cut = self._cut("day", dimensions, periods)
        days.count(self._connection, plan.kpi, estimator, replace(cut, kept=events))
        return Counted(plan, periods)

    def _of_events(self, plan: Plan) -> Counted:
        """Of another KPI: its cells, each from events; of every period if a value gained or lost its own slice."""
        kpi, estimator, periods, before = plan.kpi, plan.estimator, plan.periods, plan.before
        if not is_capped(before.definition.slices):
            try:
                return self._all_by_name(plan)
            except TooManySlices:
                pass
        slices = self._ranked(estimator, self._cut(kpi.grains[0], before.dimensions, EVERY_PERIOD))
        if moved(before.definition.slices, slices):
            periods = EVERY_PERIOD
        return Counted(plan, periods, self._values(plan, periods, capped(slices)), slices)

    def _all_by_name(self, plan: Plan) -> Counted:
        """The same, with a slice for each value. Raises TooManySlices if there may be more than `kpis.max_values`."""
        census = Census(self._most)
        if "all" not in plan.kpi.grains and plan.periods != EVERY_PERIOD:
            # Other periods may hold all slices of the last computation.
            known = plan.before.definition.slices.items()
            census.count(("", "", dimension, name) for dimension, names in known for name in names)
        values = self._values(plan, plan.periods, {}, census)
        return Counted(plan, plan.periods, values, census.slices)

    def _values(
        self, plan: Plan, periods: Periods, own: Slices, census: Census | None = None
    ) -> dict[Key, CellValue]:
        """The values of a KPI in some periods of all its grains. `own`: as in `Cut.slices`; the census may raise
        TooManySlices."""
        kpi, estimator, dimensions = plan.kpi, plan.estimator, plan.before.dimensions
        back = estimator.looks_back
        cuts = [self._cut(grain, dimensions, periods, own, looks_back=back) for grain in kpi.grains]
        rows = self._rows(estimator, cuts, census)
        return cell_values(kpi, estimator, rows, self._settings.kpis.min_n)

    def _cut(
        self,
        grain: Grain,
        dimensions: Sequence[str],
        periods: Periods,
        slices: Slices | None = None,
        *,
        looks_back: bool = False,
    ) -> Cut:
        """The cut for the periods of a grain; `looks_back` adds the events of the period before each."""
        spans = periods.spans((grain,), ZoneInfo(self._zone), looks_back)
        is_every = periods.starts is None or grain == "all"
        starts = None if periods.starts is None or is_every else tuple(sorted(periods.starts[grain]))
        return Cut(grain, tuple(dimensions), self._zone, starts, spans, slices or {})

    def _rows(self, estimator: Estimator, cuts: Sequence[Cut], census: Census | None = None) -> Cells:
        """The cells of several cuts. The census raises TooManySlices before all are read. Consecutive KPIs with the
        same cells share them."""
        last, known, rows = self._read
        if _share_cells(last, estimator) and known == cuts:
            if census is not None:
                census.count(rows)
            return rows
        events = estimator.kept(cuts)
        stored = None if events is None else shared.store(self._connection, events, _KEPT)
        kept = None if stored is None else stored.rows
        found: list[Row[*tuple[Any, ...]]] = []
        try:
            for cut in cuts:
                cells = self._connection.execute(named(estimator.cells(replace(cut, kept=kept)), cut))
                for some in cells.partitions(_AT_A_TIME):
                    if census is not None:
                        census.count(some)
                    found += some
        except TooManySlices:
            if stored is not None:
                stored.drop()
            raise
        if stored is not None:
            stored.drop()
        self._read = (estimator, cuts, found)
        return found

    def _ranked(self, estimator: Estimator, cut: Cut) -> Slices:
        """The slices, ranked by their events of all time; shared like cells."""
        last, known, slices = self._sized
        if not _share_cells(last, estimator) or known != cut:
            slices = ranked(self._connection, estimator.sizes(cut), self._most)
            self._sized = (estimator, cut, slices)
        return slices


def _share_cells(one: Estimator | None, other: Estimator) -> bool:
    """Whether two estimators have the same cells for the same cut."""
    return one is not None and one.family is not None and one.family == other.family
