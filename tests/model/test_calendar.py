"""Business calendars: which hours are refused, and when a team works in UTC."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from cxflow.model.calendar import Calendar

HOUR = 3600
MADRID = {"timezone": "Europe/Madrid"}


def spans(day: str, hours: dict[str, tuple[str, ...]], **more: object) -> list[tuple[float, float]]:
    """When such a team works on a UTC day, in hours after its midnight."""
    calendar = Calendar.model_validate({**MADRID, "hours": hours, **more})
    [(_, found)] = calendar.spans(date.fromisoformat(day), date.fromisoformat(day))
    return [(opens / HOUR, closes / HOUR) for opens, closes in found]


WRONG = {
    "unknown weekday 'mondy'; did you mean 'monday'?": {"mondy": ["09:00-14:00"]},
    "unknown weekday 'fri'; did you mean 'friday'?": {"monday-fri": ["09:00-14:00"]},
    "wednesday is both in 'monday-friday' and in 'wednesday'": {
        "monday-friday": ["09:00-14:00"],
        "wednesday": ["10:00-12:00"],
    },
    "monday: 09:00-14:00 and 13:30-18:00 overlap": {"monday": ["13:30-18:00", "09:00-14:00"]},
    "monday: 18:00-09:00 ends before it begins": {"monday": ["18:00-09:00"]},
    "monday: 09:00-09:00 ends before it begins": {"monday": ["09:00-09:00"]},
    "monday: 09:00-24:01 has a time that no clock shows": {"monday": ["09:00-24:01"]},
    "monday: 09:60-10:00 has a time that no clock shows": {"monday": ["09:60-10:00"]},
    "monday: '9-18' is not an interval such as 09:00-14:00": {"monday": ["9-18"]},
    "it never works": {"monday-sunday": []},
}


@pytest.mark.parametrize("message", WRONG)
def test_hours_that_no_team_can_work_are_refused(message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Calendar.model_validate({**MADRID, "hours": WRONG[message]})
    assert message in str(refused.value)


@pytest.mark.parametrize("day", ["2026-02-29", "13-01", "02-30", "Christmas", "2026"])
def test_a_holiday_is_a_date_or_a_day_of_every_year(day: str) -> None:
    with pytest.raises(ValidationError, match="is neither a date nor a day of every year such as 12-25"):
        Calendar.model_validate({**MADRID, "hours": {"monday": ["09:00-14:00"]}, "holidays": [day]})


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="did you mean 'Europe/Madrid'"):
        Calendar.model_validate({"timezone": "Europe/Madird", "hours": {"monday": ["09:00-14:00"]}})


def test_hours_are_those_of_the_local_clock_in_summer_and_in_winter() -> None:
    hours = {"monday-friday": ("09:00-14:00", "16:00-19:00")}
    assert spans("2026-01-14", hours) == [(8, 13), (15, 18)]
    assert spans("2026-07-15", hours) == [(7, 12), (14, 17)]
    assert spans("2026-07-18", hours) == []  # a Saturday


def test_a_week_may_be_named_across_its_end() -> None:
    hours = {"saturday-monday": ("10:00-12:00",)}
    assert [bool(spans(f"2026-07-{day}", hours)) for day in (17, 18, 19, 20, 21)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_holidays_are_dates_and_days_of_every_year() -> None:
    hours, holidays = {"monday-sunday": ("10:00-12:00",)}, ["12-25", "2026-01-06"]
    found = {
        day: bool(spans(day, hours, holidays=holidays))
        for day in ("2025-12-25", "2026-12-25", "2026-01-06", "2027-01-06")
    }
    assert found == {"2025-12-25": False, "2026-12-25": False, "2026-01-06": False, "2027-01-06": True}


def test_a_night_is_one_interval_of_its_utc_day() -> None:
    # From 22:00 to 06:00 in Madrid is 20:00 to 04:00 UTC in summer.
    hours = {"monday-sunday": ("00:00-06:00", "22:00-24:00")}
    assert spans("2026-07-15", hours) == [(0, 4), (20, 24)]


def test_where_clocks_are_put_forward_the_night_is_an_hour_shorter() -> None:
    # On 29 March 2026 in Madrid, 02:00 (01:00 UTC) becomes 03:00: 00:00–06:00 lasts from 23:00 to 04:00 UTC. The clock
    # never shows 02:30; a team that begins then begins at 03:00.
    assert spans("2026-03-29", {"sunday": ("00:00-06:00",)}) == [(0, 4)]
    assert spans("2026-03-28", {"sunday": ("00:00-06:00",)}) == [(23, 24)]
    assert spans("2026-03-29", {"sunday": ("02:30-04:00",)}) == [(1, 2)]
    assert spans("2026-03-29", {"sunday": ("02:00-03:00",)}) == []


def test_where_clocks_are_put_back_an_hour_counts_twice() -> None:
    # On 25 October 2026 in Madrid, 03:00 (01:00 UTC) becomes 02:00.
    assert spans("2026-10-25", {"sunday": ("00:00-06:00",)}) == [(0, 5)]
    assert spans("2026-10-25", {"sunday": ("02:00-02:30",)}) == [(0, 0.5), (1, 1.5)]


def test_the_longest_wait_spans_weekends_and_holidays() -> None:
    # Eight hours of work from Maundy Thursday on end on the Tuesday after: Friday to Monday are free.
    calendar = Calendar.model_validate(
        {
            **MADRID,
            "hours": {"monday-friday": ["09:00-17:00"]},
            "holidays": ["2026-04-03", "2026-04-06"],
        }
    )
    assert 5 <= calendar.longest_days(8 * HOUR) <= 8
    assert calendar.longest_days(1e12) == float("inf")
