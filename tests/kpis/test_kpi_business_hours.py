"""Times in business minutes: the SQL against a count of minutes, and the KPIs worked by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kpi_desk import Desk, at
from sqlalchemy import Double, String, column, func, select, values

from cxflow.kpis import business_hours as table
from cxflow.kpis import status
from cxflow.settings import Settings
from cxflow.warehouse.tables import business_hours, support_case

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SUPPORT: dict[str, Any] = {
    "timezone": "Europe/Madrid",
    "hours": {"monday-friday": ["09:00-14:00", "16:00-19:00"]},
    "holidays": ["2025-03-19"],
}
"""Summer time begins on Sunday, 30 March 2025."""


def configured(calendar: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "calendars": {"support": calendar},
        "connections": {"shop": {"connector": "files", "calendar": "support"}},
        **more,
    }


# Clocks change within these forty days: forward, back, by half an hour, at midnight.
PLACES = [
    ("Europe/Madrid", date(2025, 3, 10)),
    ("Europe/Madrid", date(2025, 10, 10)),
    ("Australia/Lord_Howe", date(2025, 3, 20)),
    ("America/Santiago", date(2025, 8, 20)),
    ("America/New_York", date(2025, 10, 20)),
    ("Asia/Kolkata", date(2025, 12, 20)),
]
DAYS = 40


@st.composite
def weeks(draw: st.DrawFn) -> dict[str, list[tuple[int, int]]]:
    """Weekday to its intervals in minutes, up to three a day, some of them adjacent."""
    week = {}
    for name in WEEKDAYS:
        marks = sorted(draw(st.lists(st.integers(0, 1440), max_size=6)))
        week[name] = [(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False) if a < b]
    return week


def counted(
    zone: ZoneInfo, first: date, week: dict[str, list[tuple[int, int]]], holidays: list[date]
) -> list[int]:
    """For each UTC minute from the first day on, how many minutes before it the local clock showed one of the hours."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    is_open = []
    for minute in range(DAYS * 1440):
        local = (start + timedelta(minutes=minute)).astimezone(zone)
        now = 60 * local.hour + local.minute
        hours = () if local.date() in holidays else week[WEEKDAYS[local.weekday()]]
        is_open.append(any(begin <= now < end for begin, end in hours))
    return list(accumulate(is_open, initial=0))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(PLACES),
    week=weeks().filter(lambda week: any(week.values())),
    holidays=st.lists(st.integers(0, DAYS), max_size=4),
    pairs=st.lists(
        st.tuples(st.integers(0, DAYS * 1440), st.integers(0, DAYS * 1440)), min_size=1, max_size=40
    ),
)
def test_it_is_what_counting_the_minutes_of_the_local_clock_gives(
    desk: Desk,
    place: tuple[str, date],
    week: dict[str, list[tuple[int, int]]],
    holidays: list[int],
    pairs: list[tuple[int, int]],
) -> None:
    zone, first = place
    days = [first + timedelta(days=number) for number in holidays]
    so_far = counted(ZoneInfo(zone), first, week, days)
    hours = {
        name: [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans]
        for name, spans in week.items()
    }
    calendar = {"timezone": zone, "hours": hours, "holidays": [f"{day}" for day in days]}
    known = Settings.model_validate(configured(calendar))
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    touched = {support_case.name: {first, first + timedelta(days=DAYS)}}
    table.refresh(desk.connection, known, touched, everything=False)
    pairs = [(min(pair), max(pair)) for pair in pairs]
    rows = values(
        column("source", String), column("since", Double), column("until", Double), name="pair"
    ).data([("shop", *(begin.timestamp() + 60 * minute for minute in pair)) for pair in pairs])
    timed = table.with_open_minutes(
        select(rows), "since", table.hours(known), open_minutes="until"
    ).subquery()
    found = desk.connection.execute(
        select(timed.c.open_minutes).order_by(timed.c.since, timed.c.until)
    ).scalars()
    assert list(found) == [so_far[end] - so_far[start] for start, end in sorted(pairs)]


