"""Which periods of a KPI the loads since its last computation can have changed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Set
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from cxflow.kpis.cells import local_day
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.facts import EVERYWHERE, Rows
from cxflow.kpis.periods import EVERY_PERIOD, Periods, local_days

Touched = Mapping[str, Set[date | None]]
"""Canonical table to the UTC days whose rows changed; None among them: rows without a time."""


def affected(connection: Connection, estimator: Estimator, touched: Touched, zone: ZoneInfo) -> Periods:
    """The periods whose value may be another than before; every one where days cannot tell."""
    days: set[date] = set()
    for table, reach in estimator.reach.items():
        changed = touched.get(table, frozenset())
        known = [day for day in changed if day is not None]
        if len(known) < len(changed) or (known and reach == EVERYWHERE):
            return EVERY_PERIOD
        if not known:
            continue
        before = _days_before(connection, reach.since_last) if reach.since_last is not None else []
        for day in known:
            earlier = bisect_left(before, day)
            start = before[earlier - 1] if earlier else day
            days |= local_days(_moved(start, -reach.before), _moved(day, reach.after), zone)
    return Periods.holding(days, and_next=estimator.looks_back)


def _days_before(connection: Connection, rows: Rows) -> list[date]:
    """The UTC days that have events, in order."""
    events = rows.subquery()
    return sorted(connection.scalars(select(local_day(events.c.at, "UTC")).distinct()))


def _moved(day: date, days: float) -> date:
    """The day that lies so many days away, parts of a day counting as whole ones."""
    whole = -int(-days // 1) if days > 0 else int(days // 1)
    return day + timedelta(days=whole)
