"""Finds the periods of a KPI that loads since its last computation can have changed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from cxflow.kpis.cells import local_day
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.facts import Rows
from cxflow.kpis.periods import EVERY_PERIOD, Periods, local_days

Touched = Mapping[str, Set[date | None]]
"""Canonical table to the UTC days whose rows changed; None stands for rows without a time."""


def affected(connection: Connection, estimator: Estimator, touched: Touched, zone: ZoneInfo) -> Periods:
    """The periods whose value may have changed; every period if the changed days cannot tell."""
    days: set[date] = set()
    found: dict[tuple[int, tuple[date, ...]], list[date]] = {}
    for table, reach in estimator.reach.items():
        changed = touched.get(table, frozenset())
        if changed and (None in changed or not reach.is_bounded):
            return EVERY_PERIOD
        known = sorted(day for day in changed if day is not None)
        query = id(reach.since_last), tuple(known)
        if query not in found:
            found[query] = _eventful_days(connection, reach.since_last, known)
        eventful = found[query]
        for day in known:
            earlier = bisect_left(eventful, day)
            first = eventful[earlier - 1] if earlier else day
            before, after = (timedelta(days=math.ceil(edge)) for edge in (reach.before, reach.after))
            days |= local_days(first - before, day + after, zone)
    return Periods.holding(days, and_next=estimator.looks_back)


def _eventful_days(connection: Connection, rows: Rows | None, known: Sequence[date]) -> list[date]:
    """The UTC days with events, in order: those since the first of the known days, and the last one before it."""
    if rows is None or not known:
        return []
    at = rows.subquery().c.at
    midnight = datetime.combine(min(known), time.min, UTC)
    before = select(local_day(at, "UTC")).where(at < midnight).order_by(at.desc()).limit(1)
    since = select(local_day(at, "UTC")).where(at >= midnight).distinct()
    return [*connection.scalars(before), *sorted(connection.scalars(since))]
