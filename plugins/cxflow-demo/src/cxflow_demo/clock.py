"""The simulated period and the company's clock. Every simulator module reads time through it.

Moments are aware UTC datetimes with whole seconds; days are local dates in Europe/Madrid.
"""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

ZONE_NAME = "Europe/Madrid"
ZONE = ZoneInfo(ZONE_NAME)

FIRST = date(2026, 1, 1)
MOVED = date(2026, 3, 2)
"""The first day on which calls come through Twilio, which keeps events for 30 days: at the end of the last day, all."""
LAST = date(2026, 3, 31)
DAILY_START = date(2026, 3, 28)
"""The first of the days that are delivered one by one, over a change of clocks; everything earlier is history."""

LATER = time(0, 5)
"""When services are read, of the day before; exports are read at midnight."""

DAYS = tuple(FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
DAILY = tuple(day for day in DAYS if day >= DAILY_START)
HOLIDAYS = frozenset({date(2026, 1, 1), date(2026, 1, 6)})

# Opening hours of the call centre by weekday, Monday first, in local time; None: closed.
OPENING: tuple[tuple[int, int] | None, ...] = (*(((9, 20),) * 5), (9, 14), None)

# When people shop and write, by local hour from midnight: a late-morning and an evening peak.
HOURLY = (5, 2, 1, 1, 1, 2, 6, 14, 26, 38, 46, 48, 44, 38, 32, 34, 40, 46, 50, 56, 60, 58, 40, 18)


def at(day: date, hours: float) -> datetime:
    """The moment, in UTC, of a local wall-clock time given in hours since midnight."""
    wall = datetime.combine(day, time(), ZONE) + timedelta(seconds=round(hours * 3600))
    return wall.astimezone(UTC)


def later(moment: datetime, hours: float) -> datetime:
    """The moment `hours` after another, in whole seconds."""
    return moment + timedelta(seconds=round(hours * 3600))


def local(moment: datetime) -> datetime:
    """The same moment in the company's time zone."""
    return moment.astimezone(ZONE)


def local_day(moment: datetime) -> date:
    """The company's calendar day of a moment."""
    return moment.astimezone(ZONE).date()


def in_period(moment: datetime) -> bool:
    """Whether a moment is on one of the simulated days."""
    return FIRST <= local_day(moment) <= LAST


def any_hour(rng: Random, day: date) -> datetime:
    """A moment of the day, drawn by when people are awake."""
    (hour,) = rng.choices(range(24), HOURLY)
    return at(day, hour + rng.random())


def office_hour(rng: Random, day: date) -> datetime:
    """A moment of the working day, to the minute, as typed into a CRM."""
    return at(day, (9 * 60 + rng.randrange(9 * 60)) / 60)


def open_moment(rng: Random, wanted: datetime) -> datetime:
    """The moment itself if the call centre is open then, else one on the next day that it is open.

    It is closed at night, so that no call falls into the hour that the change of clocks skips.
    """
    wall = local(wanted)
    day = wall.date()
    hours = OPENING[day.weekday()]
    if hours and day not in HOLIDAYS and hours[0] <= wall.hour < hours[1]:
        return wanted
    while True:
        day += timedelta(days=1)
        hours = OPENING[day.weekday()]
        if hours and day not in HOLIDAYS:
            # Those who found it closed call in the morning, which makes the peak of the next day.
            return at(day, hours[0] + 4.5 * rng.random() ** 1.5)


def how_many(rng: Random, mean: float) -> int:
    """A count with the spread of a Poisson variable (its normal approximation, never negative)."""
    return max(0, round(rng.gauss(mean, mean**0.5)))
