"""Periods (days, weeks, months, quarters, years) in the reporting time zone, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cxflow.errors import ConfigError

Grain = Literal["day", "week", "month", "quarter", "year", "all"]

GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year", "all")
"""From the shortest period to the longest."""
DATED: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year")
"""The grains with consecutive periods: all but `all`."""
BEGINNING = date.min
"""The period_start of the grain `all`."""

_DAY = timedelta(days=1)


def period_of(grain: Grain, day: date) -> date:
    """The first day of the period that contains a day. Weeks begin on Monday, quarters in January, April, July and
    October."""
    match grain:
        case "day":
            return day
        case "week":
            return day - day.weekday() * _DAY
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case "all":
            return BEGINNING


def next_period(grain: Grain, start: date) -> date:
    """The first day of the period after the one that begins at `start`. Raises ValueError for `all`."""
    match grain:
        case "day":
            return start + _DAY
        case "week":
            return start + 7 * _DAY
        case "month":
            return period_of(grain, start + 31 * _DAY)
        case "quarter":
            return period_of(grain, start + 92 * _DAY)
        case "year":
            return period_of(grain, start + 366 * _DAY)
        case "all":
            raise ValueError("the grain 'all' has no next period")


def local_days(first: date, last: date, zone: ZoneInfo) -> set[date]:
    """The local days that the UTC days `first` to `last` (inclusive) overlap."""
    begin = datetime.combine(first, time.min, UTC).astimezone(zone).date()
    end = datetime.combine(last, time.max, UTC).astimezone(zone).date()
    return {begin + step * _DAY for step in range((end - begin).days + 1)}


@dataclass(frozen=True, slots=True)
class Period:
    """A day, week, month, quarter or year in the project's time zone."""

    grain: Grain
    """How long it is."""
    start: date
    """Its first day."""

    @property
    def end(self) -> date:
        """The day after it."""
        return next_period(self.grain, self.start)

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        return Period(self.grain, period_of(self.grain, self.start - _DAY))

    @property
    def year_ago(self) -> Period:
        """The same period a year before; of days and weeks that of 52 weeks before, so that weekdays meet."""
        if self.grain in ("day", "week"):
            return Period(self.grain, self.start - 364 * _DAY)
        return Period(self.grain, self.start.replace(year=self.start.year - 1))

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Its half-open range of time, UTC."""
        return _midnight(self.start, zone), _midnight(self.end, zone)

    def __str__(self) -> str:
        return {
            "all": "whole time",
            "day": f"{self.start}",
            "week": f"week of {self.start}",
            "month": f"{self.start:%Y-%m}",
            "quarter": f"{self.start:%Y}-Q{(self.start.month + 2) // 3}",
            "year": f"{self.start:%Y}",
        }[self.grain]


def parse_period(text: str, option: str = "--period") -> Period:
    """2026, 2026-Q1, 2026-03, 2026-W10 or 2026-03-25 as a period. Raises ConfigError, which names the option."""
    try:
        if "W" in text:
            return Period("week", date.fromisoformat(text))
        year, _, rest = text.partition("-")
        if not rest:
            return Period("year", date(int(year), 1, 1))
        if rest.startswith("Q"):
            return Period("quarter", date(int(year), 3 * int(rest[1:]) - 2, 1))
        if "-" in rest:
            return Period("day", date.fromisoformat(text))
        return Period("month", date(int(year), int(rest), 1))
    except ValueError:
        raise ConfigError(
            f"{option} is not a period: {text!r}",
            value=text,
            fix="such as 2026, 2026-Q1, 2026-03, 2026-W10 or 2026-03-25",
        ) from None


@dataclass(frozen=True, slots=True)
class Periods:
    """A set of periods of several grains."""

    starts: Mapping[Grain, frozenset[date]] | None
    """Grain to the first days of its periods; None: every period."""

    @classmethod
    def holding(cls, days: Iterable[date], and_next: bool = False) -> Periods:
        """The periods that contain the days and, with `and_next`, the periods after them."""
        days = set(days)
        starts = {grain: {period_of(grain, day) for day in days} for grain in GRAINS}
        if and_next:
            for grain in DATED:
                starts[grain] |= {next_period(grain, start) for start in starts[grain]}
        return cls({grain: frozenset(found) for grain, found in starts.items()})

    def __hash__(self) -> int:
        return hash(None if self.starts is None else frozenset(self.starts.items()))

    def __contains__(self, period: tuple[Grain, date]) -> bool:
        return self.starts is None or period[1] in self.starts[period[0]]

    def __bool__(self) -> bool:
        return self.starts is None or any(self.starts.values())

    def between(self, grain: Grain) -> tuple[date, date] | None:
        """First and last period of a grain; None if the set is unbounded or has none."""
        if self.starts is None or not self.starts[grain]:
            return None
        return min(self.starts[grain]), max(self.starts[grain])

    def spans(
        self, grains: Iterable[Grain], zone: ZoneInfo, looking_back: bool = False
    ) -> tuple[tuple[datetime, datetime], ...] | None:
        """The half-open time ranges that the periods of these grains cover, sorted and merged; None: all time.

        `looking_back` adds the period before each.
        """
        grains = tuple(grains)
        if self.starts is None or "all" in grains:
            return None
        ranges = []
        for grain in grains:
            for start in self.starts[grain]:
                begin = period_of(grain, start - _DAY) if looking_back else start
                ranges.append((begin, next_period(grain, start)))
        merged: list[tuple[date, date]] = []
        for begin, end in sorted(ranges):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return tuple((_midnight(begin, zone), _midnight(end, zone)) for begin, end in merged)


EVERY_PERIOD = Periods(None)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
