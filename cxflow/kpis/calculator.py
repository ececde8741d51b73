"""Recomputes what loads have changed and publishes what came out different, in the flow's transaction.

The database aggregates; Python only turns components into values and intervals. Where a KPI is a sum over events, those
of the touched days are counted, and its longer periods are summed from days: a day's load costs a day, however long
the history. Other KPIs (quantiles, customers) count the events of each period, for the whole all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, Row, TableClause, column, table

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
    keep_slices,
    news,
    published,
    versions,
)
from cxflow.kpis.slices import Census, Slices, TooManySlices, capped, is_capped, moved, ranked
from cxflow.kpis.slicing import dimensions_of
from cxflow.settings import Settings
from cxflow.warehouse import engines, pending

_KEPT = "kpi_event"
_AT_A_TIME = 20_000
"""Cells that are read before somebody looks whether there are too many."""


Cells = Sequence[Row[*tuple[Any, ...]]]
"""Cells as the database gives them: the KEY, then the components."""


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
    dimensions = {name: dimensions_of(kpi, settings) for name, kpi in kpis.items()}
    # Taken first: days that another load adds from here on stay for the next computation.
    touched = pending.take_days(connection)
    as_of = after_the_last(connection, as_of)
    standing = define(connection, kpis, dimensions, settings)
    zone = ZoneInfo(settings.project.timezone)

    known = versions(connection)
    computation = _Computation(connection, settings, as_of)
    for name, kpi in kpis.items():
        was_published = (name, kpi.version) in known
        all_of_it = everything or standing[name].is_new
        if kpi.needs is not None and not was_published:
            if connection.execute(kpi.needs.limit(1)).first() is None:
                continue
            all_of_it = True
        estimator = kpi.estimator(settings)
        periods = EVERY_PERIOD if all_of_it else affected(connection, estimator, touched, zone)
        if not periods:
            continue
        asked, before = dimensions[name], standing[name].slices
        if isinstance(estimator, Additive):
            counted = computation.of_days(kpi, estimator, asked, periods, before)
        else:
            counted = computation.of_events(kpi, estimator, asked, periods, before)
        if counted.figures or was_published:
            computation.publish(kpi, counted)
        if counted.slices != before:
            keep_slices(connection, kpi, counted.slices)
    return computation.report()


class _Counted(NamedTuple):
    """What came of a KPI's cells."""

    figures: dict[Key, Figures]
    periods: Periods
    """Whose cells these are: what is published in them and is not among the figures has no events any more."""
    moved: Mapping[str, Set[str]]
    """Slices of which the cells of every period are there, beside those."""
    slices: Slices


