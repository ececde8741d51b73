"""Publishes what one computation has counted, with its reasons and statuses, and keeps the numbers for the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from cxflow.kpis import restatement
from cxflow.kpis.alike import alike
from cxflow.kpis.completeness import Completeness
from cxflow.kpis.counting import Counted
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import BEGINNING, EVERY_PERIOD
from cxflow.kpis.publication import (
    NOTHING,
    CellValue,
    Changed,
    Key,
    changed_values,
    insert_values,
    keep_slices,
    published,
    with_events,
)
from cxflow.kpis.report import KpiReport
from cxflow.kpis.status import COMPUTED, Status, Statuses
from cxflow.settings import Settings

_WHOLE: Key = ("all", BEGINNING, "", "")


class Publisher:
    """Publishes values that are new or different, including cells that no longer have events."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        as_of: datetime,
        completeness: Completeness,
        causes: restatement.Causes,
        statuses: Statuses,
    ) -> None:
        self._connection, self._as_of = connection, as_of
        self._most_left_out = settings.kpis.max_left_out
        self._completeness, self._causes, self._statuses = completeness, causes, statuses
        self._kpis: list[str] = []
        self._failed: dict[str, str] = {}
        self._leaving_out: dict[str, tuple[int, int]] = {}
        self._computed = self._published = self._emptied = self._suppressed = 0

    def publish(self, several: Sequence[Counted]) -> None:
        """Publish KPIs, whose values are summed up."""
        current = self._current(several)
        changed = [
            self._changed(each, current[each.kpi.name])
            for each in several
            if each.values or each.plan.before.was_published
        ]
        insert_values(self._connection, changed, self._as_of)
        keep_slices(
            self._connection,
            [
                (each.kpi, each.slices)
                for each in several
                if each.slices != each.plan.before.definition.slices
            ],
        )
        # A KPI may have values of nothing but events that it leaves out.
        counting = {each.kpi.name for each in several if any(value.n for value in each.values.values())}
        undecided = [each.kpi for each in several if each.kpi.name not in counting]
        if undecided:
            counting |= with_events(self._connection, undecided)
        for each in several:
            if each.kpi.name in counting:
                self._statuses.note(each.kpi, COMPUTED)
            else:
                self._completeness.forget(each.kpi)
                self._statuses.note_without_events(each.kpi)

    def fail(self, kpi: Kpi, reason: str) -> None:
        """Note that a KPI could not be computed."""
        self._failed[kpi.name] = reason
        self._statuses.note(kpi, Status("failed", reason))

    def _current(self, several: Sequence[Counted]) -> dict[str, dict[Key, CellValue]]:
        """KPI to its published values in the periods that were counted."""
        found: dict[str, dict[Key, CellValue]] = {}
        for group in alike(several, lambda each: (each.periods, each.kpi.grains)):
            first = group[0]
            kpis = [each.kpi for each in group]
            found |= published(self._connection, kpis, first.kpi.grains, first.periods)
        for each in several:
            if each.moved:
                more = published(self._connection, [each.kpi], each.kpi.grains, EVERY_PERIOD, each.moved)
                found[each.kpi.name] |= more[each.kpi.name]
        return found

    def _changed(self, counted: Counted, current: dict[Key, CellValue]) -> Changed:
        """The values of a KPI that differ from the current ones."""
        kpi, estimator, before = counted.kpi, counted.plan.estimator, counted.plan.before
        end: date = self._completeness.end_of(kpi, estimator, before.dimensions, counted.values)
        values = changed_values(counted.values, current)
        # A new cell replaces nothing, unless it is of a version that follows another.
        restated = [key for key in values if key in current or before.is_next_version]
        because = counted.plan.because
        why = dict.fromkeys(restated, because) if because else self._causes.of(estimator).why(restated)
        self._kpis.append(kpi.name)
        self._computed += len(counted.values)
        self._published += len(values)
        self._emptied += sum(key not in counted.values for key in values)
        self._suppressed += sum(value.is_suppressed for value in counted.values.values() if value.n)
        whole = counted.values.get(_WHOLE, NOTHING)
        left_out = whole.left_out or 0
        if left_out > self._most_left_out * (whole.n + left_out):
            self._leaving_out[kpi.name] = (whole.n, left_out)
        return Changed(kpi, values, end, why)

    def report(self) -> KpiReport:
        """The report of this computation."""
        return KpiReport(
            as_of=self._as_of,
            kpis=tuple(self._kpis),
            computed=self._computed,
            published=self._published,
            emptied=self._emptied,
            unchanged=self._computed - (self._published - self._emptied),
            suppressed=self._suppressed,
            failed=self._failed,
            leaving_out=self._leaving_out,
        )