# Ten cases: opened, replied to (UTC, an hour or two behind Madrid), and the minutes of work between, by hand.
TEN = [
    ("3-14 08:00", "3-14 08:30", 30),  # Friday, 9:00 to 9:30
    ("3-14 12:30", "3-14 15:30", 60),  # 13:30 to 16:30: half an hour before the break, half an hour after
    ("3-14 17:00", "3-17 08:15", 75),  # Friday, 18:00, to Monday, 9:15
    ("3-15 10:00", "3-16 10:00", 0),  # a weekend
    ("3-15 10:00", "3-17 09:00", 60),  # Saturday to Monday, 10:00
    ("3-17 20:00", "3-18 09:00", 60),  # night to Tuesday, 10:00
    ("3-18 17:30", "3-20 08:30", 60),  # Tuesday, 18:30, to Thursday, 9:30: Wednesday is a holiday
    ("3-28 17:00", "3-31 08:00", 120),  # Friday, 18:00, to Monday, 10:00 of summer time
    ("3-28 08:00", "4-04 07:00", 2400),  # a week of forty hours
    ("3-27 07:00", "3-27 18:00", 480),  # 8:00 to 19:00: a whole day
]


def replied_to(desk: Desk, **more: Any) -> None:
    for opened, replied, _ in TEN:
        desk.case(at(opened), first_reply_at=at(replied), last_solved_at=at(replied), **more)


@pytest.mark.parametrize("kpi", ["first_reply_business_minutes", "resolution_business_minutes"])
def test_nights_weekends_holidays_and_breaks_do_not_count(desk: Desk, kpi: str) -> None:
    # In order: 0 30 60 60 60 60 75 120 480 2400. Median 60; position 1 + 0.9 × 9 = 9.1: 480 + 0.1 × 1920 = 672.
    desk.configure(**configured(SUPPORT))
    replied_to(desk)
    desk.compute(kpi, f"{kpi}_p90")
    [median], [p90] = desk.values(kpi, "all"), desk.values(f"{kpi}_p90", "all")
    assert sorted(minutes for _, _, minutes in TEN) == [0, 30, 60, 60, 60, 60, 75, 120, 480, 2400]
    assert (median.value, median.n, median.ci_low, median.ci_high) == (60, 10, 30, 480)
    assert (p90.value, p90.n) == (pytest.approx(672), 10)


@pytest.mark.parametrize("kpi", ["first_reply_business_minutes", "resolution_business_minutes"])
def test_all_opened_cases_have_the_same_median_if_none_is_open(desk: Desk, kpi: str) -> None:
    desk.configure(**configured(SUPPORT))
    replied_to(desk)
    desk.compute(f"{kpi}_of_opened")
    [median] = desk.values(f"{kpi}_of_opened", "all")
    assert (median.value, median.n) == (pytest.approx(60), 10)


def test_an_open_case_waits_while_the_team_works(desk: Desk) -> None:
    """Replies after 60 and 120 minutes of work; two cases open, one for 90 of them, one for none: it was opened when
    everybody had gone. Still waiting after 60: 2/3; after 120: 0. The median is 120."""
    desk.configure(**configured(SUPPORT))
    desk.case(at("3-14 08:00"), first_reply_at=at("3-14 09:00"))
    desk.case(at("3-14 08:00"), first_reply_at=at("3-14 10:00"))
    desk.case(at("3-14 08:30"), first_solved_at=at("3-14 10:00"))
    desk.case(at("3-15 08:00"))
    desk.case(at("2-03 08:00"), last_solved_at=at("3-16 08:00"))
    kpi = "first_reply_business_minutes_of_opened"
    desk.compute(kpi)
    [march] = [value for value in desk.values(kpi) if value.period_start.month == 3]
    assert (march.value, march.n) == (pytest.approx(120), 4)


