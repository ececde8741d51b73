"""Horizons: how far each source is known, for KPIs that look ahead (is there a repeat within seven days?).

What a source has not delivered yet has not happened for it. So the horizon is the time of each source's own newest
event, not that of any source, and not now: a help desk that is a week behind must not turn its newest tickets into
successes because the telephone system is up to date.

What may come from any system (does a customer who read the help pages write or call after all?) is known only as far as
all of them are. That is how far they are delivered: a source that few customers use may have no event for weeks.

`kpi_horizon` keeps the horizons between computations. So a load reads only the days that it touched to find them, and
knows which events it released: those between a horizon's old and its new place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from cxflow.kpis.delivered import ALL, Delivered
from cxflow.warehouse.tables import kpi_horizon

_t = kpi_horizon.c

Moved = Mapping[str, tuple[datetime, datetime] | None]
"""Source to its earlier and its later horizon, where a load moved it forward or back. None: it had none, or has none
any more, so that no day tells what it releases."""


@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """What tells how far a source is known."""

    name: str
    """Unique among horizons."""
    events: Select[*tuple[Any, ...]]
    """The events whose newest counts: their `source` and `at`."""
    tables: tuple[str, ...]
    """The canonical tables that they come from; `at` is one of the row's times."""

    def known(self) -> Select[*tuple[Any, ...]]:
        """The horizon of each source, to be joined: `source` and `known_until`. A source without events has none."""
        return select(_t.source, _t.at.label("known_until")).where(_t.horizon == self.name)


@dataclass(frozen=True, slots=True, eq=False)
class HorizonOfAll:
    """How far all sources of such events are known together."""

    name: str
    """Unique among horizons."""
    each: Horizon
    """The events, and the horizon of each source."""

    def known(self) -> Select[*tuple[Any, ...]]:
        """The horizon, to be joined: one `known_until`, or no row if no source has such events."""
        return select(_t.at.label("known_until")).where(_t.horizon == self.name)


def refresh(
    connection: Connection,
    horizons: Iterable[Horizon | HorizonOfAll],
    touched: Mapping[str, Set[date | None]],
    delivered: Delivered,
    everything: bool = False,
) -> dict[str, Moved]:
    """Bring horizons up to date. Returns for each, by name, the sources whose horizon moved, and under ALL that of all.
    A source that is new or gone has none of its own, as all its days are touched."""
    wanted = {each.name: each for each in horizons}
    of_all = [each for each in wanted.values() if isinstance(each, HorizonOfAll)]
    by_source = {each.name: each for each in wanted.values() if isinstance(each, Horizon)}
    by_source |= {each.each.name: each.each for each in of_all}
    moved: dict[str, Moved] = {
        name: _refresh(
            connection, each, set().union(*(touched.get(name, ()) for name in each.tables)), everything
        )
        for name, each in by_source.items()
    }
    return moved | {each.name: _refresh_of_all(connection, each, delivered) for each in of_all}


def _stored(connection: Connection, horizon: Horizon | HorizonOfAll) -> dict[str, datetime]:
    """Source to its horizon."""
    rows = connection.execute(select(_t.source, _t.at).where(_t.horizon == horizon.name))
    return {row.source: row.at for row in rows}


def _store(
    connection: Connection,
    horizon: Horizon | HorizonOfAll,
    before: Mapping[str, datetime],
    now: Mapping[str, datetime],
) -> None:
    if now != before:
        connection.execute(delete(kpi_horizon).where(_t.horizon == horizon.name))
    if now and now != before:
        rows = [{"horizon": horizon.name, "source": source, "at": at} for source, at in sorted(now.items())]
        connection.execute(insert(kpi_horizon), rows)


def _refresh_of_all(connection: Connection, horizon: HorizonOfAll, delivered: Delivered) -> Moved:
    newest = _stored(connection, horizon.each)
    # Where nobody knows how far a source is delivered, its newest event is the best that is known.
    until = [delivered.until.get(source, newest[source]) for source in newest.keys() & delivered.awaited]
    before, now = _stored(connection, horizon), {ALL: min([delivered.now, *until])} if newest else {}
    _store(connection, horizon, before, now)
    if before == now:
        return {}
    return {ALL: (min(before[ALL], now[ALL]), max(before[ALL], now[ALL])) if before and now else None}


def _refresh(connection: Connection, horizon: Horizon, days: Set[date | None], everything: bool) -> Moved:
    before = _stored(connection, horizon)
    if before and not days and not everything:
        return {}
    now = None
    if before and not everything and None not in days:
        since = datetime.combine(min(day for day in days if day is not None), time.min, UTC)
        found = _newest(connection, horizon, since)
        # If the newest event of a source vanished, an earlier one than this is its newest now.
        if all(source in found for source, at in before.items() if at >= since):
            now = {**before, **found}
    if now is None:
        now = _newest(connection, horizon, None)
    _store(connection, horizon, before, now)
    return {
        source: (min(at, now[source]), max(at, now[source]))
        for source, at in before.items()
        if source in now and at != now[source]
    }


def _newest(connection: Connection, horizon: Horizon, since: datetime | None) -> dict[str, datetime]:
    event = horizon.events.subquery()
    newest = select(event.c.source, func.max(event.c.at)).group_by(event.c.source)
    if since is not None:
        newest = newest.where(event.c.at >= since)
    return {source: at for source, at in connection.execute(newest) if at is not None}
