"""Recomputes the KPI values that loads changed and publishes those that differ, in the flow's transaction.

The database aggregates; Python only turns components into values and intervals. A KPI that is a sum over events counts
only the events of touched days, and sums longer periods from days: a day's load costs a day, however long the history.
Other KPIs (quantiles, customers) count all events of each touched period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, TableClause
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError

from cxflow.duck import MEMORY_VARIABLE, OUT_OF_MEMORY
from cxflow.errors import ConfigError
from cxflow.kpis import business_hours, days, horizons, left_out, restatement, shared, status
from cxflow.kpis.affected import Touched, affected
from cxflow.kpis.cell_values import Cells, cell_values
from cxflow.kpis.cells import Cut
from cxflow.kpis.completeness import Completeness
from cxflow.kpis.estimators import Additive, Estimator
from cxflow.kpis.experience import judgement
from cxflow.kpis.found_events import FoundEvents
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import EVERY_PERIOD, Grain, Periods
from cxflow.kpis.publication import (
    NOTHING,
    CellValue,
    Key,
    Previous,
    after_the_last,
    changed_values,
    define,
    has_events,
    insert_values,
    keep_slices,
    published,
    versions,
)
from cxflow.kpis.report import KpiReport
from cxflow.kpis.slices import Census, Slices, TooManySlices, capped, is_capped, moved, ranked
from cxflow.kpis.slicing import dimensions_of
from cxflow.model import progress
from cxflow.settings import Settings
from cxflow.warehouse import engines, pending
from cxflow.warehouse.database_errors import first_line
from cxflow.warehouse.tables import CANONICAL, customer

_KEPT = "kpi_event"
"""The temporary table of the events of all grains of a KPI."""
_TOO_LARGE = f"it needs more memory than DuckDB may take; set {MEMORY_VARIABLE} to more"
_AT_A_TIME = 20_000
"""Cells to read before each check whether there are too many."""


class KpiError(Exception):
    """The SQL of a KPI failed. The transaction is lost: compute the others in a new one, and tell it of these."""

    def __init__(self, kpis: Sequence[str], reason: str) -> None:
        super().__init__(f"{', '.join(kpis)}: {reason}")
        self.kpis = kpis
        """It and, if all its cells are theirs, too, others."""
        self.reason = reason


def compute(
    connection: Connection,
    settings: Settings,
    kpis: Mapping[str, Kpi],
    as_of: datetime,
    everything: bool = False,
    failed: Mapping[str, str] | None = None,
) -> KpiReport:
    """Recompute the periods touched since the last computation, and publish values that are new or different.

    Works in the caller's transaction and commits nothing. A new KPI, or a new version of one, is computed for all
    periods. So is a KPI if the settings that its values depend on (time zone, currency, `[kpis]`) changed, or if it
    failed the last time. `everything` recomputes all periods of all KPIs: for rows that were changed by hand.

    Each KPI stands or fails alone. One whose `check` refuses the data keeps its values, and its status says why; so do
    those in `failed`, a KPI to its reason. Raises KpiError if the SQL of one fails.
    """
    dimensions = {name: dimensions_of(kpi, settings) for name, kpi in kpis.items()}
    # Taken first: days that another load adds from now on stay for the next computation.
    noted = pending.take_days(connection)
    touched: Touched = noted.days
    # A server that has not looked at new tables yet takes them for empty, and joins them row by row for hours.
    if filled := sorted(CANONICAL if everything else touched):
        engines.of(connection).analyze(connection, *filled, customer.name)
    reaches = [kpi.estimator(settings).reach for kpi in kpis.values()]
    if any(judgement.NAME in reach for reach in reaches):
        touched = judgement.refresh(connection, settings, touched, everything)
    else:
        judgement.forget(connection)
    business_hours.refresh(connection, settings, touched, everything)
    as_of = after_the_last(connection, as_of)
    previous = define(connection, kpis, dimensions, settings)
    known = versions(connection)
    used = {
        each.horizon.name: each.horizon
        for reach in reaches
        for each in reach.values()
        if each.horizon is not None
    }
    moved_horizons = horizons.refresh(connection, used.values(), touched, everything)
    completeness = Completeness(connection, settings, as_of)
    causes = restatement.Causes(connection, noted, ZoneInfo(settings.project.timezone))
    found = FoundEvents(connection, (kpi.estimator(settings) for kpi in kpis.values()))
    computation = _Computation(connection, settings, as_of, moved_horizons, completeness, causes, found)
    for number, (name, kpi) in enumerate(_by_fact(kpis, settings)):
        progress.report("computing", number, total=len(kpis), unit="KPIs")
        if failed and name in failed:
            computation.fail(kpi, failed[name])
            continue
        earlier = [version for other, version in known if other == name and version < kpi.version]
        before = _Before(
            dimensions[name], previous[name], (name, kpi.version) in known, max(earlier, default=None)
        )
        try:
            if kpi.check is not None:
                kpi.check(connection, settings)
            computation.add(kpi, before, touched, everything)
        except ConfigError as problem:
            computation.fail(kpi, f"{problem.message}; {problem.fix}" if problem.fix else problem.message)
        except (ProgrammingError, DataError) as problem:
            raise KpiError([name], _why(problem)) from None
        except OperationalError as problem:
            if problem.orig is None or engines.of(connection).sqlstate(problem.orig) != OUT_OF_MEMORY:
                raise
            raise KpiError(_sharing(kpis, name, settings), _TOO_LARGE) from None
    found.forget()
    completeness.keep()
    return computation.report()


def _by_fact(kpis: Mapping[str, Kpi], settings: Settings) -> list[tuple[str, Kpi]]:
    """The KPIs in their order, but those of one fact, or of parts of one, together."""
    facts = {name: kpi.estimator(settings).sliced for name, kpi in kpis.items()}
    groups: dict[int, list[tuple[str, Kpi]]] = {}
    for name, kpi in kpis.items():
        groups.setdefault(id(facts[name].whole), []).append((name, kpi))
    return [each for group in groups.values() for each in group]


def _sharing(kpis: Mapping[str, Kpi], name: str, settings: Settings) -> list[str]:
    """A KPI and those that have the same cells, and so take the same memory."""
    family = kpis[name].estimator(settings).family
    others = (
        () if family is None else (n for n, each in kpis.items() if each.estimator(settings).family == family)
    )
    return sorted({name, *others})


def _why(problem: DBAPIError) -> str:
    """Why a KPI's SQL failed, without a value of the data."""
    kind = type(problem.orig).__name__
    said = f": {first_line(problem.orig)}" if isinstance(problem, ProgrammingError) else ""
    return f"its SQL fails ({kind}{said})"


