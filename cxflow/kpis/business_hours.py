"""Business minutes: how long a team worked between two instants, by the calendar of the source.

`business_hours` has, for each calendar and UTC day, when the team works and for how long it had worked before that day.
So the open time up to an instant follows from one row of it, and that between two instants is a difference, whatever
lies between them: nights, holidays, changed clocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from datetime import UTC, date, datetime
from functools import reduce
from operator import add
from typing import NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
)

from cxflow.kpis.facts import Rows
from cxflow.model.calendar import DAY, Calendar
from cxflow.settings import Settings
from cxflow.warehouse import applied, engines
from cxflow.warehouse.functions import sorted_array
from cxflow.warehouse.tables import business_hours, support_case

NO_CALENDAR = "without a business calendar"
"""Why cases are left out: their source has none."""
_WHAT = business_hours.name
_EPOCH = date(1970, 1, 1)
_t = support_case.c
_TIMES = (_t.opened_at, _t.first_reply_at, _t.first_solved_at, _t.last_solved_at)

Touched = Mapping[str, Set[date | None]]


class Hours(NamedTuple):
    """Which calendar times the cases of which source."""

    calendars: tuple[tuple[str, str], ...]
    """Connection and the name of its calendar, sorted."""
    most: int
    """How many intervals a UTC day may have."""

    @property
    def sources(self) -> list[str]:
        """The connections with a calendar."""
        return [source for source, _ in self.calendars]


def hours(settings: Settings) -> Hours:
    """The calendars in use."""
    named = ((name, tree.get("calendar")) for name, tree in sorted(settings.connections.items()))
    calendars = tuple((name, str(calendar)) for name, calendar in named if calendar)
    # A UTC day meets two local days; where clocks change, three, or an hour twice.
    most = max((3 * settings.calendars[calendar].most_a_day for _, calendar in calendars), default=0)
    return Hours(calendars, most)


def described(settings: Settings) -> object:
    """The calendars in use with their hours, for `Kpi.depends_on`."""
    used = dict(hours(settings).calendars)
    return {
        "calendars": {
            name: settings.calendars[name].model_dump(mode="json") for name in sorted(set(used.values()))
        },
        "sources": used,
    }


def lacking(settings: Settings) -> str | None:
    """Why nothing can be timed, or None, for `Kpi.lacks`."""
    return None if hours(settings).calendars else "no connection names a calendar of [calendars]"


def with_open_minutes(rows: Rows, since: str, used: Hours, **until: str) -> Rows:
    """Rows with `source`, and for each label in `until` the minutes that its team worked from `since` to then: columns
    with seconds since 1970. They are null where either is null, or the source has no calendar."""
    row = rows.subquery()
    calendar = case(dict(used.calendars), value=row.c.source) if used.calendars else cast(null(), String)
    joined: FromClause = row

    def worked_until(name: str) -> ColumnElement[float]:
        nonlocal joined
        day, at = business_hours.alias(), row.c[name]
        number = cast(func.floor(at / DAY), Integer)
        joined = joined.outerjoin(day, and_(day.c.calendar == calendar, day.c.day == number))
        return _worked(day, at, used.most)

    before = worked_until(since)
    minutes = [((worked_until(name) - before) / 60).label(label) for label, name in until.items()]
    return select(row, *minutes).select_from(joined)


def _worked(day: FromClause, at: ColumnElement[float], most: int) -> ColumnElement[float]:
    """For how long a calendar had worked up to an instant of its day. An interval that the day does not have is null,
    and adds nothing."""
    second = at - cast(day.c.day, Double) * DAY
    until = (
        func.greatest(func.least(second, day.c.closes[i]) - day.c.opens[i], 0.0) for i in range(1, most + 1)
    )
    return reduce(add, until, day.c.seconds_before)


def refresh(connection: Connection, settings: Settings, touched: Touched, everything: bool) -> None:
    """Make the table hold the calendars in use, over whole years that hold all times of cases."""
    used = hours(settings)
    if not used.calendars:
        applied.forget(connection, _WHAT)
        connection.execute(delete(business_hours))
        return
    is_other = applied.is_first(connection, _WHAT, json.dumps(described(settings), sort_keys=True))
    first, last = _stored(connection)
    touched_days = touched.get(support_case.name, frozenset())
    needed = [day for day in touched_days if day is not None]
    if everything or is_other or None in touched_days:
        needed += _of_all_cases(connection)
    if is_other or any(first is None or last is None or not first <= day <= last for day in needed):
        known = [day.year for day in (first, last, *needed) if day is not None]
        years = range(min(known), max(known) + 1) if known else ()
        connection.execute(delete(business_hours))
        for name in sorted({calendar for _, calendar in used.calendars}):
            _write(connection, name, settings.calendars[name], years)
        engines.of(connection).analyze(connection, business_hours.name)


def _stored(connection: Connection) -> tuple[date | None, date | None]:
    """The first and the last day of the table."""
    ends = connection.execute(select(func.min(business_hours.c.day), func.max(business_hours.c.day))).one()
    first, last = (None if day is None else date.fromordinal(_EPOCH.toordinal() + day) for day in ends)
    return first, last


def _of_all_cases(connection: Connection) -> list[date]:
    """The UTC days of the earliest and the latest time of any case."""
    ends = (edge(time) for time in _TIMES for edge in (func.min, func.max))
    found: Iterable[datetime | None] = connection.execute(select(*ends)).one()
    return [at.astimezone(UTC).date() for at in found if at is not None]


def _write(connection: Connection, name: str, calendar: Calendar, years: Iterable[int]) -> None:
    before = 0
    for year in years:
        rows: list[tuple[float, ...]] = []
        for day, spans in calendar.spans(date(year, 1, 1), date(year, 12, 31)):
            number = day.toordinal() - _EPOCH.toordinal()
            # A day without hours has an empty interval.
            rows += ((number, before, opens, closes) for opens, closes in spans or ((0, 0),))
            before += sum(closes - opens for opens, closes in spans)
        arrays = (
            func.unnest(literal([float(each) for each in values], ARRAY(Double))).label(label)
            for label, values in zip(
                ("day", "before", "opens", "closes"), zip(*rows, strict=True), strict=True
            )
        )
        interval = select(*arrays).subquery().c
        query = select(
            literal(name),
            cast(interval.day, Integer),
            func.min(interval.before),
            sorted_array(interval.opens),
            sorted_array(interval.closes),
        ).group_by(interval.day)
        connection.execute(
            insert(business_hours).from_select([each.name for each in business_hours.c], query)
        )
