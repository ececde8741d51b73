"""Finds what somebody should look at, in the ledger, the cursors and the published KPI values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cxflow.alerts.alert import Alert
from cxflow.alerts.usual import WEEKS, usual
from cxflow.kpis.scan import scan
from cxflow.settings import Settings
from cxflow.warehouse.tables import kpi_definition, kpi_value, load_run, pending_kpi, stream_state

_SLACK = 2.5
"""A stream is late after so many of the usual time between two scheduled loads: one may fail, and be made up for."""
_FEWEST_LOADS = 4
_NEWS = ("inserted", "updated", "deleted", "quarantined")

_Loads = Mapping[str, Sequence[sa.Row[Any]]]
"""CONNECTION.STREAM to its latest loads and stops, oldest first."""


def find(connection: sa.Connection, settings: Settings, now: datetime) -> list[Alert]:
    """All alerts of an instant, by kind and place. Streams of connections that ended, or are not configured, have
    none."""
    loads = _loads(connection, settings, now)
    return [
        *_stopped(loads),
        *_late(connection, settings, loads, now),
        *_odd_days(settings, loads, now),
        *_kpis_late(connection, settings, loads, now),
        *_changed(connection, settings),
    ]


def _loads(connection: sa.Connection, settings: Settings, now: datetime) -> _Loads:
    """The loads of the weeks that matter, of all streams that are still read."""
    t = load_run.c
    since = now - timedelta(weeks=WEEKS + 1)
    rows = connection.execute(
        sa.select(t.source_system, t.source_object, t.batch_id, t.mode, t.status, t.window_end, t.finished_at)
        .add_columns(t.quarantined, sum((t[name] for name in _NEWS[1:]), t[_NEWS[0]]).label("news"))
        .where(t.finished_at >= since, t.finished_at <= now, t.mode.in_(("scheduled", "backfill")))
        .order_by(t.finished_at, t.batch_id)
    )
    found = defaultdict(list)
    for row in rows:
        table = settings.connections.get(row.source_system)
        if table is not None and table.get("ended") is not True:
            found[f"{row.source_system}.{row.source_object}"].append(row)
    return dict(sorted(found.items()))


def _stopped(loads: _Loads) -> Iterator[Alert]:
    """Only the next scheduled run reads again what was stopped; who runs a backfill sees that it was."""
    for place, rows in loads.items():
        last = next((row for row in reversed(rows) if row.mode == "scheduled"), None)
        if last is not None and last.status == "stopped":
            yield Alert(
                "gate closed",
                place,
                last.batch_id,
                f"the gate stopped batch {last.batch_id}; nothing of it is loaded",
                f"cxflow run --dry-run --landed {place}",
            )


def _late(connection: sa.Connection, settings: Settings, loads: _Loads, now: datetime) -> Iterator[Alert]:
    t = stream_state.c
    for state in connection.execute(
        sa.select(t.source_system, t.source_object, t.position).order_by(t.source_system, t.source_object)
    ):
        place = f"{state.source_system}.{state.source_object}"
        if place not in loads or state.position is None:
            continue
        limit = _limit(settings, state.source_system, place, loads[place])
        position = state.position
        if limit is not None and now - position > limit:
            yield Alert(
                "late",
                place,
                "",
                f"loaded up to {_shown(position, settings)}, and not for {_hours(now - position)}; "
                f"more than {_hours(limit)} is late",
                "cxflow status",
            )


def _limit(settings: Settings, connection: str, place: str, rows: Iterable[sa.Row[Any]]) -> timedelta | None:
    """How far a stream may be behind: as configured, or after what is usual between its loads."""
    alerts = settings.alerts
    hours = alerts.max_age_hours_of.get(place, alerts.max_age_hours_of.get(connection, alerts.max_age_hours))
    if hours is not None:
        return timedelta(hours=hours)
    ends = sorted({row.window_end for row in rows if row.mode == "scheduled" and row.status == "loaded"})
    if len(ends) < _FEWEST_LOADS:
        return None
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ends)]
    return max(timedelta(seconds=_SLACK * median(gaps)), timedelta(hours=1))


def _odd_days(settings: Settings, loads: _Loads, now: datetime) -> Iterator[Alert]:
    """Odd volumes and refusals of the last day that is over."""
    zone = ZoneInfo(settings.project.timezone)
    day = now.astimezone(zone).date() - timedelta(days=1)
    for place, rows in loads.items():
        news: dict[date, float] = defaultdict(float)
        refused: dict[date, float] = defaultdict(float)
        for row in rows:
            if row.mode == "scheduled" and row.status == "loaded":
                loaded_on = row.finished_at.astimezone(zone).date()
                news[loaded_on] += row.news
                refused[loaded_on] += row.quarantined
        if day not in news:
            continue
        expected = usual(news, day)
        if expected is not None and not expected.low <= news[day] <= expected.high:
            much = "many" if news[day] > expected.high else "few"
            yield Alert(
                "volume",
                place,
                day.isoformat(),
                f"unusually {much} records were new or changed on {day}: {news[day]:,.0f}; usual are "
                f"{expected.low:,.0f} to {expected.high:,.0f}",
                "cxflow status",
            )
        expected = usual(refused, day)
        if expected is not None and refused[day] > expected.high:
            yield Alert(
                "refusals",
                place,
                day.isoformat(),
                f"{refused[day]:,.0f} records were refused on {day}; usual are at most {expected.high:,.0f}",
                f"cxflow quarantine list {place}",
            )


def _kpis_late(
    connection: sa.Connection, settings: Settings, loads: _Loads, now: datetime
) -> Iterator[Alert]:
    """After the time of day when they are to be there: nothing was loaded today, or its KPIs are not computed."""
    deadline = settings.alerts.kpis_by
    local = now.astimezone(ZoneInfo(settings.project.timezone))
    if deadline is None or local.time() < deadline:
        return
    today = local.date()
    if not any(
        row.finished_at.astimezone(local.tzinfo).date() == today and row.status == "loaded"
        for rows in loads.values()
        for row in rows
    ):
        why = "nothing was loaded today"
    elif connection.execute(sa.select(pending_kpi.c.day).limit(1)).first() is None:
        return
    else:
        published = connection.scalar(sa.select(sa.func.max(kpi_value.c.as_of)))
        if published is not None and published.astimezone(local.tzinfo).date() == today:
            return  # today's are there, and a load has just brought more
        why = "what was loaded is not computed"
    yield Alert(
        "KPIs late", "kpis", today.isoformat(), f"not there by {deadline:%H:%M}: {why}", "cxflow status"
    )


def _changed(connection: sa.Connection, settings: Settings) -> Iterator[Alert]:
    found = scan(connection, most_left_out=settings.kpis.max_left_out)
    t = kpi_definition.c
    titles = {
        row.kpi: row.title
        for row in connection.execute(sa.select(t.kpi, t.title, t.version).order_by(t.version))
    }
    for each in found.called:
        earlier, later, change = each.earlier, each.later, each.change
        if earlier is None or later is None or change is None:
            continue
        yield Alert(
            "KPI changed",
            later.kpi,
            f"{found.grain} {later.period_start}",
            f"{titles.get(later.kpi, later.kpi)} went from {earlier.value:,.4g} to {later.value:,.4g} in the "
            f"{found.grain} of {later.period_start}",
            f"cxflow explain {later.kpi} --period {_period(found.grain, later.period_start)} --against "
            f"{_period(found.grain, earlier.period_start)}",
        )


def _period(grain: str, start: date) -> str:
    """A period as the options of commands take it."""
    match grain:
        case "month":
            return f"{start:%Y-%m}"
        case "week":
            return f"{start:%G-W%V}"
        case _:
            return start.isoformat()


def _shown(instant: datetime, settings: Settings) -> str:
    return f"{instant.astimezone(ZoneInfo(settings.project.timezone)):%Y-%m-%d %H:%M}"


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:,.0f} hours" if hours >= 3 else f"{60 * hours:,.0f} minutes"
