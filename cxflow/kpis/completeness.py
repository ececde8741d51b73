"""Which periods are complete: they are over, and everything that their values need is loaded.

Each source is delivered up to some instant (`stream_state.known_until`). A KPI that looks ahead needs more than its
period: whether a contact was repeated within seven days is known seven days later. So a KPI is complete up to the
earliest of its sources, less its look-ahead. `kpi_complete` keeps that instant for each source, and under the empty
name for all of them.

A published value never changes. When its period becomes complete, it is published again, with another `is_complete`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ClauseElement, Connection, Table, delete, insert, literal, select

from cxflow.kpis.delivered import ALL, Delivered
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.experience import judgement
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import BEGINNING
from cxflow.kpis.publication import CellValue, Key, publish_again
from cxflow.settings import Settings
from cxflow.warehouse.tables import CANONICAL, kpi_complete, kpi_horizon, touchpoint

SOURCE = "source"
"""The dimension of sources."""
_t = kpi_complete.c

Until = Mapping[str, datetime | None]
"""Source to the instant up to which it is complete, and ALL to that of all; None: nobody knows."""


class Completeness:
    """How far each KPI is complete, for one computation."""

    def __init__(self, connection: Connection, settings: Settings, delivered: Delivered) -> None:
        self._connection, self._delivered = connection, delivered
        self._zone = ZoneInfo(settings.project.timezone)
        self._before: dict[tuple[str, int], dict[str, datetime | None]] = {}
        for row in connection.execute(select(kpi_complete)):
            self._before.setdefault((row.kpi, row.version), {})[row.source] = row.complete_until
        self._horizons = {
            (row.horizon, row.source): row.at for row in connection.execute(select(kpi_horizon))
        }
        self._found: dict[tuple[str, int], Until] = {}
        self._feeding: dict[str, Set[str]] = {}

    def end_of(
        self,
        kpi: Kpi,
        estimator: Estimator,
        dimensions: Collection[str],
        counted: Mapping[Key, CellValue] | None = None,
    ) -> date:
        """The day before which a KPI's periods are complete, in the reporting time zone.

        Its sources are those of the events that it counts (`counted`: the cells that were counted just now) and those
        with other rows that it reads. One that is `ended`, or not configured any more, has delivered all that it will.
        """
        before: Iterable[str] = self._before.get((kpi.name, kpi.version), {})
        found = {key: cell for key, cell in (counted or {}).items() if key[2] == SOURCE and cell.n}
        if counted is not None and "all" in kpi.grains:
            # The whole time is counted whenever anything is: a source whose events are gone is none any more.
            before, found = (), {key: cell for key, cell in found.items() if key[0] == "all"}
        others = (self._sources_of(name) for name in _others(estimator, SOURCE in dimensions))
        sources = {*before, *(name for *_, name in found)}.union(*others) & self._delivered.awaited
        sources |= self._sources_of_children(estimator, sources)
        ahead = estimator.look_ahead
        until: Until = {source: self._known(source, estimator) for source in sorted(sources)}
        until = {source: at and at - ahead for source, at in until.items()}
        known = [at for at in until.values() if at is not None]
        all_ = min([self._delivered.now - ahead, *known]) if len(known) == len(until) else None
        until = {**until, ALL: all_}
        self._found[kpi.name, kpi.version] = until
        return self._day(until)

    def move(self, kpi: Kpi, estimator: Estimator, dimensions: Collection[str]) -> None:
        """Note how far a KPI is complete of which nothing was counted just now."""
        if (kpi.name, kpi.version) in self._before:
            self.end_of(kpi, estimator, dimensions)

    def forget(self, kpi: Kpi) -> None:
        """Note that a KPI has no events any more: it is as one that never had any."""
        self._found[kpi.name, kpi.version] = {}

    def keep(self) -> None:
        """Store how far the KPIs are complete. Publish the values again whose period is complete now, or no longer."""
        moved = []
        for (kpi, version), until in self._found.items():
            before = self._before.get((kpi, version), {})
            if until == before:
                continue
            self._connection.execute(delete(kpi_complete).where(_t.kpi == kpi))
            if not until:
                continue
            rows = [
                {"kpi": kpi, "version": version, "source": source, "complete_until": at}
                for source, at in until.items()
            ]
            self._connection.execute(insert(kpi_complete), rows)
            earlier, now = self._day(before) if before else BEGINNING, self._day(until)
            if not before or earlier != now:
                moved.append((kpi, version, min(earlier, now), now))
        if moved:
            publish_again(self._connection, moved, self._delivered.now)

    def _known(self, source: str, estimator: Estimator) -> datetime | None:
        """Up to when a source is known: as far as it is delivered, and no further than a KPI that looks ahead looks."""
        horizons = (reach.horizon for reach in estimator.reach.values() if reach.horizon is not None)
        seen = (
            self._horizons.get((each.name, source), self._horizons.get((each.name, ALL))) for each in horizons
        )
        at = self._delivered.until.get(source)
        return None if at is None else min([at, *(each for each in seen if each is not None)])

    def _day(self, until: Until) -> date:
        at = until[ALL]
        return BEGINNING if at is None else at.astimezone(self._zone).date()

    def _sources_of_children(self, estimator: Estimator, known: Set[str]) -> Set[str]:
        """The further sources of child rows (refunds of orders) that a KPI reads."""
        fact = estimator.sliced
        children = [
            name
            for name, table in CANONICAL.items()
            if table.info["parent"]
            and table.info["parent"][0] == fact.table
            and self._sources_of(name) - known
        ]
        if not children:  # as usual; looking through the SQL takes longer than all the rest here
            return set()
        read = _tables(fact.rows)
        return set[str]().union(*(self._sources_of(name) for name in children if name in read))

    def _sources_of(self, table: str) -> Set[str]:
        """The awaited sources with rows in a canonical table."""
        if table not in self._feeding:
            source = CANONICAL[table].c.source_system
            has_rows = (
                select(literal(name)).where(select(source).where(source == name).exists())
                for name in sorted(self._delivered.awaited)
            )
            self._feeding[table] = {name for query in has_rows for name in self._connection.scalars(query)}
        return self._feeding[table]


def _tables(rows: ClauseElement) -> set[str]:
    """The tables that a query reads, in its expressions too. Each part is looked at once, however often it is used."""
    met: dict[int, ClauseElement] = {}
    open_ = [rows]
    while open_:
        found = open_.pop()
        if id(found) not in met:
            met[id(found)] = found
            open_ += found.get_children()
    return {each.name for each in met.values() if isinstance(each, Table)}


def _others(estimator: Estimator, is_by_source: bool) -> Iterator[str]:
    """The canonical tables whose sources count, beside those of the events themselves. A KPI that is not sliced by
    source does not tell the latter, so they are those of all tables that it reads."""
    own = {estimator.sliced.table, touchpoint.name} if is_by_source else set()
    judged = judgement.READ if is_by_source and judgement.NAME in estimator.reach else ()
    return (name for name in estimator.reach if name in CANONICAL and name not in own and name not in judged)