def test_cases_of_a_source_without_a_calendar_are_left_out(desk: Desk) -> None:
    connections = {"shop": {"connector": "files", "calendar": "support"}, "desk": {"connector": "files"}}
    desk.configure(calendars={"support": SUPPORT}, connections=connections)
    replied_to(desk)
    replied_to(desk, source_system="desk")
    desk.case(at("3-14 08:00"))
    kpi = "first_reply_business_minutes"
    median = desk.result(kpi)
    assert median is not None
    assert (median.value, median.n, median.left_out) == (60, 10, 11)


def test_each_source_goes_by_its_own_calendar(desk: Desk) -> None:
    # Friday, 14 March, 12:30 to 15:30 UTC: in Madrid with a break, around the clock 180 minutes.
    always = {"timezone": "UTC", "hours": {"monday-sunday": ["00:00-24:00"]}}
    connections = {
        "shop": {"connector": "files", "calendar": "support"},
        "bank": {"connector": "files", "calendar": "always"},
    }
    desk.configure(calendars={"support": SUPPORT, "always": always}, connections=connections)
    for source in connections:
        desk.case(at("3-14 12:30"), first_reply_at=at("3-14 15:30"), source_system=source)
    kpi = "first_reply_business_minutes"
    desk.compute(kpi)
    assert {v.dimension_value: v.value for v in desk.values(kpi, "all", "source")} == {
        "bank": 180,
        "shop": 60,
    }


def test_without_a_calendar_it_says_so(desk: Desk) -> None:
    replied_to(desk)
    desk.compute("first_reply_business_minutes")
    assert desk.values("first_reply_business_minutes", "all") == []
    assert desk.connection.scalar(select(func.count()).select_from(business_hours)) == 0
    assert status.read(desk.connection)["first_reply_business_minutes"] == (
        "no events",
        "no connection names a calendar of [calendars]",
    )


def test_another_holiday_changes_what_was_published(desk: Desk) -> None:
    desk.configure(**configured(SUPPORT))
    desk.case(at("3-13 08:00"), first_reply_at=at("3-14 09:00"))  # a whole Thursday, and an hour of Friday
    kpi = "first_reply_business_minutes"
    assert [desk.result(kpi).value, desk.result(kpi).value] == [540, 540]  # type: ignore[union-attr]
    desk.configure(**configured({**SUPPORT, "holidays": ["2025-03-13"]}))
    desk.compute(kpi)
    assert [value.value for value in desk.values(kpi, "all")] == [60]


def test_a_case_beyond_the_years_that_are_known_makes_them_more(desk: Desk) -> None:
    # 2 January 2023 is a Monday: 9:00 to 10:00. Friday, 29 December 2023, 18:00, to Monday, 1 January 2024, 10:00.
    desk.configure(**configured(SUPPORT))
    replied_to(desk)
    kpi = "first_reply_business_minutes"
    desk.compute(kpi)
    for opened, replied in (("2023-01-02T08", "2023-01-02T09"), ("2023-12-29T17", "2024-01-01T09")):
        desk.case(
            datetime.fromisoformat(f"{opened}:00+00:00"),
            first_reply_at=datetime.fromisoformat(f"{replied}:00+00:00"),
        )
    desk.compute(kpi)
    assert {v.period_start: v.value for v in desk.values(kpi) if v.period_start.year == 2023} == {
        date(2023, 1, 1): 60,
        date(2023, 12, 1): 120,
    }
    [whole] = desk.values(kpi, "all")
    assert (whole.value, whole.n, whole.left_out) == (60, 12, 0)


def test_one_case_and_none(desk: Desk) -> None:
    desk.configure(**configured(SUPPORT))
    kpi = "first_reply_business_minutes"
    assert desk.result(kpi) is None
    desk.case(at("3-14 08:00"))
    assert desk.result(kpi) is None
    desk.case(at("3-14 08:00"), first_reply_at=at("3-14 08:07"))
    one = desk.result(kpi)
    assert one is not None
    assert (one.value, one.n, one.left_out) == (pytest.approx(7), 1, 1)
