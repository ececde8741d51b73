"""The edition of a report: the period that it is about, and how far the data are known. Called by `contents`.

A period that is not over is never shown as a fact: the report is about the newest one that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.kpis.periods import Grain, Period, next_period, period_of
from cxflow.kpis.read import KpiValue
from cxflow.settings import Settings
from cxflow.warehouse.tables import load_run, stream_state

TREND_PERIODS = 13
"""A year of months and the one before it; a quarter of weeks."""
_FEW = 6
"""Fewer periods than this are no trend: shorter ones are shown."""
_SHORTER: dict[Grain, Grain] = {"year": "quarter", "quarter": "month", "month": "week", "week": "day"}

Values = Callable[[Grain], Sequence[KpiValue]]
"""Reads the overall values of every KPI by grain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What one report is about."""

    project: str
    zone: ZoneInfo
    currency: str
    """ISO 4217."""
    created_at: datetime
    as_of: datetime | None
    """Values as they were published then; None: the current ones."""
    known_until: datetime | None
    """Everything known before it is loaded, by the stream that was read furthest; None: nothing was loaded."""
    period: Period | None
    """None: no period that is over has a value."""
    is_chosen: bool
    """Whether a person chose the period."""
    newer: tuple[Period, ...] = ()
    """Later periods that are over too, in which fewer than half of the KPIs have a complete value."""
    trend: tuple[Period, ...] = ()
    """Periods that are over, the last one ending with `period`."""


def known_until(connection: sa.Connection, now: datetime) -> datetime | None:
    """How far the stream that was read furthest is known, at most `now`; None if nothing was loaded."""
    position = connection.scalar(sa.select(sa.func.max(stream_state.c.position)))
    if position is None:  # only backfills, or reads without a window
        loaded = load_run.c.status == "loaded"
        position = connection.scalar(sa.select(sa.func.max(load_run.c.finished_at)).where(loaded))
    return min(position, now) if position else None


def choose(
    settings: Settings,
    values: Values,
    *,
    known: datetime | None,
    now: datetime,
    as_of: datetime | None,
    asked: Period | None,
) -> Edition:
    """The edition for `asked` or, without it, for the newest month that is over in which at least half of the KPIs
    that ever have a complete monthly value have one; else the newest such week or day.

    Raises ConfigError if the period that is asked for is not over.
    """
    zone = ZoneInfo(settings.project.timezone)
    last_day = known.astimezone(zone).date() if known else None
    period = asked
    newer: tuple[Period, ...] = ()
    if asked is not None:
        if last_day is None or asked.end > last_day:
            until = f"only known up to {last_day}" if last_day else "nothing is loaded"
            raise ConfigError(
                f"the {asked.grain} of {asked.start} is not over in the data: {until}", value=str(asked.start)
            )
    elif last_day is not None:
        for grain in ("month", "week", "day"):
            period, newer = _newest(grain, values(grain), last_day)
            if period:
                break
    return Edition(
        project=settings.project.name,
        zone=zone,
        currency=settings.project.currency,
        created_at=now,
        as_of=as_of,
        known_until=known,
        period=period,
        is_chosen=asked is not None,
        newer=newer,
        trend=_trend(period, values) if period else (),
    )


def _with_values(values: Sequence[KpiValue]) -> dict[date, set[str]]:
    """The first day of each period to the KPIs that have a value in it which is complete."""
    kpis: dict[date, set[str]] = {}
    for value in values:
        if value.value is not None and not value.is_open:
            kpis.setdefault(value.period_start, set()).add(value.kpi)
    return kpis


def _newest(
    grain: Grain, values: Sequence[KpiValue], last_day: date
) -> tuple[Period | None, tuple[Period, ...]]:
    every = _with_values(values).items()
    kpis = {start: found for start, found in every if next_period(grain, start) <= last_day}
    ever = set[str]().union(*kpis.values())
    newer: list[Period] = []
    for start in sorted(kpis, reverse=True):
        if 2 * len(kpis[start]) >= len(ever):
            return Period(grain, start), tuple(reversed(newer))
        newer.append(Period(grain, start))
    return None, ()


def _trend(period: Period, values: Values) -> tuple[Period, ...]:
    """The last periods up to the end of one: of its grain if there are enough, else of a shorter one."""
    grain, found = period.grain, _ending(period.grain, period, _starts(values(period.grain)))
    while len(found) < _FEW and grain in _SHORTER:
        grain = _SHORTER[grain]
        shorter = _ending(grain, period, _starts(values(grain)))
        found = max(found, shorter, key=len)
    return found


def _starts(values: Sequence[KpiValue]) -> set[date]:
    """The periods of which a trend can be: a quarter of the KPIs have a value, not only those of one early source."""
    kpis = _with_values(values)
    most = max(map(len, kpis.values()), default=0)
    return {start for start, found in kpis.items() if 4 * len(found) >= most}


def _ending(grain: Grain, period: Period, starts: Collection[date]) -> tuple[Period, ...]:
    """Up to TREND_PERIODS consecutive periods, the last one ending with `period` or before, from the first with a
    value on."""
    each = Period(grain, period_of(grain, date.fromordinal(period.end.toordinal() - 1)))
    each = each if each.end <= period.end else each.before
    first = min(starts, default=period.end)
    found: list[Period] = []
    while each.start >= first and len(found) < TREND_PERIODS:
        found.append(each)
        each = each.before
    return tuple(reversed(found))
