"""average_handle_time, average_speed_of_answer, abandonment_rate, service_level_80_20."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at

NOON = at("3-14 12:00")


def ten_calls(desk: Desk) -> None:
    """Ten offered: seven answered, two abandoned, one lost to a timeout."""
    for wait, talk, hold, acw in [
        (5, 100, 0, 20),  # 120
        (10, 200, 30, 10),  # 240
        (20, 60, None, None),  # 60: what is not known counts as 0
        (21, None, None, 30),  # 30
        (40, 300, 0, 0),  # 300
        (None, 150, 0, 0),  # 150, wait not known
        (60, None, None, None),  # not timed at all
    ]:
        desk.call(answered_at=NOON, wait_seconds=wait, talk_seconds=talk, hold_seconds=hold, acw_seconds=acw)
    desk.call(abandoned_at=NOON, wait_seconds=2)
    desk.call(abandoned_at=NOON, wait_seconds=90)
    desk.call(outcome="timeout", wait_seconds=120)
    desk.call(answered_at=NOON, wait_seconds=1, talk_seconds=1, is_deleted=True)


def test_handle_time_is_talk_hold_and_wrap_up_of_the_answered(desk: Desk) -> None:
    # (120 + 240 + 60 + 30 + 300 + 150) / 6 = 150.
    # Squared deviations 900 8100 8100 14400 22500 0 = 54000, cubed −27000 729000 −729000 −1728000 3375000 0 = 1620000.
    # t(5, 0.975) = 2.570582.
    ten_calls(desk)
    handle = desk.result("average_handle_time")
    assert handle is not None
    assert (handle.value, handle.n, handle.numerator) == (pytest.approx(150), 6, 900)
    assert (handle.squared_deviation, handle.cubed_deviation) == pytest.approx((54000, 1620000))
    by_hand = interval_by_hand.amounts([120, 240, 60, 30, 300, 150], 2.570582)
    assert (handle.ci_low, handle.ci_high) == pytest.approx(by_hand, abs=1e-3)
    assert handle.interval_note is None


def test_speed_of_answer_is_the_mean_wait_of_the_answered(desk: Desk) -> None:
    # (5 + 10 + 20 + 21 + 40 + 60) / 6 = 26; the abandoned do not count.
    ten_calls(desk)
    speed = desk.result("average_speed_of_answer")
    assert speed is not None
    assert (speed.value, speed.n) == (pytest.approx(26), 6)


def test_abandonment_counts_all_that_were_offered(desk: Desk) -> None:
    ten_calls(desk)
    abandonment = desk.result("abandonment_rate")
    assert abandonment is not None
    assert (abandonment.numerator, abandonment.n, abandonment.value) == (2, 10, pytest.approx(0.2))
    by_hand = interval_by_hand.share(2, 10)
    assert (abandonment.ci_low, abandonment.ci_high) == pytest.approx(by_hand)


def test_service_level_is_answered_in_time_of_all_answered(desk: Desk) -> None:
    # 5, 10 and 20 seconds are in time, of six whose wait is known.
    ten_calls(desk)
    level = desk.result("service_level_80_20")
    assert level is not None
    assert (level.numerator, level.n, level.left_out) == (3, 6, 1)


@pytest.mark.parametrize(
    ("kpi", "in_time", "n"),
    [
        (
            "service_level_of_offered",
            3,
            7,
        ),  # the one who gave up after 2 s could not be late, the timeout is neither
        ("service_level_of_queued", 3, 9),  # all but the one answered after an unknown wait
    ],
)
def test_service_levels_of_other_bases(desk: Desk, kpi: str, in_time: int, n: int) -> None:
    ten_calls(desk)
    level = desk.result(kpi)
    assert level is not None
    assert (level.numerator, level.n, level.left_out) == (in_time, n, 1)
    assert (level.ci_low, level.ci_high) == pytest.approx(interval_by_hand.share(in_time, n))


def test_a_short_abandon_is_in_neither_side(desk: Desk) -> None:
    ten_calls(desk)
    rate = desk.result("abandonment_rate_excluding_short")
    assert rate is not None
    assert (rate.numerator, rate.n) == (1, 9)
    desk.configure(kpis={"short_abandon_seconds": 2})
    rate = desk.result("abandonment_rate_excluding_short")
    assert rate is not None
    assert (rate.numerator, rate.n) == (2, 10), "two seconds are not under two"


def test_an_abandon_without_a_wait_has_that_from_offer_to_abandon(desk: Desk) -> None:
    desk.call(abandoned_at=at("3-14 12:00:04"))
    desk.call(abandoned_at=at("3-14 12:00:21"))
    rate = desk.result("abandonment_rate_excluding_short")
    assert rate is not None
    assert (rate.numerator, rate.n) == (1, 1)
    level = desk.result("service_level_of_offered")
    assert level is not None
    assert (level.numerator, level.n) == (0, 1)


def test_transfers_count_where_they_are_known(desk: Desk) -> None:
    for transfers in (0, 0, 0, 0, 0, 0, 0, 1, 3, None):
        desk.call(answered_at=NOON, transfer_count=transfers)
    desk.call(transfer_count=1)  # not answered
    rate = desk.result("transfer_rate")
    assert rate is not None
    assert (rate.numerator, rate.n, rate.left_out) == (2, 9, 1)


def test_nine_in_ten_waited_at_most_so_long_whether_answered_or_not(desk: Desk) -> None:
    # Waits 1 2 5 10 20 21 40 60 90 120: place 1 + 0.9 × 9 = 9.1, 90 + 0.1 × 30 = 93.
    ten_calls(desk)
    desk.call(answered_at=NOON, wait_seconds=1)
    wait = desk.result("wait_seconds_p90")
    assert wait is not None
    assert (wait.value, wait.n, wait.left_out) == (pytest.approx(93), 10, 1)


def test_the_service_level_threshold_is_a_setting(desk: Desk) -> None:
    desk.configure(kpis={"service_level_seconds": 40})
    ten_calls(desk)
    level = desk.result("service_level_80_20")
    assert level is not None
    assert level.numerator == 5


@pytest.mark.parametrize(
    ("kpi", "alone"),
    [
        ("average_handle_time", 30),
        ("average_speed_of_answer", 9),
        ("abandonment_rate", 0),
        ("service_level_80_20", 1),
        ("service_level_of_offered", 1),
        ("service_level_of_queued", 1),
        ("abandonment_rate_excluding_short", 0),
        ("transfer_rate", 0),
        ("wait_seconds_p90", 9),
    ],
)
def test_one_call_is_enough_for_a_value(desk: Desk, kpi: str, alone: float) -> None:
    assert desk.result(kpi) is None
    desk.call(answered_at=NOON, wait_seconds=9, talk_seconds=30, transfer_count=0)
    result = desk.result(kpi)
    assert result is not None
    assert (result.value, result.n) == (alone, 1)


def test_calls_of_which_nothing_is_known_are_only_offered(desk: Desk) -> None:
    desk.call()
    desk.call()
    abandonment = desk.result("abandonment_rate")
    assert abandonment is not None
    assert (abandonment.value, abandonment.n) == (0, 2)
    for kpi in (
        "average_handle_time",
        "average_speed_of_answer",
        "service_level_80_20",
        "service_level_of_offered",
        "transfer_rate",
        "wait_seconds_p90",
    ):
        assert desk.result(kpi) is None
