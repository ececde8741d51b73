"""first_reply_minutes_of_opened, resolution_minutes_of_opened: medians that count what still waits."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import NamedTuple

import pytest
from kpi_desk import Desk, at

from cxflow.kpis.survival import NOT_REACHED

OPENED = at("3-01 00:00")


class Median(NamedTuple):
    value: float | None
    low: float | None
    high: float | None


def by_hand(times: Sequence[tuple[float, bool]]) -> Median:
    """From (minutes, whether it is over), step by step with exact fractions."""
    share, variance = Fraction(1), Fraction(0)
    at_half = under = low = high = None
    for time in sorted({minutes for minutes, is_over in times if is_over}):
        watched = sum(minutes >= time for minutes, _ in times)
        over = sum(minutes == time and is_over for minutes, is_over in times)
        share *= 1 - Fraction(over, watched)
        if at_half is None and share <= Fraction(1, 2):
            at_half = time
        if under is None and share < Fraction(1, 2):
            under = time
        if not share:
            low = time if low is None else low
            break
        variance += Fraction(over, watched * (watched - over))
        error = math.sqrt(variance) / -math.log(share)
        worst, best = (share ** math.exp(sign * 1.959963984540054 * error) for sign in (1, -1))
        low = time if low is None and worst <= 0.5 else low
        high = time if high is None and best <= 0.5 else high
    if at_half is None:
        return Median(None, low, high)
    return Median((at_half + (at_half if under is None else under)) / 2, low, high)


def watch(desk: Desk, times: Sequence[tuple[float, bool]]) -> None:
    """Cases of a source each: replied to and solved after so many minutes, or watched for as long without either, as
    another case of the source shows."""
    for minutes, is_over in times:
        end = OPENED + timedelta(minutes=minutes)
        name = f"desk {minutes} {is_over}"
        if is_over:
            desk.case(OPENED, first_reply_at=end, last_solved_at=end, source_system=name)
        else:
            desk.case(OPENED, source_system=name)
            desk.case(at("2-01 00:00"), first_reply_at=end, last_solved_at=end, source_system=name)


TEN = [
    (10, True),
    (15, False),
    (20, True),
    (25, False),
    (30, True),
    (40, True),
    (50, True),
    *[(60, False)] * 3,
]
KPIS = ["first_reply_minutes_of_opened", "resolution_minutes_of_opened"]


@pytest.mark.parametrize("kpi", KPIS)
def test_what_still_waits_counts_for_as_long_as_it_was_watched(desk: Desk, kpi: str) -> None:
    # Still waiting after 10: 9/10 = 0.9, after 20: × 7/8 = 0.7875, after 30: × 5/6 = 0.65625, after 40: × 4/5 = 0.525,
    # after 50: × 3/4 = 0.39375, under one half. The median of the five replies alone would be 30.
    # After 10, log S = −0.10536, Greenwood 1/90, error 1.0005: S^exp(1.961) = 0.473, under one half: from 10.
    # After 50, log S = −0.93204, Greenwood 0.19563, error 0.47455: S^exp(−0.93) = 0.69: no upper end.
    watch(desk, TEN)
    desk.compute(kpi)
    [median] = [v for v in desk.values(kpi) if v.period_start.month == 3]
    assert (median.value, median.n, median.ci_low, median.ci_high) == (pytest.approx(50), 10, 10, None)
    assert by_hand(TEN) == (50, 10, None)


def test_of_a_hundred_tickets_of_which_ninety_were_never_answered_there_is_no_median(desk: Desk) -> None:
    quick = {"first_reply_at": OPENED + timedelta(minutes=5)}
    desk.cases(OPENED, *[quick] * 10)
    desk.cases(OPENED, *[{"first_reply_at": None}] * 90)
    desk.cases(at("2-01"), {"first_reply_at": at("3-20")})
    desk.compute("first_reply_minutes", "first_reply_minutes_of_opened")
    [_, of_closed] = desk.values("first_reply_minutes")
    [_, of_all] = desk.values("first_reply_minutes_of_opened")
    assert (of_closed.value, of_closed.n) == (pytest.approx(5), 10)
    assert (of_all.value, of_all.n, of_all.interval_note) == (None, 100, NOT_REACHED)


def test_without_anything_open_it_is_the_usual_median(desk: Desk) -> None:
    watch(desk, [(minutes, True) for minutes in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)])
    desk.compute(*KPIS, "resolution_minutes")
    [usual] = desk.values("resolution_minutes")
    for kpi in KPIS:
        [median] = desk.values(kpi)
        assert median.value == pytest.approx(10.5) == usual.value


@pytest.mark.parametrize("kpi", KPIS)
def test_none_one_and_only_open_cases(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    desk.case(OPENED)
    desk.case(OPENED)
    waiting = desk.result(kpi)
    assert waiting is not None
    assert (waiting.value, waiting.n, waiting.interval_note) == (None, 2, NOT_REACHED)
    desk.case(at("2-01"), first_reply_at=at("2-01 12:07"), last_solved_at=at("2-01 12:07"))
    desk.compute(kpi)
    one = desk.values(kpi)[0]
    assert (one.value, one.n, one.ci_low, one.ci_high) == (pytest.approx(7), 1, pytest.approx(7), None)


def test_it_agrees_with_steps_of_exact_fractions(desk: Desk) -> None:
    lot = random.Random(5)
    expected = {}
    for month, many in ((1, 12), (2, 60), (3, 300)):
        opened = at(f"{month}-01 00:00")
        times = []
        for _ in range(many):
            minutes, is_over = lot.randrange(1, 40), lot.random() < 0.7
            end = opened + timedelta(minutes=minutes)
            # Solved without a reply: watched until then.
            desk.case(opened, first_reply_at=end if is_over else None, first_solved_at=end)
            times.append((minutes, is_over))
        expected[month] = by_hand(times)
    desk.compute("first_reply_minutes_of_opened")
    found = {
        v.period_start.month: Median(v.value, v.ci_low, v.ci_high)
        for v in desk.values("first_reply_minutes_of_opened")
    }
    assert found == {
        month: Median(*(None if number is None else pytest.approx(number) for number in median))
        for month, median in expected.items()
    }
    assert None not in found[3]


def test_a_later_event_of_its_source_watches_open_cases_longer(desk: Desk) -> None:
    """One reply after an hour, one case open. Watched for half an hour, it says nothing of the hour; watched for a day,
    it waits longer, and half of the two are answered."""
    end = OPENED + timedelta(hours=1)
    desk.case(OPENED, first_reply_at=end, source_system="quick")
    desk.case(OPENED, source_system="slow")
    desk.case(at("2-01"), last_solved_at=OPENED + timedelta(minutes=30), source_system="slow")
    kpi = "first_reply_minutes_of_opened"
    desk.compute(kpi)
    [day] = [v for v in desk.values(kpi, "day") if v.period_start == OPENED.date()]
    # Alone in being watched for an hour, the answered one is all that was at risk: nobody waits longer.
    assert (day.value, day.n, day.ci_high) == (pytest.approx(60), 2, None)
    desk.case(OPENED, source_system="slow")
    desk.case(at("3-02"), source_system="slow")
    desk.compute(kpi)
    [day] = [v for v in desk.values(kpi, "day") if v.period_start == OPENED.date()]
    assert (day.value, day.n, day.interval_note) == (None, 3, NOT_REACHED)


def test_an_open_case_is_watched_longer_though_nothing_of_its_day_changed(desk: Desk) -> None:
    desk.case(OPENED, first_reply_at=OPENED + timedelta(hours=1), source_system="quick")
    for _ in range(2):
        desk.case(OPENED, source_system="slow")
    kpi = "first_reply_minutes_of_opened"
    desk.compute(kpi)
    assert [v.value for v in desk.values(kpi, "day")] == [pytest.approx(60)]
    desk.case(at("3-02"), source_system="slow")
    desk.compute(kpi)
    assert [v.value for v in desk.values(kpi, "day") if v.period_start == OPENED.date()] == [None]


def test_cases_are_watched_for_the_follow_up_at_most(desk: Desk) -> None:
    desk.configure(kpis={"follow_up_days": 2})
    for days in (1, 2, 3):
        desk.case(OPENED, last_solved_at=OPENED + timedelta(days=days))
    desk.compute("resolution_minutes_of_opened")
    [median] = desk.values("resolution_minutes_of_opened")
    assert (median.value, median.n) == (pytest.approx(2 * 1440), 3)
    desk.configure(kpis={"follow_up_days": 1.5})
    desk.compute("resolution_minutes_of_opened")
    [median] = desk.values("resolution_minutes_of_opened")
    assert (median.value, median.n) == (None, 3)


@pytest.mark.parametrize(("minutes", "median"), [(733.5, 734), (734.5, 735), (735.5, 736)])
def test_of_two_numbers_as_near_the_larger_is_taken(desk: Desk, minutes: float, median: float) -> None:
    watch(desk, [(minutes, True)])
    found = desk.result("resolution_minutes_of_opened")
    assert found is not None
    assert found.value == median
