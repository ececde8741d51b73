"""The usual range of a daily number, worked by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from cxflow.alerts.usual import usual

DAY = date(2026, 3, 2)  # a Monday


def before(step: timedelta, *numbers: float) -> dict[date, float]:
    return {DAY - step * place: number for place, number in enumerate(numbers, start=1)}


def test_the_same_weekday_counts_and_other_days_do_not() -> None:
    # Mondays 100 110 90 100: median 100, deviations 0 10 10 0, their median 5, 4 × 1.4826 × 5 = 29.65; half of 100 is
    # more.
    mondays = before(timedelta(weeks=1), 100, 110, 90, 100)
    sundays = {DAY - timedelta(days=1 + 7 * week): 1000.0 for week in range(8)}
    assert usual({**mondays, **sundays}, DAY) == (50, 150)


def test_a_wide_spread_widens_it() -> None:
    # Median 100, deviations 60 60 40 40: median 50, 4 × 1.4826 × 50 = 296.52.
    low, high = usual(before(timedelta(weeks=1), 40, 160, 60, 140), DAY) or (None, None)
    assert (low, high) == (0, pytest.approx(396.52))


def test_one_odd_week_does_not_widen_it() -> None:
    assert usual(before(timedelta(weeks=1), 100, 100, 100, 9000, 100), DAY) == (50, 150)


def test_with_few_weeks_the_days_before_count() -> None:
    # Seven days of 20: half of 20 is 10, which is also the least.
    assert usual(before(timedelta(days=1), *[20] * 7), DAY) == (10, 30)
    assert usual(before(timedelta(days=1), *[2] * 7), DAY) == (0, 12)


def test_too_little_is_known() -> None:
    assert usual(before(timedelta(days=1), *[20] * 6), DAY) is None
    assert usual(before(timedelta(weeks=9), 20, 20, 20, 20), DAY) is None
    assert usual({DAY: 20}, DAY) is None
