"""Finds the periods of a KPI that loads since its last computation can have changed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select

from cxflow.kpis.cells import local_day
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.facts import Reach, Rows
from cxflow.kpis.horizons import Moved
from cxflow.kpis.periods import EVERY_PERIOD, Periods, local_days

_ABOUT = timedelta(days=2)

Touched = Mapping[str, Set[date | None]]
"""Canonical table to the UTC days whose rows changed; None stands for rows without a time."""


class Affected:
    """The periods of KPIs whose values what changed can have changed, for one computation."""

    def __init__(
        self, connection: Connection, zone: ZoneInfo, touched: Touched, moved: Mapping[str, Moved]
    ) -> None:
        """`moved`: horizon to the sources whose horizon moved."""
        self._connection, self._zone = connection, zone
        self._touched, self._moved = touched, moved
        self._first = min((day for days in touched.values() for day in days if day is not None), default=None)
        self._eventful: dict[int, tuple[Rows, list[date]]] = {}
        """By fact, so that each is asked once."""

    def by_all(self, estimator: Estimator) -> Periods:
        """The periods that anything has affected; every period if the changed days cannot tell."""
        return self._periods(estimator, self._touched, self._moved)

    def by(self, estimator: Estimator, days: Touched) -> Periods:
        """Likewise, of some of the touched days alone."""
        return self._periods(estimator, days, {})

    def _periods(self, estimator: Estimator, touched: Touched, moved: Mapping[str, Moved]) -> Periods:
        days: set[date] = set()
        for table, reach in estimator.reach.items():
            changed = touched.get(table, frozenset())
            if changed and (None in changed or not reach.is_bounded):
                return EVERY_PERIOD
            known = sorted(day for day in changed if day is not None)
            eventful = self._eventful_days(reach.since_last) if known else []
            for day in known:
                earlier = bisect_left(eventful, day)
                first = eventful[earlier - 1] if earlier else day
                before, after = (timedelta(days=math.ceil(edge)) for edge in (reach.before, reach.after))
                days |= local_days(first - before, day + after, self._zone)
            if reach.horizon is not None and (sources := moved.get(reach.horizon.name)):
                ranges = {source: span for source, span in sources.items() if span is not None}
                if len(ranges) < len(sources):
                    return EVERY_PERIOD
                days |= self._released(reach, ranges)
        return Periods.holding(days, and_next=estimator.looks_back)

    def _released(self, reach: Reach, moved: Mapping[str, tuple[datetime, datetime]]) -> set[date]:
        """The days of events whose look-ahead is over because a horizon moved, or no longer is."""
        if reach.waiting is None:
            before = timedelta(days=math.ceil(reach.before))
            return {
                day
                for low, high in moved.values()
                for day in local_days((low - before).date(), high.date(), self._zone)
            }
        event = reach.waiting.subquery()
        # The day that is waited for ends in the zone of its source.
        between = (
            (event.c.source == source) & (event.c.until >= low - _ABOUT) & (event.c.until <= high + _ABOUT)
            for source, (low, high) in moved.items()
        )
        days = select(local_day(event.c.at, self._zone.key)).where(or_(*between)).distinct()
        return set(self._connection.scalars(days))

    def _eventful_days(self, rows: Rows | None) -> list[date]:
        """The UTC days on which a fact has events, in order: those since the first that was touched, and the last one
        before it."""
        if rows is None or self._first is None:
            return []
        if id(rows) not in self._eventful:
            at = rows.subquery().c.at
            midnight = datetime.combine(self._first, time.min, UTC)
            before = select(local_day(at, "UTC")).where(at < midnight).order_by(at.desc()).limit(1)
            since = select(local_day(at, "UTC")).where(at >= midnight).distinct()
            days = [*self._connection.scalars(before), *sorted(self._connection.scalars(since))]
            self._eventful[id(rows)] = rows, days
        return self._eventful[id(rows)][1]