class _Computation:
    """One computation: what it counts and publishes, and how much that was."""

    def __init__(self, connection: Connection, settings: Settings, as_of: datetime) -> None:
        self._connection, self._as_of = connection, as_of
        self._zone, self._most = settings.project.timezone, settings.kpis.max_values
        self._min_n = settings.kpis.min_n
        self._read: tuple[Estimator | None, Sequence[Cut], Cells] = (None, (), ())
        """The cells read last: for whom, and which cuts."""
        self._sized: tuple[Estimator | None, Cut | None, Slices] = (None, None, {})
        """The slices found last, likewise."""
        self._kpis: list[str] = []
        self._computed = self._published = self._emptied = self._suppressed = 0

    def of_days(
        self, kpi: Kpi, estimator: Additive, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """A KPI in these periods, whose days are counted from events, and the rest summed from days."""
        cut = self._cut("day", estimator, dimensions, periods)
        days.count(self._connection, kpi, estimator, cut, periods)
        slices = days.slices(self._connection, kpi, self._most)
        cells = self._connection.execute(days.summed(kpi, periods, slices))
        figures = self._figures(kpi, estimator, cells.all())
        others = {} if periods == EVERY_PERIOD else moved(before, slices)
        if others:
            cells = self._connection.execute(days.summed(kpi, EVERY_PERIOD, slices, others))
            figures |= self._figures(kpi, estimator, cells.all())
        return _Counted(figures, periods, others, slices)

    def of_events(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """A KPI in these periods, each counted from events. Where a value gained or lost its name, in every period."""
        if not is_capped(before):
            try:
                return self._all_by_name(kpi, estimator, dimensions, periods, before)
            except TooManySlices:
                pass
        slices = self._ranked(estimator, self._cut(kpi.grains[0], estimator, dimensions, EVERY_PERIOD))
        if moved(before, slices):
            periods = EVERY_PERIOD
        cuts = [self._cut(grain, estimator, dimensions, periods, capped(slices)) for grain in kpi.grains]
        rows = self._rows(estimator, cuts)
        return _Counted(self._figures(kpi, estimator, rows), periods, {}, slices)

    def _all_by_name(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """The same, as long as all values keep their name. Raises TooManySlices where there may be too many."""
        census = Census(self._most)
        if "all" not in kpi.grains and periods != EVERY_PERIOD:
            # Beside these periods, there may be all that were there before.
            census.count(("", "", dimension, name) for dimension, names in before.items() for name in names)
        cuts = [self._cut(grain, estimator, dimensions, periods) for grain in kpi.grains]
        rows = self._rows(estimator, cuts, census)
        figures = self._figures(kpi, estimator, rows)
        return _Counted(figures, periods, {}, census.slices)

    def _cut(
        self,
        grain: Grain,
        estimator: Estimator,
        dimensions: Sequence[str],
        periods: Periods,
        slices: Slices | None = None,
    ) -> Cut:
        """How to cut the periods of a grain."""
        spans = periods.spans((grain,), ZoneInfo(self._zone), estimator.looks_back)
        is_every = periods.starts is None or grain == "all"
        starts = None if periods.starts is None or is_every else tuple(sorted(periods.starts[grain]))
        return Cut(grain, tuple(dimensions), self._zone, starts, spans, slices or {})

    def _rows(self, estimator: Estimator, cuts: Sequence[Cut], census: Census | None = None) -> Cells:
        """The cells of several cuts. The census counts them, and raises TooManySlices before all are read. KPIs that
        follow each other and have the same cells share them."""
        last, known, rows = self._read
        if _are_akin(last, estimator) and known == cuts:
            if census is not None:
                census.count(rows)
            return rows
        events = estimator.kept(cuts)
        stored = None if events is None else self._store(events)
        found: list[Row[*tuple[Any, ...]]] = []
        try:
            for cut in cuts:
                cells = self._connection.execute(estimator.cells(replace(cut, kept=stored)))
                for part in cells.partitions(_AT_A_TIME):
                    if census is not None:
                        census.count(part)
                    found += part
        except TooManySlices:
            self._drop(stored)
            raise
        self._drop(stored)
        self._read = (estimator, cuts, found)
        return found

    def _ranked(self, estimator: Estimator, cut: Cut) -> Slices:
        """The slices by all events there are; shared like cells."""
        last, known, slices = self._sized
        if not _are_akin(last, estimator) or known != cut:
            slices = ranked(self._connection, estimator.sizes(cut), self._most)
            self._sized = (estimator, cut, slices)
        return slices

    def _store(self, events: Rows) -> TableClause:
        """Read events once, for several cuts."""
        self._connection.execute(events.into(_KEPT, temporary=True))
        engines.of(self._connection).analyze(self._connection, _KEPT)
        return table(_KEPT, *(column(each.name, each.type) for each in events.selected_columns))

    def _drop(self, stored: TableClause | None) -> None:
        if stored is not None:
            self._connection.exec_driver_sql(f"DROP TABLE {_KEPT}")

    def _figures(self, kpi: Kpi, estimator: Estimator, rows: Cells) -> dict[Key, Figures]:
        if not rows:
            return {}
        columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
        keys = zip(*(columns.pop(name) for name in KEY), strict=True)
        estimate = estimator.estimate({name: np.array(found, dtype=float) for name, found in columns.items()})
        return dict(zip(keys, _figures(kpi, estimate, self._min_n), strict=True))

    def publish(self, kpi: Kpi, counted: _Counted) -> None:
        """What is new or different, cells that have no events any more among it."""
        current = published(self._connection, kpi, counted.periods)
        if counted.moved:
            current |= published(self._connection, kpi, EVERY_PERIOD, counted.moved)
        computed, changed = counted.figures, news(counted.figures, current)
        insert_values(self._connection, kpi, changed, self._as_of)
        self._kpis.append(kpi.name)
        self._computed += len(computed)
        self._published += len(changed)
        self._emptied += sum(key not in computed for key in changed)
        self._suppressed += sum(figures.is_suppressed for figures in computed.values())

    def report(self) -> KpiReport:
        """What it did."""
        return KpiReport(
            as_of=self._as_of,
            kpis=tuple(self._kpis),
            computed=self._computed,
            published=self._published,
            emptied=self._emptied,
            unchanged=self._computed - (self._published - self._emptied),
            suppressed=self._suppressed,
        )


def _are_akin(one: Estimator | None, other: Estimator) -> bool:
    """Whether two estimators have the same cells of the same cut."""
    return one is not None and one.family is not None and one.family == other.family


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
