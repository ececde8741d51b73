"""Days, weeks, months, quarters, years and the time they cover."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cxflow.kpis.periods import BEGINNING, EVERY_PERIOD, Grain, Periods, local_days, next_period, period_of

MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("grain", "start", "after"),
    [
        ("day", date(2024, 2, 29), date(2024, 3, 1)),
        ("week", date(2024, 2, 26), date(2024, 3, 4)),
        ("month", date(2024, 2, 1), date(2024, 3, 1)),
        ("quarter", date(2024, 1, 1), date(2024, 4, 1)),
        ("year", date(2024, 1, 1), date(2025, 1, 1)),
    ],
)
def test_a_day_lies_in_its_period_and_the_next_one_follows(grain: Grain, start: date, after: date) -> None:
    assert period_of(grain, date(2024, 2, 29)) == start
    assert next_period(grain, start) == after


def test_quarters_and_years_follow_each_other_without_a_gap() -> None:
    """Through a leap year, a common one and the turn of a century that is none."""
    day, quarters, years = date(1899, 1, 1), [], []
    while day < date(1906, 1, 1):
        quarters += [day] if (day.month, day.day) in ((1, 1), (4, 1), (7, 1), (10, 1)) else []
        years += [day] if (day.month, day.day) == (1, 1) else []
        assert period_of("quarter", day) == quarters[-1]
        assert period_of("year", day) == years[-1]
        day += timedelta(days=1)
    assert [next_period("quarter", start) for start in quarters[:-1]] == quarters[1:]
    assert [next_period("year", start) for start in years[:-1]] == years[1:]


def test_all_has_one_period_and_none_after_it() -> None:
    assert period_of("all", date(2024, 2, 29)) == BEGINNING == date(1, 1, 1)
    with pytest.raises(ValueError, match="all"):
        next_period("all", BEGINNING)


@pytest.mark.parametrize(
    ("zone", "begins", "ends"),
    [
        # Midnight of São Paulo is 3:00 UTC; of Auckland, whose summer time ended on 6 April 2025, it is 11:00 UTC of
        # the day before in January, 12:00 in July.
        ("America/Sao_Paulo", datetime(2025, 1, 1, 3, tzinfo=UTC), datetime(2025, 7, 1, 3, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2024, 12, 31, 11, tzinfo=UTC), datetime(2025, 6, 30, 12, tzinfo=UTC)),
    ],
)
def test_quarters_begin_at_local_midnight(zone: str, begins: datetime, ends: datetime) -> None:
    periods = Periods.holding({date(2025, 2, 14), date(2025, 5, 14)})
    assert periods.spans(["quarter"], ZoneInfo(zone)) == ((begins, ends),)


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", {date(2025, 3, 10)}),
        ("Europe/Madrid", {date(2025, 3, 10), date(2025, 3, 11)}),
        ("America/Sao_Paulo", {date(2025, 3, 9), date(2025, 3, 10)}),
        ("Pacific/Kiritimati", {date(2025, 3, 10), date(2025, 3, 11)}),
    ],
)
def test_a_utc_day_reaches_into_the_local_days_that_it_overlaps(zone: str, days: set[date]) -> None:
    assert local_days(date(2025, 3, 10), date(2025, 3, 10), ZoneInfo(zone)) == days


def test_spans_are_merged_and_begin_at_local_midnight() -> None:
    # Summer time began in Madrid on 30 March 2025.
    periods = Periods.holding({date(2025, 3, 31), date(2025, 4, 1), date(2025, 6, 10)})
    assert periods.spans(["day"], MADRID) == (
        (datetime(2025, 3, 30, 22, tzinfo=UTC), datetime(2025, 4, 1, 22, tzinfo=UTC)),
        (datetime(2025, 6, 9, 22, tzinfo=UTC), datetime(2025, 6, 10, 22, tzinfo=UTC)),
    )
    assert periods.spans(["day", "month"], MADRID) == (
        (datetime(2025, 2, 28, 23, tzinfo=UTC), datetime(2025, 4, 30, 22, tzinfo=UTC)),
        (datetime(2025, 5, 31, 22, tzinfo=UTC), datetime(2025, 6, 30, 22, tzinfo=UTC)),
    )


def test_looking_back_adds_the_period_before_each() -> None:
    spans = Periods.holding({date(2025, 3, 14)}).spans(["month"], ZoneInfo("UTC"), looking_back=True)
    assert spans == ((datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)),)


def test_all_needs_all_time() -> None:
    assert Periods.holding({date(2025, 3, 14)}).spans(["day", "all"], MADRID) is None
    assert EVERY_PERIOD.spans(["day"], MADRID) is None


def test_values_that_look_back_are_affected_one_period_later_too() -> None:
    periods = Periods.holding({date(2025, 3, 14)}, and_next=True)
    assert ("month", date(2025, 4, 1)) in periods
    assert ("week", date(2025, 3, 17)) in periods
    assert ("month", date(2025, 5, 1)) not in periods
    assert ("quarter", date(2025, 4, 1)) in periods
    assert ("year", date(2026, 1, 1)) in periods


def test_no_days_hold_no_period() -> None:
    assert not Periods.holding(())
    assert EVERY_PERIOD
