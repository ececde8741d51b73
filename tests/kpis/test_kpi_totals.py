"""touchpoints, revenue, net_revenue, backlog, return_rate_by_revenue."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at
from sqlalchemy import update

from cxflow.kpis.totals import ALL_COUNTED
from cxflow.warehouse.tables import support_case

AMOUNTS = [100, 50, 20, 30, 40, 60, 80, 10, 70, 90]
T9 = 2.262157
"""Student's t, 9 degrees of freedom, 97.5 %."""


def test_touchpoints_are_counted_and_sliced_by_activity_without_being_asked(desk: Desk) -> None:
    # Ten. Garwood: half of chi-square's quantiles with 20 and 22 degrees of freedom: 4.795 to 18.390.
    assert desk.result("touchpoints") is None
    for activity, many in (("placed_order", 6), ("called_support", 3), ("wrote_review", 1)):
        for _ in range(many):
            desk.touchpoint(at("3-14"), activity=activity)
    desk.touchpoint(at("3-14"), is_deleted=True)
    count = desk.result("touchpoints")
    assert count is not None
    assert (count.value, count.n, count.numerator, count.denominator) == (10, 10, 10, None)
    assert (count.ci_low, count.ci_high) == (pytest.approx(4.795, abs=5e-4), pytest.approx(18.390, abs=5e-4))
    assert {v.dimension_value: v.value for v in desk.values("touchpoints", by="activity")} == {
        "placed_order": 6,
        "called_support": 3,
        "wrote_review": 1,
    }
    desk.configure(kpis={"dimensions_of": {"touchpoints": ["channel"]}})
    desk.compute("touchpoints")
    assert [v.n for v in desk.values("touchpoints", by="activity")] == [0, 0, 0], "withdrawn"


def test_revenue_is_the_sum_of_order_values_and_its_interval_allows_for_another_number_of_orders(
    desk: Desk,
) -> None:
    # 550. The variance of such a sum is the sum of squares, 38,500: deviations are counted from 0.
    desk.order()
    assert desk.result("revenue") is None
    for amount in AMOUNTS:
        desk.order(price_total=amount)
    desk.order(price_total=9999, is_cancelled=True)
    revenue = desk.result("revenue")
    assert revenue is not None
    assert (revenue.value, revenue.n, revenue.numerator, revenue.left_out) == (pytest.approx(550), 10, 550, 1)
    low, high = interval_by_hand.amounts(AMOUNTS, T9, about=0)
    assert (revenue.ci_low, revenue.ci_high) == (pytest.approx(10 * low), pytest.approx(10 * high))
    assert 550 - 2.3 * 38_500**0.5 * (10 / 9) ** 0.5 < 10 * low < 550 - 2 * 38_500**0.5


def test_revenue_of_a_month_is_that_of_its_days(desk: Desk) -> None:
    desk.configure(kpis={"rates": {"USD": 0.9}})
    desk.order(at("3-01"), price_total=10)
    desk.order(at("3-02"), price_total=20, currency_code="USD")
    desk.compute("revenue")
    assert [v.value for v in desk.values("revenue", "day")] == [pytest.approx(10), pytest.approx(18)]
    assert [v.value for v in desk.values("revenue")] == [pytest.approx(28)]


def test_net_revenue_is_less_what_was_refunded_with_or_without_goods(desk: Desk) -> None:
    # 100 − 30 − 20, 50 − 50, 80 − 8 by the order's own words, 40 whose refund of 40 was taken back: 162.
    desk.order(at("1-15"), price_total=100, order_id="two")
    desk.order(at("1-15"), price_total=50, order_id="all")
    desk.order(at("1-15"), price_total=80, refund_total=8)
    desk.order(at("1-15"), price_total=40, order_id="none")
    desk.order(at("1-15"), price_total=70, order_id="unknown")
    desk.compute("net_revenue")
    desk.refund("two", at("2-20"), refund_total=30)
    desk.refund("two", at("3-20"), refund_total=20, is_return=False)
    desk.refund("all", refund_total=50)
    desk.refund("none", refund_total=40, is_deleted=True)
    desk.refund("unknown", refund_total=None)  # what is left of 70 nobody knows
    desk.refund("unknown", refund_total=5)
    desk.compute("net_revenue", "revenue")
    (net,) = desk.values("net_revenue")
    assert (net.value, net.n, net.left_out) == (pytest.approx(162), 4, 1)
    assert [v.value for v in desk.values("revenue")] == [340]


def test_where_nobody_tells_refunds_there_is_no_net_revenue_and_no_refund_rate(desk: Desk) -> None:
    order = desk.order(price_total=100)
    for kpi in ("net_revenue", "refund_rate"):
        assert desk.result(kpi) is None
    desk.refund(order, refund_total=100)
    assert [getattr(desk.result(kpi), "value", None) for kpi in ("net_revenue", "refund_rate")] == [0, 1]


