"""Several events of one customer: who counts for the minimum, and how much wider an interval becomes."""

from __future__ import annotations

import numpy as np
import pytest
from cluster_coverage import KINDS, coverage
from kpi_desk import Desk, at
from scipy.stats import t

from cxflow.kpis import intervals
from cxflow.kpis.clusters import Clusters
from cxflow.kpis.read import KpiValue


def _answer(desk: Desk, customer: str | None, score: float, when: str = "3-14") -> None:
    touchpoint = desk.touchpoint(at(when), activity="answered_survey", customer_id=customer)
    desk.answer("nps", score, at(when), touchpoint_id=touchpoint)


def _whole(desk: Desk, kpi: str = "nps") -> KpiValue:
    found = desk.result(kpi)
    assert found is not None
    return found


def test_forty_tens_from_one_person_are_no_score(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 10})
    for number in range(40):
        _answer(desk, "anna", 10, f"3-{number % 28 + 1}")
    found = _whole(desk)
    assert (found.n, found.customers, found.is_suppressed, found.value) == (40, 1, True, None)


def test_ten_people_are_enough_however_their_answers_fall_on_days(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 10})
    for number in range(10):
        _answer(desk, f"c{number}", 10, "3-14")
        _answer(desk, f"c{number}", 10, f"3-{number + 1}")
    found = _whole(desk)
    assert (found.n, found.customers, found.is_suppressed, found.value) == (20, 10, False, 100)


def test_answers_of_unknown_people_count_one_each(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 10})
    for _ in range(7):
        _answer(desk, None, 10)
    for _ in range(9):
        _answer(desk, "anna", 10)
    found = _whole(desk)
    assert (found.n, found.customers, found.is_suppressed) == (16, 8, True)


def test_one_event_each_is_as_independent_as_events_can_be(desk: Desk) -> None:
    for number in range(12):
        _answer(desk, f"c{number}", 10 if number < 8 else 3)
    found = _whole(desk)
    low, high = intervals.net(np.array([8.0]), np.array([4.0]), np.array([12.0]))
    assert (found.ci_low, found.ci_high) == pytest.approx((100 * low[0], 100 * high[0]))
    assert (found.customers, found.effective_n) == (12, 12)


def test_customers_of_one_mind_count_as_one_answer_each(desk: Desk) -> None:
    """Twelve customers with three answers each, six of them all tens and six all zeros.

    The value is 0, the customers' sums are 3 away from it each, 108 squared; × 12/11 for the sample, × 35/36 as the
    events' 36 squares have it: 114.5 ÷ 36 = 3.182 times the variance of independent answers. At most 3 would be
    expected of customers of one mind. Twelve customers differ, in units of such: (12 × 3.182 + 2 × 3) ÷ 14 = 3.156.
    Student's t has 11 degrees of freedom instead of 35.
    """
    for number in range(12):
        for day in (1, 2, 20):
            _answer(desk, f"c{number}", 10 if number < 6 else 0, f"3-{day}")
    effect = 3.1558442 * (t.ppf(0.975, 11) / t.ppf(0.975, 35)) ** 2
    found = _whole(desk)
    assert found.effective_n == pytest.approx(36 / effect, rel=1e-6)
    low, high = intervals.net(np.array([18 / effect]), np.array([18 / effect]), np.array([36 / effect]))
    assert (found.ci_low, found.ci_high) == pytest.approx((100 * low[0], 100 * high[0]))


def test_all_alike_is_no_proof_that_the_answers_of_one_customer_may_differ(desk: Desk) -> None:
    """Ten customers, four tens each: it may as well be that each customer is of one mind."""
    for number in range(10):
        for day in range(1, 5):
            _answer(desk, f"c{number}", 10, f"3-{day}")
    found = _whole(desk)
    assert found.effective_n is not None
    assert found.effective_n <= 10
    assert found.ci_low is not None
    assert found.ci_low < 100


def test_a_caller_who_calls_again_and_again_widens_a_rate(desk: Desk) -> None:
    for number in range(20):
        desk.order(at("3-10"), f"c{number}")
    for _ in range(10):
        desk.contact(at("3-12"), "c1")
    alone = _whole(desk, "contact_rate")
    assert alone.value == 50
    low, high = (100 * end[0] / 20 for end in intervals.garwood(np.array([10.0])))
    assert alone.ci_low is not None
    assert alone.ci_high is not None
    assert alone.ci_low < low
    assert alone.ci_high > high


def test_on_a_crowded_day_customers_are_in_groups_and_the_month_knows_it(desk: Desk) -> None:
    rows = [{"customer_id": f"c{number}"} for number in range(150)]
    for number, row in enumerate(rows):
        _answer(desk, row["customer_id"], 10 if number % 3 else 0, "3-14")
    _answer(desk, "c7", 10, "3-15")
    found = _whole(desk)
    assert (found.n, found.customers, found.is_suppressed) == (151, None, False)
    assert found.effective_n is not None
    # Of independent answers, the variance of 32 groups is off by a quarter, either way, and is never taken for less.
    assert 60 < found.effective_n <= 151


def test_on_a_crowded_day_one_customer_is_still_one(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 2})
    for _ in range(150):
        _answer(desk, "anna", 10)
    found = _whole(desk)
    assert (found.n, found.customers, found.is_suppressed) == (150, 1, True)


def test_days_that_are_counted_one_by_one_come_to_the_same(desk: Desk) -> None:
    days = [(f"3-{day}", f"c{(day * 7 + number) % 5}") for day in range(1, 29) for number in range(day % 4)]
    for when, customer in days:
        _answer(desk, customer, 10 if customer < "c3" else 0, when)
        desk.compute("nps")
    by_day = [(v.grain, v.period_start, v.ci_low, v.ci_high, v.customers) for v in desk.values("nps")]
    desk.compute("nps", everything=True)
    assert by_day == [(v.grain, v.period_start, v.ci_low, v.ci_high, v.customers) for v in desk.values("nps")]


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "rates"])
def test_intervals_over_customers_hold_where_those_over_events_do_not(kind: str, is_grouped: bool) -> None:
    found = coverage(kind, 400 if is_grouped else 20, is_grouped, simulated=300)
    # Of 300 samples, the standard error of 93 % is 1.5 %; the least of fifty cells lies three of them lower.
    assert found.least > 0.885
    assert found.mean > 0.94
    assert found.naive < 0.75


def test_a_value_of_nothing_but_unknown_customers_needs_no_counts() -> None:
    found = Clusters.of({"n": np.array([0.0, 1.0, 40.0])})
    assert found.effect(np.array([0.0, 0.0, 10.0]), np.ones(3)).tolist() == [1, 1, 1]
    assert found.customers.tolist() == [0, 1, 40]
