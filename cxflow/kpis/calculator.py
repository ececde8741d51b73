"""Recomputes what loads have changed and publishes what came out different, in the flow's transaction.

The database aggregates; Python only turns components into values and intervals. Where a KPI is a sum over events, those
of the touched days are counted, and its weeks, months and whole period are summed from days: a day's load costs a day,
however long the history. Other KPIs (quantiles, customers) count the events of each period, for the whole all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from cxflow.kpis import days
from cxflow.kpis.affected import affected
from cxflow.kpis.cells import KEY, Cut
from cxflow.kpis.estimators import Additive, Estimate, Estimator
from cxflow.kpis.facts import Rows
from cxflow.kpis.intervals import Array
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import EVERY_PERIOD, Grain, Periods
from cxflow.kpis.publication import (
    Figures,
    Key,
    after_the_last,
    define,
    insert_values,
    news,
    published,
    rows_of,
    versions,
)
from cxflow.settings import Settings
from cxflow.store import pending


@dataclass(frozen=True, slots=True)
class KpiReport:
    """What a computation did."""

    as_of: datetime
    """Under which moment it published."""
    kpis: tuple[str, ...]
    """The KPIs of which there was anything to recompute."""
    computed: int
    """Cells (KPI, period, slice) recomputed."""
    published: int
    """Values that were new or different."""
    emptied: int
    """Of those published, slices that have no events any more."""
    unchanged: int
    """Cells that came out as they were: not published again."""
    suppressed: int
    """Of those computed, cells under the minimum n."""


def compute(
    connection: Connection,
    settings: Settings,
    kpis: Mapping[str, Kpi],
    as_of: datetime,
    everything: bool = False,
) -> KpiReport:
    """Recompute the periods touched since the last time, and publish the values that are new or different.

    Works in the caller's transaction and commits nothing. A KPI, or a version of one, that is new to the
    warehouse is computed for all periods, and so is every one when the settings that values depend on (time zone,
    currency, `[kpis]`) are other ones. `everything` recomputes all periods of all KPIs anyway: for rows that somebody
    changed by hand.

    Raises ConfigError, before anything is written, where the settings do not fit the data.
    """
    for kpi in kpis.values():
        if kpi.check is not None:
            kpi.check(connection, settings)
    # Taken first: days that another load adds from here on stay for the next computation.
    touched = pending.take_days(connection)
    as_of = after_the_last(connection, as_of)
    new = define(connection, kpis.values(), settings)
    zone = ZoneInfo(settings.project.timezone)

    known = versions(connection)
    computation = _Computation(connection, settings, as_of)
    for name, kpi in kpis.items():
        was_published = (name, kpi.version) in known
        all_of_it = everything or name in new
        if kpi.needs is not None and not was_published:
            if connection.execute(kpi.needs.limit(1)).first() is None:
                continue
            all_of_it = True
        estimator = kpi.estimator(settings)
        periods = EVERY_PERIOD if all_of_it else affected(connection, estimator, touched, zone)
        if not periods:
            continue
        of_events, of_days = _ways(kpi, estimator)
        counted = computation.counted(kpi, estimator, of_events, periods)
        if not counted and not was_published:
            continue
        computation.kpis.append(name)
        computation.publish(kpi, of_events, periods, counted)
        if of_days:
            computation.publish(kpi, of_days, periods, computation.summed(kpi, estimator, of_days, periods))
    return computation.report()


def _ways(kpi: Kpi, estimator: Estimator) -> tuple[tuple[Grain, ...], tuple[Grain, ...]]:
    """The grains that are counted from events, and those that are summed from days."""
    if not isinstance(estimator, Additive) or "day" not in kpi.grains:
        return kpi.grains, ()
    return ("day",), tuple(grain for grain in kpi.grains if grain != "day")


class _Computation:
    """One computation: what it counts and publishes, and how much that was."""

    def __init__(self, connection: Connection, settings: Settings, as_of: datetime) -> None:
        self._connection, self._settings, self._as_of = connection, settings, as_of
        self.kpis: list[str] = []
        self._computed = self._published = self._emptied = self._suppressed = 0

    def counted(
        self, kpi: Kpi, estimator: Estimator, grains: Sequence[Grain], periods: Periods
    ) -> dict[Key, Figures]:
        """The figures of a KPI in these periods, from events."""
        zone = self._settings.project.timezone
        found: dict[Key, Figures] = {}
        for group in _queries(grains, periods):
            spans = periods.spans(group, ZoneInfo(zone), estimator.looks_back)
            cells = estimator.cells(Cut(group, kpi.dimensions, zone, spans))
            found |= self._figures(kpi, estimator, cells, periods)
        return found

    def summed(
        self, kpi: Kpi, estimator: Estimator, grains: Sequence[Grain], periods: Periods
    ) -> dict[Key, Figures]:
        """The same from the days, which must be published."""
        return self._figures(kpi, estimator, days.summed(kpi, grains, periods), periods)

    def _figures(self, kpi: Kpi, estimator: Estimator, cells: Rows, periods: Periods) -> dict[Key, Figures]:
        result = self._connection.execute(cells)
        names = tuple(result.keys())
        rows = [row for row in result.all() if (row[0], row[1]) in periods]
        if not rows:
            return {}
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        keys = zip(*(columns.pop(name) for name in KEY), strict=True)
        estimate = estimator.estimate({name: np.array(found, dtype=float) for name, found in columns.items()})
        return dict(zip(keys, _figures(kpi, estimate, self._settings.kpis.min_n), strict=True))

    def publish(
        self, kpi: Kpi, grains: Sequence[Grain], periods: Periods, computed: Mapping[Key, Figures]
    ) -> None:
        """What is new or different in these periods, cells that have no events any more among it."""
        changed = news(computed, published(self._connection, kpi, grains, periods))
        insert_values(self._connection, rows_of(kpi, changed, self._as_of))
        self._computed += len(computed)
        self._published += len(changed)
        self._emptied += sum(key not in computed for key in changed)
        self._suppressed += sum(figures.is_suppressed for figures in computed.values())

    def report(self) -> KpiReport:
        """What it did."""
        return KpiReport(
            as_of=self._as_of,
            kpis=tuple(self.kpis),
            computed=self._computed,
            published=self._published,
            emptied=self._emptied,
            unchanged=self._computed - (self._published - self._emptied),
            suppressed=self._suppressed,
        )


def _queries(grains: Sequence[Grain], periods: Periods) -> tuple[tuple[Grain, ...], ...]:
    """Which grains one statement computes: `all` needs all events, the others only those of their periods."""
    if periods == EVERY_PERIOD:
        return (tuple(grains),)
    dated = tuple(grain for grain in grains if grain != "all")
    return tuple(group for group in (dated, ("all",) if "all" in grains else ()) if group)


def _figures(kpi: Kpi, estimate: Estimate, min_n: int) -> Iterator[Figures]:
    """What to publish: under the minimum n the components stay, value and interval go."""
    is_suppressed = estimate.n < min_n

    def shown(numbers: Array) -> list[float | None]:
        return _nullable(np.where(is_suppressed, np.nan, numbers))

    return map(
        Figures,
        _nullable(estimate.numerator),
        _nullable(estimate.denominator),
        estimate.n.astype(int).tolist(),
        shown(estimate.value),
        shown(np.clip(estimate.low, kpi.lowest, kpi.highest)),
        shown(np.clip(estimate.high, kpi.lowest, kpi.highest)),
        is_suppressed.tolist(),
        _nullable(estimate.squared_deviation),
    )


def _nullable(numbers: Array) -> list[float | None]:
    return [None if number != number else number for number in numbers.tolist()]
