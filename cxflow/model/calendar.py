"""Business calendars: when a team works, by its own clock. `settings` reads them, `kpis` counts by them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from cxflow.model.frozen import Frozen
from cxflow.model.names import known_zone, nearest

DAY = 86400
"""Seconds of a day in UTC."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LEAP_YEAR = 2000
_EPOCH = date(1970, 1, 1)

Spans = tuple[tuple[int, int], ...]
"""Half-open intervals in seconds, in order, none overlapping another."""


class Calendar(Frozen):
    """When a team works: the hours of each weekday, but not on holidays."""

    timezone: str
    """IANA time zone of its hours and its holidays."""
    hours: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Weekday, or a range of them (`monday-friday`), to the intervals of local time in which it works: `09:00-14:00`.
    A day ends at `24:00`. It does not work on a day without any."""
    holidays: tuple[date | str, ...] = ()
    """Days on which it does not work: dates, and days of every year such as `12-25`."""

    _zone = field_validator("timezone")(known_zone)

    @field_validator("hours")
    @classmethod
    def _readable(cls, hours: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not any(weekly(hours)):
            raise ValueError("it never works; give at least one weekday an interval such as 09:00-17:00")
        return hours

    @field_validator("holidays")
    @classmethod
    def _days(cls, holidays: tuple[date | str, ...]) -> tuple[date | str, ...]:
        return tuple(_holiday(day) if isinstance(day, str) else day for day in holidays)

    @property
    def most_a_day(self) -> int:
        """The largest number of intervals of a local day."""
        return max(map(len, weekly(self.hours)))

    def _local_spans(self) -> Callable[[date], Spans]:
        """From a local day to when it works on it, in seconds of that day's clock."""
        week, holidays = weekly(self.hours), frozenset(self.holidays)
        return lambda day: () if holidays & {day, f"{day:%m-%d}"} else week[day.weekday()]

    def spans(self, first: date, last: date) -> Iterator[tuple[date, Spans]]:
        """When it works on each UTC day from the first to the last: elapsed seconds after its midnight.

        It works in an instant if the local clock then reads one of its hours. So a night in which clocks are put
        forward is shorter, and one in which they are put back is longer: what they show twice counts twice.
        """
        local_spans = self._local_spans()
        begin, end = _days_since_epoch(first) * DAY, (_days_since_epoch(last) + 1) * DAY
        found: dict[int, list[tuple[int, int]]] = {}
        for start, stop, offset in _offsets(ZoneInfo(self.timezone), begin, end):
            for number in range((start + offset) // DAY, (stop + offset - 1) // DAY + 1):
                day = _EPOCH + timedelta(days=number)
                midnight = number * DAY - offset
                for opens, closes in local_spans(day):
                    _add(found, max(midnight + opens, start), min(midnight + closes, stop))
        for number in range(begin // DAY, end // DAY):
            yield _EPOCH + timedelta(days=number), tuple(found.get(number, ()))

    def longest_days(self, open_seconds: float) -> float:
        """The most days, from any instant on, until it has worked for so long; infinite for more than years of work."""
        years = [day.year for day in self.holidays if isinstance(day, date)] or [LEAP_YEAR]
        first, last = date(min(years) - 1, 1, 1), date(max(years) + 4, 12, 31)
        days = (first + timedelta(days=i) for i in range((last - first).days))
        worked = (sum(closes - opens for opens, closes in spans) for spans in map(self._local_spans(), days))
        so_far = list(accumulate(worked, initial=0))
        reached = (bisect_left(so_far, before + open_seconds) for before in so_far)
        lasting = (until - day for day, until in enumerate(reached) if until < len(so_far))
        # One for the rest of the first day, one for an hour that is missing where clocks are put forward.
        return max(lasting, default=math.inf) + 2


def weekly(hours: Mapping[str, Sequence[str]]) -> tuple[Spans, ...]:
    """When a team works on each weekday, from Monday on, in seconds of the local clock. Raises ValueError with the
    weekday or the interval that is wrong."""
    week: list[Spans] = [()] * 7
    named: dict[int, str] = {}
    for key, intervals in hours.items():
        spans = _spans(key, intervals)
        for number in _weekdays(key):
            if number in named:
                raise ValueError(f"{WEEKDAYS[number]} is both in {named[number]!r} and in {key!r}")
            named[number], week[number] = key, spans
    return tuple(week)


def _weekdays(key: str) -> list[int]:
    """The numbers of the weekdays that a key of the hours names."""
    numbers = []
    for name in key.split("-", 1):
        if name not in WEEKDAYS:
            raise ValueError(f"unknown weekday {name!r}{nearest(name, WEEKDAYS)}")
        numbers.append(WEEKDAYS.index(name))
    many = (numbers[-1] - numbers[0]) % 7
    return [(numbers[0] + i) % 7 for i in range(many + 1)]


def _spans(key: str, intervals: Sequence[str]) -> Spans:
    found = sorted((_span(key, text), text) for text in intervals)
    for ((_, closes), text), ((opens, _), following) in pairwise(found):
        if opens < closes:
            raise ValueError(f"{key}: {text} and {following} overlap")
    return tuple(span for span, _ in found)


def _span(key: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", text)
    if match is None:
        raise ValueError(f"{key}: {text!r} is not an interval such as 09:00-14:00")
    clock = [int(each) for each in match.groups()]
    opens, closes = (60 * (60 * hour + minute) for hour, minute in (clock[:2], clock[2:]))
    if max(clock[1], clock[3]) > 59 or max(opens, closes) > DAY:
        raise ValueError(f"{key}: {text} has a time that no clock shows; a day goes from 00:00 to 24:00")
    if opens >= closes:
        raise ValueError(
            f"{key}: {text} ends before it begins; write a night as two intervals, up to 24:00 and from 00:00 of "
            "the next day"
        )
    return opens, closes


def _holiday(text: str) -> date | str:
    """A date, or a month and a day as they are."""
    is_of_every_year = re.fullmatch(r"\d\d-\d\d", text)
    try:
        day = date.fromisoformat(f"{LEAP_YEAR}-{text}" if is_of_every_year else text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a date nor a day of every year such as 12-25") from None
    return text if is_of_every_year else day


def _days_since_epoch(day: date) -> int:
    return (day - _EPOCH).days


def _offsets(zone: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """A time range, in seconds since 1970, cut where the zone changes its clocks: start, end, and the seconds by which
    local clocks are ahead of UTC."""

    def ahead(second: int) -> int:
        offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
        return int((offset or timedelta()).total_seconds())

    start, current = begin, ahead(begin)
    for midnight in range(begin, end, DAY):
        following = ahead(midnight + DAY)
        if following != current:
            before, after = midnight, midnight + DAY
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if ahead(middle) == current else (before, middle)
            yield start, after, current
            start, current = after, following
    yield start, end, current


def _add(found: dict[int, list[Any]], opens: int, closes: int) -> None:
    """Add an interval in seconds since 1970 to its UTC days, joined to the one that ends where it begins."""
    while opens < closes:
        number = opens // DAY
        midnight = number * DAY
        until = min(closes, midnight + DAY)
        spans = found.setdefault(number, [])
        if spans and spans[-1][1] == opens - midnight:
            spans[-1] = (spans[-1][0], until - midnight)
        else:
            spans.append((opens - midnight, until - midnight))
        opens = until
