"""on_time_delivery_rate, return_rate, refund_rate, average_order_value, repeat_purchase_rate, retention_rate."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at

from cxflow.warehouse.tables import refund


def test_an_order_is_on_time_until_the_end_of_the_promised_day(desk: Desk) -> None:
    for promised, delivered in [
        ("3-10", "3-09"),  # early
        ("3-10", "3-10 23:59"),  # late in the day: on time
        ("3-10 00:00", "3-10 18:00"),  # a promise written as midnight is that whole day
        ("3-10", "3-10 08:00"),
        ("3-12", "3-11"),
        ("3-12", "3-12"),
        ("3-12", "3-13 00:00"),  # the next day: late
        ("3-12", "3-20"),  # late
    ]:
        desk.order(at("3-01"), promised_at=at(promised), delivered_at=at(delivered))
    desk.order(at("3-01"), promised_at=at("3-10"))  # not delivered
    desk.order(at("3-01"), delivered_at=at("3-10"))  # no promise
    desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at("3-10"), is_cancelled=True)
    rate = desk.result("on_time_delivery_rate")
    assert rate is not None
    assert (rate.numerator, rate.n, rate.value) == (6, 8, 0.75)
    assert (rate.ci_low, rate.ci_high) == pytest.approx(interval_by_hand.share(6, 8))


def test_the_promised_day_is_one_of_the_reporting_time_zone(desk: Desk) -> None:
    # 23:30 UTC on the 10th is 00:30 on the 11th in Madrid: late.
    desk.configure(project={"timezone": "Europe/Madrid"})
    desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at("3-10 23:30"))
    rate = desk.result("on_time_delivery_rate")
    assert rate is not None
    assert rate.value == 0


def test_a_delivery_counts_in_the_period_of_the_delivery(desk: Desk) -> None:
    desk.order(at("1-31"), promised_at=at("2-10"), delivered_at=at("2-03"))
    desk.compute("on_time_delivery_rate")
    assert [v.period_start.month for v in desk.values("on_time_delivery_rate")] == [2]


def test_a_return_counts_in_the_period_of_the_order(desk: Desk) -> None:
    orders = [desk.order(at("1-15")) for _ in range(10)]
    desk.order(at("1-15"), cancelled_at=at("1-16"))
    desk.refund(orders[0])
    desk.refund(orders[0])  # twice the same order: one
    desk.refund(orders[1], is_return=True)
    desk.refund(orders[2], is_return=False)  # money only
    desk.refund(orders[3], is_deleted=True)
    desk.compute("return_rate")
    (january,) = desk.values("return_rate")
    assert (january.period_start.month, january.numerator, january.n) == (1, 2, 10)


def test_a_refund_that_comes_months_later_reaches_back_to_the_order(desk: Desk) -> None:
    order = desk.order(at("1-15"))
    desk.compute("return_rate")
    desk.refund(order, at("6-20"))
    desk.compute("return_rate")
    assert [v.value for v in desk.values("return_rate")] == [1]


def test_a_refund_is_money_back_with_or_without_goods(desk: Desk) -> None:
    # Of ten orders kept: two with a refund, one by its own words, one of an unknown amount. 4 of 10.
    orders = [desk.order(at("1-15")) for _ in range(9)]
    desk.order(at("1-15"), refund_total=5)
    desk.order(at("1-15"), cancelled_at=at("1-16"), refund_total=5)
    desk.refund(orders[0], refund_total=5, is_return=False)
    desk.refund(orders[0], refund_total=5)  # twice the same order: one
    desk.refund(orders[1], refund_total=5, is_return=True)
    desk.refund(orders[2], refund_total=None)
    desk.refund(orders[3], refund_total=0)  # goods came back, for other goods
    desk.refund(orders[4], refund_total=5, is_deleted=True)
    desk.compute("refund_rate")
    (january,) = desk.values("refund_rate")
    assert (january.period_start.month, january.numerator, january.n) == (1, 4, 10)
    assert (january.ci_low, january.ci_high) == pytest.approx(interval_by_hand.share(4, 10))


def test_order_value_is_the_total_or_else_the_sum_of_the_lines(desk: Desk) -> None:
    # 100 + 50 + (12.50 + 7.50) + 30 = 200 of 4 orders: 50.
    # t(3, 0.975) = 3.182446.
    desk.order(price_total=100)
    for_one = desk.order(price_total=50)
    desk.line(for_one, 999)  # the total goes before the lines
    of_lines = desk.order()
    desk.line(of_lines, 12.5)
    desk.line(of_lines, 7.5)
    desk.line(of_lines, None)
    desk.line(of_lines, 1000, is_deleted=True)
    desk.order(price_total=30)
    desk.order()  # no value at all
    desk.order(price_total=9999, is_cancelled=True)
    value = desk.result("average_order_value")
    assert value is not None
    assert (value.value, value.n, value.numerator) == (pytest.approx(50), 4, 200)
    by_hand = interval_by_hand.amounts([100, 50, 20, 30], 3.182446)
    assert (value.ci_low, value.ci_high) == pytest.approx(by_hand, abs=1e-3)


def test_order_values_are_converted_with_the_configured_rates(desk: Desk) -> None:
    # 10 EUR + 20 USD × 0.9 = 28, of 2 orders.
    desk.configure(kpis={"rates": {"USD": 0.9}})
    desk.order(price_total=10)
    desk.order(price_total=20, currency_code="USD")
    value = desk.result("average_order_value")
    assert value is not None
    assert value.value == pytest.approx(14)


def test_a_currency_that_only_uncounted_orders_have_needs_no_rate(desk: Desk) -> None:
    desk.order(price_total=20, currency_code="BRL", is_cancelled=True)
    desk.order(currency_code="CLP")
    desk.order(price_total=7)
    value = desk.result("average_order_value")
    assert value is not None
    assert value.value == 7


def test_lines_without_a_time_of_their_own_count_with_their_order(desk: Desk) -> None:
    order = desk.order(at("1-15"))
    desk.compute("average_order_value")
    desk.line(order, 15, created_at=None)
    desk.compute("average_order_value")
    assert [(v.period_start.month, v.value) for v in desk.values("average_order_value")] == [(1, 15)]


def test_repeat_purchase_counts_customers_with_two_orders_in_the_period(desk: Desk) -> None:
    # March: ana 2, ben 1, eva 2 of which 1 cancelled, fay 3, unknown 2: 2 of 4 customers. April: ben 1.
    for customer, orders in {"ana": 2, "ben": 1, "eva": 1, "fay": 3}.items():
        for _ in range(orders):
            desk.order(at("3-14"), customer)
    desk.order(at("3-14"), "eva", is_cancelled=True)
    desk.order(at("3-14"))
    desk.order(at("3-14"))
    desk.order(at("4-02"), "ben")
    desk.compute("repeat_purchase_rate")
    assert [(v.numerator, v.n, v.value) for v in desk.values("repeat_purchase_rate")] == [
        (2, 4, 0.5),
        (0, 1, 0),
    ]
    # Over all time ben has two as well.
    assert [(v.numerator, v.n) for v in desk.values("repeat_purchase_rate", "all")] == [(3, 4)]


def test_retention_is_who_ordered_again_of_those_who_ordered_in_the_period_before(desk: Desk) -> None:
    # January: ana ben eva fay. February: ana ben (twice) gil; fay's is cancelled. 2 of 4. March: gil. 1 of 3.
    for customer in ("ana", "ben", "eva", "fay"):
        desk.order(at("1-15"), customer)
    for customer in ("ana", "ben", "ben", "gil"):
        desk.order(at("2-15"), customer)
    desk.order(at("2-15"), "fay", is_cancelled=True)
    desk.order(at("3-31"), "gil")
    desk.compute("retention_rate")
    months = [(v.period_start.month, v.numerator, v.n) for v in desk.values("retention_rate")]
    assert months == [(2, 2, 4), (3, 1, 3)]


def test_retention_follows_weeks_and_months_across_the_year(desk: Desk) -> None:
    # Monday 30 December 2024 and Monday 6 January 2025 are neighbouring weeks, and of neighbouring months.
    new_year = at("1-06")
    desk.order(new_year.replace(year=2024, month=12, day=30), "ana")
    desk.order(new_year, "ana")
    desk.compute("retention_rate")
    assert [(v.period_start.isoformat(), v.value) for v in desk.values("retention_rate")] == [
        ("2025-01-01", 1)
    ]
    assert [(v.period_start.isoformat(), v.value) for v in desk.values("retention_rate", "week")] == [
        ("2025-01-06", 1)
    ]


def test_retention_has_no_value_without_customers_before_nor_after_the_newest_order(desk: Desk) -> None:
    assert desk.result("retention_rate") is None
    desk.order(at("1-15"), "ana")
    desk.order(at("3-15"), "ben")
    desk.order(at("3-15"))
    desk.compute("retention_rate")
    # February: nobody came back of one. March: nobody had ordered in February. April has not happened.
    assert [(v.period_start.month, v.value) for v in desk.counted("retention_rate")] == [(2, 0)]


def test_an_order_after_a_gap_lets_the_periods_between_be_judged(desk: Desk) -> None:
    desk.order(at("1-15"), "ana")
    desk.compute("retention_rate")
    assert desk.values("retention_rate") == []
    desk.order(at("4-15"), "ben")
    desk.compute("retention_rate")
    assert [(v.period_start.month, v.value) for v in desk.values("retention_rate")] == [(2, 0)]


@pytest.mark.parametrize(
    "kpi", ["on_time_delivery_rate", "return_rate", "average_order_value", "repeat_purchase_rate"]
)
def test_without_orders_that_count_there_is_no_value(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    desk.order(is_cancelled=True, price_total=5, delivered_at=at("3-15"), promised_at=at("3-15"))
    assert desk.result(kpi) is None


@pytest.mark.parametrize(
    ("kpi", "alone"),
    [
        ("on_time_delivery_rate", 1),
        ("average_order_value", 5),
        ("repeat_purchase_rate", 0),
    ],
)
def test_one_order_is_enough_for_a_value(desk: Desk, kpi: str, alone: float) -> None:
    desk.order(customer_id="ana", price_total=5, delivered_at=at("3-15"), promised_at=at("3-15"))
    result = desk.result(kpi)
    assert result is not None
    assert (result.value, result.n) == (alone, 1)


def test_one_order_that_came_back_is_a_return_rate_of_one(desk: Desk) -> None:
    desk.refund(desk.order())
    rate = desk.result("return_rate")
    assert rate is not None
    assert (rate.value, rate.n) == (1, 1)


def test_is_cancelled_goes_before_cancelled_at(desk: Desk) -> None:
    desk.order(price_total=1, is_cancelled=False, cancelled_at=at("3-15"))  # called off, then taken up again
    desk.order(price_total=2, cancelled_at=at("3-15"))
    value = desk.result("average_order_value")
    assert value is not None
    assert value.value == 1


def test_a_refund_that_names_no_order_is_a_return_of_none(desk: Desk) -> None:
    orders = [desk.order(at("3-10")) for _ in range(4)]
    desk.refund(orders[0])
    desk.put(refund, {"refund_id": "r", "order_id": None, "currency_code": "EUR", "refunded_at": at("3-20")})
    rate = desk.result("return_rate")
    assert rate is not None
    assert (rate.numerator, rate.n) == (1, 4)
