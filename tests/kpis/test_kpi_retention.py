"""churn_rate, net_revenue_retention, gross_revenue_retention."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta

import interval_by_hand
import pytest
from kpi_desk import FIRST, Desk, at

SPENT = ("net_revenue_retention", "gross_revenue_retention")
T3 = 3.182446
"""Student's t, 3 degrees of freedom, 97.5 %."""


def test_churn_is_who_did_not_order_again_of_those_who_ordered_in_the_period_before(desk: Desk) -> None:
    # January: ana ben eva fay. February: ana ben gil; fay's is cancelled. 2 of 4 left. March: gil. 2 of 3 left.
    for customer in ("ana", "ben", "eva", "fay"):
        desk.order(at("1-15"), customer)
    for customer in ("ana", "ben", "ben", "gil"):
        desk.order(at("2-15"), customer)
    desk.order(at("2-15"), "fay", is_cancelled=True)
    desk.order(at("2-15"))
    desk.order(at("3-31"), "gil")
    desk.compute("retention_rate", "churn_rate")
    february, march = desk.counted("churn_rate")
    assert (february.numerator, february.n, february.value, february.left_out) == (2, 4, 0.5, 1)
    assert (march.numerator, march.n) == (2, 3)
    assert (march.ci_low, march.ci_high) == pytest.approx(interval_by_hand.share(2, 3))
    stayed = [value.value for value in desk.counted("retention_rate")]
    assert [value.value for value in desk.counted("churn_rate")] == pytest.approx(
        [1 - (each or 0) for each in stayed]
    )


def test_revenue_retention_is_of_what_the_customers_of_the_period_before_spent_then(desk: Desk) -> None:
    # January: ana 100, ben 50, eva 20 + 10, fay 20: 200. February: ana 150, ben 30, and gil, who is new, 500.
    # Net (150 + 30) ÷ 200. Gross: of ana 100 at most, (100 + 30) ÷ 200.
    for customer, amount in (("ana", 100), ("ben", 50), ("eva", 20), ("eva", 10), ("fay", 20)):
        desk.order(at("1-15"), customer, price_total=amount)
    desk.order(at("1-15"), "hal", price_total=0)  # worth nothing then: there is nothing to retain
    desk.order(at("1-15"), "ivo")  # no value
    desk.order(at("1-15"), price_total=70)  # of nobody known
    desk.order(at("1-15"), "fay", price_total=999, is_cancelled=True)
    for customer, amount in (("ana", 150), ("ben", 20), ("ben", 10), ("gil", 500), ("hal", 60)):
        desk.order(at("2-15"), customer, price_total=amount)
    desk.compute(*SPENT)
    earlier, net, gross = (100, 50, 30, 20), (150, 30, 0, 0), (100, 30, 0, 0)
    for kpi, later, ratio in zip(SPENT, (net, gross), (0.9, 0.65), strict=True):
        (value,) = desk.counted(kpi)
        assert (value.numerator, value.denominator, value.n) == (sum(later), 200, 4)
        assert value.value == pytest.approx(ratio)
        # The ratio is the mean of these: each customer's distance from it, over the mean earlier spending of 50.
        each = [ratio + (y - ratio * x) / 50 for x, y in zip(earlier, later, strict=True)]
        low, high = interval_by_hand.amounts(each, T3)
        if kpi == "net_revenue_retention":
            assert (value.ci_low, value.ci_high) == (pytest.approx(max(low, 0)), pytest.approx(high))
        else:
            assert (value.ci_low, value.ci_high) == (pytest.approx(max(low, 0)), pytest.approx(min(high, 1)))
        assert [v.left_out for v in desk.values(kpi)] == [2, 0]


def test_what_makes_a_customer_active_may_be_declared(desk: Desk) -> None:
    # Logged in: January ana ben eva, February ana gil, and ana once more. Who only orders or calls is not active.
    desk.configure(kpis={"active_by": ["logged_in", "watched_film"]})
    for customer, when, activity in (
        ("ana", "1-5", "logged_in"),
        ("ben", "1-6", "watched_film"),
        ("eva", "1-7", "logged_in"),
        ("ana", "2-5", "watched_film"),
        ("ana", "2-6", "logged_in"),
        ("gil", "2-7", "logged_in"),
        ("ben", "2-8", "called_support"),
        (None, "2-9", "logged_in"),
    ):
        desk.touchpoint(at(when), customer_id=customer, activity=activity)
    desk.order(at("2-15"), "eva")
    desk.compute("retention_rate", "churn_rate")
    assert [(v.numerator, v.n, v.left_out) for v in desk.counted("retention_rate")] == [(1, 3, 1)]
    assert [(v.numerator, v.n) for v in desk.counted("churn_rate")] == [(2, 3)]


