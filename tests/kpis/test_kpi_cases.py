"""first_reply_minutes and resolution_minutes, median and 90th percentile; reopen_rate, fcr_one_touch."""

from __future__ import annotations

from datetime import datetime, timedelta

import interval_by_hand
import pytest
from kpi_desk import Desk, at
from sqlalchemy import update

from cxflow.warehouse.tables import support_case

MINUTES = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
OPENED = at("3-14 08:00")


def after(minutes: float) -> dict[str, datetime]:
    """Reply and solution so many minutes after the opening."""
    then = OPENED + timedelta(minutes=minutes)
    return {"first_reply_at": then, "last_solved_at": then}


@pytest.mark.parametrize("kpi", ["first_reply_minutes", "resolution_minutes"])
def test_the_median_lies_between_the_middle_two_and_the_interval_between_ranks_2_and_9(
    desk: Desk, kpi: str
) -> None:
    # (8 + 13) / 2 = 10.5. For ten observations the binomial gives ranks 2 and 9 (97.9 %): 2 to 55.
    desk.cases(OPENED, *(after(minutes) for minutes in MINUTES))
    desk.case(OPENED)
    desk.case(OPENED, **after(1), is_deleted=True)
    median = desk.result(kpi)
    assert median is not None
    assert (median.value, median.n, median.numerator) == (pytest.approx(10.5), 10, None)
    assert (median.ci_low, median.ci_high) == (2, 55)


@pytest.mark.parametrize("kpi", ["first_reply_minutes_p90", "resolution_minutes_p90"])
def test_the_90th_percentile_is_interpolated_and_ten_cases_cannot_bound_it_above(
    desk: Desk, kpi: str
) -> None:
    # Position 1 + 0.9 × 9 = 9.1: 55 + 0.1 × (89 − 55) = 58.4. Ranks 7 and 11: from 21, no upper end.
    desk.cases(OPENED, *(after(minutes) for minutes in MINUTES))
    p90 = desk.result(kpi)
    assert p90 is not None
    assert (p90.value, p90.ci_low, p90.ci_high) == (pytest.approx(58.4), 21, None)


@pytest.mark.parametrize(
    "kpi",
    ["first_reply_minutes", "first_reply_minutes_p90", "resolution_minutes", "resolution_minutes_p90"],
)
def test_one_case_has_its_own_time_and_no_interval(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    desk.case(OPENED)
    assert desk.result(kpi) is None
    desk.case(OPENED, **after(7.5))
    one = desk.result(kpi)
    assert one is not None
    assert (one.value, one.n, one.ci_low, one.ci_high) == (pytest.approx(7.5), 1, None, None)


def test_above_a_thousand_cases_the_ranks_are_at_most_one_wider(desk: Desk) -> None:
    # 1 to 1,100 minutes. Binomial(1100, ½) has 2.5 % at 517, 97.5 % at 583: exact ranks 517 and 584.
    desk.cases(OPENED, *(after(minutes) for minutes in range(1, 1101)))
    median = desk.result("first_reply_minutes")
    assert median is not None
    assert median.value == pytest.approx(550.5)
    assert median.ci_low in (516, 517)
    assert median.ci_high in (584, 585)


def test_a_reply_counts_when_the_case_was_opened_a_solution_when_it_was_solved(desk: Desk) -> None:
    desk.case(at("1-31"), first_reply_at=at("2-01"), last_solved_at=at("3-01"))
    desk.compute("first_reply_minutes", "resolution_minutes")
    assert [v.period_start.month for v in desk.values("first_reply_minutes")] == [1]
    assert [v.period_start.month for v in desk.values("resolution_minutes")] == [3]
    assert desk.values("resolution_minutes")[0].value == pytest.approx(29 * 24 * 60)


def test_a_case_solved_again_moves_to_the_later_period(desk: Desk) -> None:
    desk.case(at("1-31"), last_solved_at=at("2-01"))
    desk.compute("resolution_minutes")
    desk.connection.execute(update(support_case).values(last_solved_at=at("3-01")))
    desk.touch(support_case, *(at(day).date() for day in ("1-31", "2-01", "3-01")))
    desk.compute("resolution_minutes")
    assert [(v.period_start.month, v.n) for v in desk.values("resolution_minutes")] == [(2, 0), (3, 1)]


TEN = [(0, 1), (0, 1), (1, 1), (2, 3), (0, 0), (0, 1), (0, 2), (0, 1), (None, None), (0, 2)]
"""Reopenings and public replies of ten solved cases: two of nine were reopened, five of nine took one reply."""


@pytest.mark.parametrize(("kpi", "hits"), [("reopen_rate", 2), ("fcr_one_touch", 5)])
def test_shares_of_solved_cases_count_where_the_number_is_known(desk: Desk, kpi: str, hits: int) -> None:
    assert desk.result(kpi) is None
    desk.case(OPENED, reopens=1, public_replies=1)  # not solved
    desk.case(OPENED, **after(1), is_deleted=True, reopens=1, public_replies=1)
    assert desk.result(kpi) is None
    desk.cases(
        OPENED, *({**after(60), "reopens": reopens, "public_replies": replies} for reopens, replies in TEN)
    )
    share = desk.result(kpi)
    assert share is not None
    assert (share.numerator, share.n, share.left_out) == (hits, 9, 1)
    assert (share.ci_low, share.ci_high) == pytest.approx(interval_by_hand.share(hits, 9))


@pytest.mark.parametrize(("kpi", "alone"), [("reopen_rate", 0), ("fcr_one_touch", 1)])
def test_one_solved_case_is_enough_for_a_share(desk: Desk, kpi: str, alone: int) -> None:
    desk.cases(OPENED, {**after(60), "reopens": None, "public_replies": None})
    assert desk.result(kpi) is None
    desk.cases(OPENED, {**after(60), "reopens": 0, "public_replies": 1})
    share = desk.result(kpi)
    assert share is not None
    assert (share.value, share.n) == (alone, 1)
