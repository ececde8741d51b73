"""What is usual of a number that comes every day, from the days before: a range that a few odd days do not widen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from statistics import median
from typing import NamedTuple

WEEKS = 8
"""How many weeks back the same weekday is looked at."""
_FEWEST_WEEKS = 4
_DAYS = 28
_FEWEST_DAYS = 7
_NORMAL = 1.4826
"""The median absolute deviation times this estimates the standard deviation of normal values."""
_SPREADS, _LEAST_SHARE, _LEAST = 4, 0.5, 10


class Range(NamedTuple):
    """From and to, inclusive."""

    low: float
    high: float


def usual(numbers: Mapping[date, float], day: date) -> Range | None:
    """The range that the number of a day is usually in; None if too little is known.

    From the same weekday of the last eight weeks if there are at least four, else from at least seven of the last
    28 days: the median ± 4 robust standard deviations (median absolute deviation), at least half the median, and at
    least 10. It does not go below 0.
    """
    weekdays = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    before = [numbers[each] for each in weekdays if each in numbers]
    if len(before) < _FEWEST_WEEKS:
        days = [day - timedelta(days=step) for step in range(1, _DAYS + 1)]
        before = [numbers[each] for each in days if each in numbers]
        if len(before) < _FEWEST_DAYS:
            return None
    middle = median(before)
    spread = _NORMAL * median(abs(each - middle) for each in before)
    width = max(_SPREADS * spread, _LEAST_SHARE * middle, _LEAST)
    return Range(max(0.0, middle - width), middle + width)