def test_an_activity_that_nobody_did_is_an_error_and_the_values_stay(desk: Desk) -> None:
    for customer, when in (("ana", "1-15"), ("ana", "2-15")):
        desk.touchpoint(at(when), customer_id=customer, activity="logged_in")
        desk.order(at(when), customer)
    desk.compute("retention_rate")
    before = desk.counted("retention_rate")
    assert [value.value for value in before] == [1]
    desk.configure(kpis={"active_by": ["loged_in", "logged_in"]})
    report = desk.compute("retention_rate", "average_order_value")
    (why,) = report.failed.values()
    assert "nobody has done what kpis.active_by names: loged_in" in why
    assert "logged_in" in why.partition("the activities are:")[2]
    assert desk.counted("retention_rate") == before


def test_refunds_do_not_touch_revenue_retention(desk: Desk) -> None:
    order = desk.order(at("1-15"), "ana", price_total=100)
    desk.order(at("2-15"), "ana", price_total=50)
    desk.refund(order, at("2-20"), refund_total=100)
    desk.compute(*SPENT)
    assert [[v.value for v in desk.counted(kpi)] for kpi in SPENT] == [[0.5], [0.5]]


@pytest.mark.parametrize("kpi", ["churn_rate", *SPENT])
def test_without_a_period_before_there_is_no_value(desk: Desk, kpi: str) -> None:
    desk.compute(kpi)
    assert desk.values(kpi) == []
    desk.order(at("1-15"), "ana", price_total=5)
    desk.compute(kpi)
    assert desk.counted(kpi) == []
    desk.order(at("3-15"), "ana", price_total=5)
    desk.compute(kpi)
    # February lies between: everybody had left, and nobody had been there before March.
    assert [(v.period_start.month, v.n, v.value) for v in desk.counted(kpi)] == [
        (2, 1, 1 if kpi == "churn_rate" else 0)
    ]


def test_amounts_are_converted_and_a_currency_without_a_rate_stops_only_those(desk: Desk) -> None:
    desk.order(at("1-15"), "ana", price_total=100)
    desk.order(at("2-15"), "ana", price_total=100, currency_code="USD")
    report = desk.compute("churn_rate", *SPENT)
    assert set(report.failed) == set(SPENT)
    assert [v.value for v in desk.counted("churn_rate")] == [0]
    desk.configure(kpis={"rates": {"USD": 0.9}})
    desk.compute(*SPENT, as_of=FIRST + timedelta(days=1))
    assert [v.value for v in desk.counted("net_revenue_retention")] == [pytest.approx(0.9)]


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_any_loads_comes_to_what_plain_python_counts(desk: Desk, seed: int) -> None:
    lot = random.Random(seed)
    orders = [
        (at(f"{lot.randint(1, 6)}-{lot.randint(1, 28)}"), f"c{lot.randint(1, 12)}", lot.randint(0, 90))
        for _ in range(90)
    ]
    lot.shuffle(orders)
    names = ("churn_rate", *SPENT)
    for load, first in enumerate(range(0, len(orders), 30)):
        for when, customer, amount in orders[first : first + 30]:
            desk.order(when, customer, price_total=amount)
        desk.compute(*names, as_of=FIRST + timedelta(hours=load))
    spent: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for when, customer, amount in orders:
        spent[when.month][customer] += amount
    expected: dict[str, dict[int, float]] = {name: {} for name in names}
    for month in range(2, max(spent) + 1):
        before, now = spent[month - 1], spent[month]
        expected["churn_rate"][month] = 1 - len(before.keys() & now.keys()) / len(before)
        worth = {customer: amount for customer, amount in before.items() if amount > 0}
        net = {customer: now.get(customer, 0) for customer in worth}
        expected["net_revenue_retention"][month] = sum(net.values()) / sum(worth.values())
        capped = sum(min(amount, worth[customer]) for customer, amount in net.items())
        expected["gross_revenue_retention"][month] = capped / sum(worth.values())
    for name in names:
        found = {v.period_start.month: v.value for v in desk.counted(name)}
        assert found == pytest.approx(expected[name])
    assert desk.compute(*names, as_of=FIRST + timedelta(days=1), everything=True).published == 0