class _Before(NamedTuple):
    """What is known of a KPI before it is computed."""

    dimensions: Sequence[str]
    definition: Previous
    was_published: bool
    earlier_version: int | None
    """The newest version before its own that has values; None: there is none."""

    @property
    def is_next_version(self) -> bool:
        """Whether these are the first values of a version that follows another."""
        return self.earlier_version is not None and not self.was_published


class _Counted(NamedTuple):
    """The computed cells of a KPI."""

    values: dict[Key, CellValue]
    periods: Periods
    """Their periods. A cell that is published in one of them but not among `values` no longer has events."""
    moved: Mapping[str, Set[str]]
    """Further slices, for which `values` holds the cells of every period."""
    slices: Slices


class _Computation:
    """One computation: counts and publishes KPIs, and keeps the numbers for the report."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        as_of: datetime,
        moved_horizons: Mapping[str, horizons.Moved],
        completeness: Completeness,
        causes: restatement.Causes,
        found: FoundEvents,
    ) -> None:
        self._connection, self._as_of, self._causes = connection, as_of, causes
        self._moved_horizons, self._completeness = moved_horizons, completeness
        self._zone, self._most = settings.project.timezone, settings.kpis.max_values
        self._min_n, self._most_left_out = settings.kpis.min_n, settings.kpis.max_left_out
        self._read: tuple[Estimator | None, Sequence[Cut], Cells] = (None, (), ())
        """The cells read last, with their estimator and cuts."""
        self._found = found
        self._sized: tuple[Estimator | None, Cut | None, Slices] = (None, None, {})
        """The slices found last, with their estimator and cut."""
        self._settings = settings
        self._with_rows: dict[str, bool] = {}
        """Canonical table to whether it has rows, of those looked at."""
        self._kpis: list[str] = []
        self._failed: dict[str, str] = {}
        self._leaving_out: dict[str, tuple[int, int]] = {}
        self._computed = self._published = self._emptied = self._suppressed = 0

    def add(self, kpi: Kpi, known: _Before, touched: Touched, everything: bool) -> None:
        """Compute and publish what loads changed of a KPI."""
        connection, slices = self._connection, known.definition.slices
        had_failed = status.has_failed(connection, kpi)
        every_period = everything or known.definition.is_new or had_failed
        if not known.was_published and kpi.lacks(self._settings) is not None:
            status.keep(connection, kpi, status.without_events(connection, kpi, self._settings))
            return
        if kpi.needs is not None and not known.was_published:
            if connection.execute(kpi.needs.limit(1)).first() is None:
                status.keep(connection, kpi, status.without_events(connection, kpi, self._settings))
                return
            every_period = True
        estimator = kpi.estimator(self._settings)
        if not known.was_published and self._is_empty(estimator.sliced.table):
            status.keep(connection, kpi, status.without_events(connection, kpi, self._settings))
            return
        zone = ZoneInfo(self._zone)
        periods = (
            EVERY_PERIOD
            if every_period
            else affected(connection, estimator, touched, zone, self._moved_horizons)
        )
        if not periods:
            self._completeness.move(kpi, estimator, known.dimensions)
            return
        count = self.of_days if isinstance(estimator, Additive) else self.of_events
        with shared.stored(connection, estimator.sliced.shared):
            counted = count(kpi, estimator, known.dimensions, periods, slices)
            self._leave_out(kpi, estimator, known.dimensions, counted)
        if counted.values or known.was_published:
            before = self._completeness.end_of(kpi, estimator, known.dimensions, counted.values)
            because = _because(kpi, known, everything=everything, had_failed=had_failed)
            self.publish(
                kpi,
                counted,
                before,
                because or self._causes.of(estimator),
                is_first=not known.is_next_version,
            )
        if counted.slices != slices:
            keep_slices(connection, kpi, counted.slices)
        # A KPI may have values of nothing but events that it leaves out.
        counts_some = any(value.n for value in counted.values.values()) or has_events(connection, kpi)
        if not counts_some:
            self._completeness.forget(kpi)
        found = status.COMPUTED if counts_some else status.without_events(connection, kpi, self._settings)
        status.keep(connection, kpi, found)

    def _is_empty(self, table: str) -> bool:
        """Whether a canonical table has no rows; False for none."""
        if table and table not in self._with_rows:
            self._with_rows[table] = status.has_rows(self._connection, CANONICAL[table])
        return not self._with_rows.get(table, True)

    def fail(self, kpi: Kpi, reason: str) -> None:
        """Note that a KPI could not be computed."""
        self._failed[kpi.name] = reason
        status.keep(self._connection, kpi, status.Status("failed", reason))

    def _leave_out(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], counted: _Counted
    ) -> None:
        """Count what the KPI leaves out, and add it to the cells."""
        # Not with the days before, even if the value needs them: they keep what was counted.
        cut = self._cut("day", dimensions, counted.periods)
        left_out.count(self._connection, kpi, estimator, cut, counted.periods, self._found)
        every = EVERY_PERIOD if counted.moved else counted.periods
        found = left_out.summed(self._connection, kpi, every, counted.slices)
        values = counted.values
        for key, events in found.items():
            period, (_, _, dimension, _) = (key[0], key[1]), key
            # A slice of nothing but events that are left out is none.
            if key in values or (not dimension and period in counted.periods):
                values[key] = values.get(key, NOTHING)._replace(left_out=events)
                if (
                    key[0] == "all"
                    and not dimension
                    and events > self._most_left_out * (values[key].n + events)
                ):
                    self._leaving_out[kpi.name] = (values[key].n, events)

    def of_days(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """The cells of an additive KPI: days are counted from events, longer periods summed from days."""
        assert isinstance(estimator, Additive)
        days.forget(self._connection, kpi, periods)
        events = self._found.find(estimator, periods, lambda some: self._cut("day", dimensions, some))
        cut = self._cut("day", dimensions, periods)
        days.count(self._connection, kpi, estimator, replace(cut, kept=events))
        slices = days.slices(self._connection, kpi, self._most)
        cells = self._connection.execute(days.summed(kpi, estimator, periods, slices))
        values = cell_values(kpi, estimator, cells.all(), self._min_n)
        others = {} if periods == EVERY_PERIOD else moved(before, slices)
        if others:
            cells = self._connection.execute(days.summed(kpi, estimator, EVERY_PERIOD, slices, others))
            values |= cell_values(kpi, estimator, cells.all(), self._min_n)
        return _Counted(values, periods, others, slices)

    def of_events(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """The cells of a KPI, each counted from events; of every period if a value gained or lost its own slice."""
        if not is_capped(before):
            try:
                return self._all_by_name(kpi, estimator, dimensions, periods, before)
            except TooManySlices:
                pass
        slices = self._ranked(estimator, self._cut(kpi.grains[0], dimensions, EVERY_PERIOD))
        if moved(before, slices):
            periods = EVERY_PERIOD
        back, own = estimator.looks_back, capped(slices)
        cuts = [self._cut(grain, dimensions, periods, own, looks_back=back) for grain in kpi.grains]
        rows = self._rows(estimator, cuts)
        return _Counted(cell_values(kpi, estimator, rows, self._min_n), periods, {}, slices)

    def _all_by_name(
        self, kpi: Kpi, estimator: Estimator, dimensions: Sequence[str], periods: Periods, before: Slices
    ) -> _Counted:
        """The same, with a slice for each value. Raises TooManySlices if there may be more than `kpis.max_values`."""
        census = Census(self._most)
        if "all" not in kpi.grains and periods != EVERY_PERIOD:
            # Other periods may hold all slices of the last computation.
            census.count(("", "", dimension, name) for dimension, names in before.items() for name in names)
        back = estimator.looks_back
        cuts = [self._cut(grain, dimensions, periods, looks_back=back) for grain in kpi.grains]
        rows = self._rows(estimator, cuts, census)
        values = cell_values(kpi, estimator, rows, self._min_n)
        return _Counted(values, periods, {}, census.slices)

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
        found: list[Row[*tuple[Any, ...]]] = []
        try:
            for cut in cuts:
                cells = self._connection.execute(estimator.cells(replace(cut, kept=stored)))
                for some in cells.partitions(_AT_A_TIME):
                    if census is not None:
                        census.count(some)
                    found += some
        except TooManySlices:
            self._drop(stored)
            raise
        self._drop(stored)
        self._read = (estimator, cuts, found)
        return found

    def _ranked(self, estimator: Estimator, cut: Cut) -> Slices:
        """The slices, ranked by their events of all time; shared like cells."""
        last, known, slices = self._sized
        if not _share_cells(last, estimator) or known != cut:
            slices = ranked(self._connection, estimator.sizes(cut), self._most)
            self._sized = (estimator, cut, slices)
        return slices

    def _drop(self, stored: TableClause | None) -> None:
        if stored is not None:
            self._connection.exec_driver_sql(f"DROP TABLE {stored.name}")

    def publish(
        self,
        kpi: Kpi,
        counted: _Counted,
        complete_before: date,
        because: str | restatement.CausesOfKpi,
        *,
        is_first: bool,
    ) -> None:
        """Publish values that are new or different, including cells that no longer have events. `because`: why those
        that replace another do, or what can have changed them. `is_first`: a new cell replaces nothing; else it
        replaces that of an earlier version."""
        current = published(self._connection, kpi, counted.periods)
        if counted.moved:
            current |= published(self._connection, kpi, EVERY_PERIOD, counted.moved)
        computed, changed = counted.values, changed_values(counted.values, current)
        restated = [key for key in changed if key in current or not is_first]
        why = dict.fromkeys(restated, because) if isinstance(because, str) else because.why(restated)
        insert_values(self._connection, kpi, changed, self._as_of, complete_before, why)
        self._kpis.append(kpi.name)
        self._computed += len(computed)
        self._published += len(changed)
        self._emptied += sum(key not in computed for key in changed)
        self._suppressed += sum(value.is_suppressed for value in computed.values() if value.n)

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


def _because(kpi: Kpi, known: _Before, *, everything: bool, had_failed: bool) -> str:
    """Why all periods of a KPI are computed; empty: what loads changed is."""
    if everything:
        return restatement.ON_REQUEST
    if known.is_next_version:
        return f"version {kpi.version} of its definition follows version {known.earlier_version}"
    if known.definition.is_new and known.definition.settings is not None:
        return restatement.of_settings(known.definition.settings, known.definition.settings_now)
    return restatement.AFTER_FAILURE if had_failed else ""


def _share_cells(one: Estimator | None, other: Estimator) -> bool:
    """Whether two estimators have the same cells for the same cut."""
    return one is not None and one.family is not None and one.family == other.family