def test_a_refund_in_another_currency_is_converted_and_needs_a_rate(desk: Desk) -> None:
    order = desk.order(price_total=100)
    desk.refund(order, refund_total=10, currency_code="USD")
    assert "refunds are in USD" in desk.compute("net_revenue").failed["net_revenue"]
    desk.configure(kpis={"rates": {"USD": 0.9}})
    net = desk.result("net_revenue")
    assert net is not None
    assert net.value == pytest.approx(91)


def test_the_backlog_is_what_was_opened_less_what_was_solved_up_to_the_end_of_the_period(desk: Desk) -> None:
    # January: 5 opened, 2 solved: 3. February: 4 and 1: 6. March: 1 and 3: 4.
    assert desk.result("backlog") is None
    for opened, solved in [
        ("1-01", "1-05"),
        ("1-02", "1-31 23:59"),
        ("1-03", "2-20"),
        ("1-04", "3-01"),
        ("1-05", None),
        ("2-01", "3-02"),
        ("2-02", "3-03"),
        ("2-03", None),
        ("2-04", None),
        ("3-05", None),
    ]:
        desk.case(at(opened), last_solved_at=at(solved) if solved else None)
    desk.case(at("1-01"), is_deleted=True)
    desk.compute("backlog")
    assert [(v.value, v.n) for v in desk.values("backlog")] == [(3, 5), (6, 9), (4, 10)]
    [last] = desk.values("backlog", "all")
    assert (last.value, last.ci_low, last.interval_note) == (4, None, ALL_COUNTED)
    desk.connection.execute(
        update(support_case).where(support_case.c.opened_at == at("1-05")).values(last_solved_at=at("1-06"))
    )
    desk.touch(support_case, at("1-05").date(), at("1-06").date())
    desk.compute("backlog")
    assert [v.value for v in desk.values("backlog")] == [2, 5, 3], "later periods follow"


def test_a_slice_of_the_backlog_is_its_own(desk: Desk) -> None:
    desk.case(at("1-01"), source_system="a")
    desk.case(at("2-01"), source_system="b", last_solved_at=at("2-02"))
    desk.case(at("2-03"), source_system="b")
    desk.compute("backlog")
    found = [(v.period_start.month, v.dimension_value, v.value) for v in desk.values("backlog", by="source")]
    assert found == [(1, "a", 1), (2, "b", 1)]


def test_returns_by_revenue_are_money_returned_of_money_sold(desk: Desk) -> None:
    # 100 of 550 came back: 30 of the first order, all 50 of the second, 20 of the third in two parcels.
    assert desk.result("return_rate_by_revenue") is None
    orders = [desk.order(price_total=amount) for amount in AMOUNTS]
    desk.refund(orders[0], refund_total=30)
    desk.refund(orders[1], refund_total=50, is_return=True)
    desk.refund(orders[2], refund_total=15)
    desk.refund(orders[2], refund_total=5)
    desk.refund(orders[3], refund_total=9, is_return=False)  # a gesture, no return
    desk.refund(orders[4], refund_total=9, is_deleted=True)
    rate = desk.result("return_rate_by_revenue")
    assert rate is not None
    assert (rate.value, rate.numerator, rate.denominator, rate.n) == (pytest.approx(100 / 550), 100, 550, 10)
    returned = [30, 50, 20, *[0] * 7]
    ratio = 100 / 550
    linearised = [ratio + (back - ratio * sold) / 55 for back, sold in zip(returned, AMOUNTS, strict=True)]
    low, high = interval_by_hand.amounts(linearised, T9)
    assert (rate.ci_low, rate.ci_high) == (pytest.approx(max(low, 0)), pytest.approx(high))


def test_a_return_of_unknown_worth_leaves_its_order_out(desk: Desk) -> None:
    first, second, unknown = (desk.order(price_total=10), desk.order(price_total=30), desk.order())
    desk.refund(first, refund_total=None)
    desk.refund(unknown, refund_total=5)
    rate = desk.result("return_rate_by_revenue")
    assert rate is not None
    assert (rate.value, rate.n, rate.left_out) == (0, 1, 2)
    desk.refund(second, refund_total=15)
    rate = desk.result("return_rate_by_revenue")
    assert rate is not None
    assert (rate.value, rate.interval_note) == (0.5, "too few observations for an interval")


def test_a_refund_in_a_currency_without_a_rate_is_told(desk: Desk) -> None:
    desk.refund(desk.order(price_total=10), refund_total=5, currency_code="USD")
    report = desk.compute("return_rate_by_revenue")
    assert "refunds are in USD, which has no rate to EUR" in report.failed["return_rate_by_revenue"]
