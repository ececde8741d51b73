"""Churn after a bad experience, repurchase after a good one, and their differences."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kpi_desk import BY_NAME, Desk, at

from cxflow.kpis.periods import Period
from cxflow.kpis.trace import trace

BAD, GOOD = "churn_after_bad_experience", "repurchase_after_good_experience"
DIFFERENCES = (f"{BAD}_difference", f"{GOOD}_difference")


def bought(desk: Desk, customer: str | None, day: str, rating: int | None = None, after: float = 2) -> str:
    """An order, and a review of it some days later."""
    order = desk.order(at(day), customer)
    if rating is not None:
        desk.review(rating, order_id=order, date_published=at(day) + timedelta(days=after))
    return order


def test_churn_counts_orders_whose_90_days_after_the_bad_experience_are_over(desk: Desk) -> None:
    desk.order(at("12-01"), "hal")  # the newest order: 90 days before it is 2 September 12:00
    bought(desk, "ana", "3-01", 1)  # and never again: gone
    bought(desk, "ben", "3-01", 1)
    desk.order(at("3-03"), "ben")  # at the very moment of the review, not after it
    bought(desk, "eva", "3-01", 1)
    desk.order(at("6-01"), "eva")  # 90 days after 3 March, to the second: back
    bought(desk, "fay", "3-01", 1)
    desk.order(at("6-01 12:01"), "fay")  # too late: gone
    bought(desk, "gil", "3-01", 5)  # good
    bought(desk, "ivo", "3-01", 3)  # neutral
    bought(desk, "joe", "8-31", 1)  # reviewed on 2 September 12:00: the last one that is over: gone
    bought(desk, "kim", "9-01", 1)  # not over
    bought(desk, None, "3-01", 1)  # nobody knows
    bought(desk, "leo", "3-01", 1)
    desk.order(at("3-20"), "leo", is_cancelled=True)  # no order: gone
    churn = desk.result(BAD)
    assert churn is not None
    # Gone: ana, ben, fay, joe, leo = 5 of 6; back: eva.
    assert (churn.numerator, churn.n, churn.left_out) == (5, 6, 2)
    good = desk.result(GOOD)
    assert good is not None
    assert (good.numerator, good.n) == (0, 1)


def test_an_order_with_several_experiences_counts_once_from_its_first_bad_one(desk: Desk) -> None:
    desk.order(at("12-01"), "hal")
    order = bought(desk, "ana", "3-01", 1)
    desk.review(1, order_id=order, date_published=at("4-01"))
    desk.refund(order, at("3-04"))  # the review of the day before is stronger
    desk.order(at("6-15"), "ana")  # 104 days after the first, 75 after the second
    desk.compute(BAD)
    assert [(v.period_start.month, v.value, v.n) for v in desk.counted(BAD)] == [(3, 1, 1)]


def test_the_horizon_is_that_of_the_orders_own_source(desk: Desk) -> None:
    bought(desk, "ana", "3-01", 1)
    desk.connection.exec_driver_sql("UPDATE order_header SET source_system = 'closed shop'")
    desk.order(at("12-01"), "hal")
    churn = desk.result(BAD)
    assert churn is None
    assert desk.values(BAD, "all")[0].left_out == 1


def test_the_difference_is_that_of_mantel_and_haenszel_with_satos_interval(desk: Desk) -> None:
    # First orders: 12 bad, of whom 9 leave; 20 others, of whom 8 leave.
    # Second orders within 30 days: 4 bad, 2 leave; 6 others, 3 leave. Whose first order it is was in another period.
    desk.order(at("12-01"), "last")
    number = 0

    def customers(count: int, leaving: int, rating: int, is_second: bool) -> None:
        nonlocal number
        for place in range(count):
            number += 1
            name = f"c{number}"
            if is_second:
                desk.order(at("2-20"), name)  # not judged
            bought(desk, name, "3-01", rating)
            if place >= leaving:
                desk.order(at("4-01"), name)

    customers(12, 9, 1, is_second=False)
    customers(20, 8, 4, is_second=False)
    customers(4, 2, 1, is_second=True)
    customers(6, 3, 3, is_second=True)
    desk.compute(*DIFFERENCES)
    [found] = [v for v in desk.values(DIFFERENCES[0], "month") if v.n]
    behind = trace(
        desk.connection, desk.settings, BY_NAME[DIFFERENCES[0]], Period("month", found.period_start), rows=99
    )
    assert behind.events is not None
    assert (len(behind.events), sum(int(event.gives or 0) for event in behind.events)) == (42, 9 + 8 + 2 + 3)
    assert all(check.adds_up for check in behind.checks[:-1])  # nothing was landed
    # Differences 9/12 − 8/20 = 0.35 and 2/4 − 3/6 = 0; weights 12·20/32 = 7.5 and 4·6/10 = 2.4.
    # (7.5 × 0.35 + 0) / 9.9 = 2.625 / 9.9 = 0.26515.
    assert (found.value, found.n) == (pytest.approx(2.625 / 9.9), 42)
    assert (found.numerator, found.denominator) == (pytest.approx(2.625), pytest.approx(9.9))
    # Sato: P = (12²·8 − 20²·9 + 12·20·(20 − 12)/2) / 32² + (4²·3 − 6²·2 + 4·6·(6 − 4)/2) / 10²
    #         = (1152 − 3600 + 960) / 1024 + (48 − 72 + 24) / 100 = −1.453125 + 0
    # Q = (9·12 + 8·3) / 64 + (2·3 + 3·2) / 20 = 2.0625 + 0.6 = 2.6625
    # variance = (0.265152 × −1.453125 + 2.6625) / 9.9² = 2.277202 / 98.01 = 0.0232344; 1.96 × 0.152428 = 0.298754
    assert found.ci_low == pytest.approx(0.265152 - 0.298754, abs=2e-6)
    assert found.ci_high == pytest.approx(0.265152 + 0.298754, abs=2e-6)
    # Good are the 4 of 5 alone: 20 against 12 first orders; of the second ones, nobody: 12/20 − 3/12.
    [good] = [v for v in desk.values(DIFFERENCES[1], "month") if v.n]
    assert (good.value, good.n) == (pytest.approx(0.35), 42)


def test_experiences_count_until_14_days_after_the_order_and_orders_from_then_on(desk: Desk) -> None:
    desk.order(at("12-01"), "last")
    # Judged by the 14th day, to the second, or not compared at all.
    bought(desk, "in time", "3-01", 1, after=14)
    bought(desk, "too late", "3-01", 1, after=14.001)
    # Orders in the first 14 days are none of the 90 that follow: both leave.
    bought(desk, "soon", "3-01", 5)
    desk.order(at("3-15"), "soon")
    bought(desk, "back", "3-01", 5)
    desk.order(at("6-13"), "back")  # 14 + 90 days, to the second
    desk.compute(DIFFERENCES[0])
    [found] = [v for v in desk.values(DIFFERENCES[0], "all") if v.n]
    # One bad who leaves; of two others, one leaves: 1 − 0.5.
    assert (found.value, found.n) == (0.5, 3)
    assert (found.ci_low, found.interval_note) == (None, "too few customers on one side for an interval")


def test_an_experience_that_names_no_order_is_of_the_order_before_it(desk: Desk) -> None:
    desk.order(at("12-01"), "last")
    bought(desk, "ana", "3-01", 5)
    bought(desk, "ana", "3-09", 5)
    bought(desk, "ben", "3-01", 5)
    call = desk.contact(at("3-05"), "ana")  # after the first order, before the second
    desk.call(touchpoint_id=call, offered_at=at("3-05"), abandoned_at=at("3-05"))
    desk.contact(at("2-27"), "ben", touchpoint_id="before")
    desk.call(touchpoint_id="before", offered_at=at("2-27"), abandoned_at=at("2-27"))
    desk.compute(DIFFERENCES[0])
    # In March, ana's first judged order is the first one: bad, and back never after 14 days. Ben's is not.
    [found] = [v for v in desk.values(DIFFERENCES[0], "month") if v.n]
    assert (found.value, found.n, found.denominator) == (0, 2, 0.5)
    assert {v.period_start.day: v.n for v in desk.values(DIFFERENCES[0], "day") if v.n} == {1: 2, 9: 1}


def test_customers_of_different_strata_are_not_compared(desk: Desk) -> None:
    desk.order(at("12-01"), "last")
    bought(desk, "ana", "3-01", 1)
    desk.order(at("2-01"), "ben")
    bought(desk, "ben", "3-01", 5)
    desk.compute(DIFFERENCES[0])
    [found] = [v for v in desk.values(DIFFERENCES[0], "all") if v.n]
    assert (found.value, found.n, found.interval_note) == (None, 2, "no two customers to compare")


@pytest.mark.parametrize("kpi", [BAD, GOOD, *DIFFERENCES])
def test_nothing_and_orders_that_nobody_judged_have_no_value(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    bought(desk, "ana", "3-01")
    desk.order(at("12-01"), "last")
    assert desk.result(kpi) is None


def test_a_late_order_moves_its_customers_next_one_to_another_stratum(desk: Desk) -> None:
    desk.order(at("12-01"), "last")
    bought(desk, "ana", "3-01", 1)
    bought(desk, "ben", "3-01", 5)
    desk.compute(*DIFFERENCES)
    assert desk.values(DIFFERENCES[0], "all")[0].value == 0
    desk.order(at("1-01"), "ana")
    desk.compute(*DIFFERENCES)
    assert desk.values(DIFFERENCES[0], "all")[0].value is None
    assert desk.compute(*DIFFERENCES, everything=True).published == 0
