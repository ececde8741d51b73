"""omnichannel_uplift: exposure first, revenue after, within strata of as many touchpoints."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from kpi_desk import Desk, at

from cxflow.kpis.experience.first_days import first_days
from cxflow.kpis.experience.omnichannel import Uplift
from cxflow.kpis.order_facts import net_orders
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, touchpoint

KPI = "omnichannel_uplift"
START = at("1-01")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def customer(desk: Desk, name: str, channels: str, revenue: float | None = None, after: float = 100) -> None:
    """A customer with one touchpoint per letter, a day apart, and an order worth so much some days after the first."""
    desk.put(
        touchpoint,
        *(
            {
                "touchpoint_id": f"{name}{number}",
                "occurred_at": day(number),
                "activity": "visited_page",
                "channel": channel,
                "customer_id": name,
            }
            for number, channel in enumerate(channels)
        ),
    )
    if revenue is not None:
        desk.order(day(after), name, price_total=revenue)


def test_customers_are_compared_with_those_of_as_many_touchpoints(desk: Desk) -> None:
    desk.order(day(300), "last")
    # Two touchpoints. One channel: 100, 0 → 50. Two channels: 90, 90, 30, 30 → 60. Weight 2·4/6.
    for name, channels, revenue in (
        ("a", "ww", 100),
        ("b", "ww", None),
        ("c", "wp", 90),
        ("d", "wp", 90),
        ("e", "pw", 30),
        ("f", "wp", 30),
        # Three. One channel: 200, 400 → 300. Two or three: 450. Weight 2·1/3.
        ("g", "www", 200),
        ("h", "ppp", 400),
        ("i", "wps", 450),
        # Nobody to compare with: four touchpoints; and one is not two channels.
        ("j", "wpsw", 9999),
        ("k", "w", 9999),
    ):
        customer(desk, name, channels, revenue)
    # (4/3 × 60 + 2/3 × 450) ÷ (4/3 × 50 + 2/3 × 300) − 1 = 380 ÷ 266.67 − 1 = 0.425
    found = desk.result(KPI)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(0.425), 9)
    assert (found.ci_low, found.interval_note) == (None, "too few customers on one side for an interval")


def test_ten_touchpoints_and_more_are_one_stratum(desk: Desk) -> None:
    desk.order(day(300), "last")
    customer(desk, "a", "w" * 10, 100)
    customer(desk, "b", "w" * 15 + "p", 150)
    found = desk.result(KPI)
    assert found is not None
    assert found.value == pytest.approx(0.5)


def test_channels_are_those_of_90_days_and_revenue_is_that_of_the_180_after(desk: Desk) -> None:
    desk.order(day(270), "last")
    customer(desk, "a", "ww")
    for after, price in ((89.999, 1), (90, 10), (269.999, 100), (270, 1000)):
        desk.order(day(after), "a", price_total=price)
    customer(desk, "b", "wp", 220)
    for name, when in (("a", 89.999), ("b", 89.999), ("a", 90), ("b", 90)):
        desk.touchpoint(day(when), customer_id=name, channel="w" if when < 90 else "phone")
    desk.touchpoint(day(2), customer_id="a", channel="email", direction="outbound")
    found = desk.result(KPI)
    assert found is not None
    # Three touchpoints each. 220 ÷ 110 − 1.
    assert (found.value, found.n) == (pytest.approx(1), 2)


def test_who_is_not_observed_in_full_is_left_out(desk: Desk) -> None:
    customer(desk, "a", "ww", 100)
    customer(desk, "b", "wp", 150)
    desk.order(day(269.9), "last")
    assert desk.result(KPI) is None
    assert desk.values(KPI, "all")[0].left_out == 2
    desk.order(day(270), "last")
    found = desk.result(KPI)
    assert found is not None
    assert (found.value, found.left_out) == (pytest.approx(0.5), 0)


def test_revenue_is_net_of_refunds_and_an_order_without_a_value_leaves_its_customer_out(desk: Desk) -> None:
    desk.configure(kpis={"rates": {"USD": 0.5}})
    desk.order(day(300), "last", price_total=1)
    customer(desk, "a", "ww", 100)
    customer(desk, "b", "wp")
    for refund_total, price in ((None, 200), (25, 25)):
        order = desk.order(day(100), "b", price_total=price, refund_total=refund_total)
    order = desk.order(day(100), "b", price_total=100, refund_total=1)
    desk.refund(order, day(120), refund_total=100, currency_code="USD")
    desk.order(day(100), "b", price_total=9999, is_cancelled=True)
    customer(desk, "c", "wp")
    desk.order(day(100), "c")
    found = desk.result(KPI)
    assert found is not None
    # 200 + (25 − 25) + (100 − 100 × 0.5) = 250; what the refunds say comes before what the order says.
    assert (found.value, found.n, found.left_out) == (pytest.approx(1.5), 2, 1)


def test_a_refund_in_a_currency_without_a_rate_fails_this_kpi_by_name(desk: Desk) -> None:
    desk.order(day(300), "last", price_total=1)
    order = desk.order(day(100), "a", price_total=100)
    desk.refund(order, day(120), refund_total=10, currency_code="USD")
    failed = desk.compute(KPI, "average_order_value").failed
    assert list(failed) == [KPI]
    assert "refunds are in USD, which has no rate to EUR" in failed[KPI]


def test_nothing_and_a_single_customer_have_no_value(desk: Desk) -> None:
    assert desk.result(KPI) is None
    desk.order(day(300), "last")
    customer(desk, "a", "wp", 100)
    assert desk.result(KPI) is None
    customer(desk, "b", "ww")
    desk.compute(KPI)
    [found] = desk.values(KPI, "all")
    assert (found.value, found.n) == (None, 2)
    assert found.interval_note == "no two customers to compare, or no revenue to compare with"


def test_the_bootstrap_says_what_the_delta_method_does_and_the_same_each_time(desk: Desk) -> None:
    random = np.random.default_rng(1)
    ones, several = random.gamma(2, 50, 300).round(2), random.gamma(2, 60, 900).round(2)
    rows: dict[str, Any] = {"channel": "w", "activity": "visited_page"}
    people = [(f"one{i}", "ww", value) for i, value in enumerate(ones)]
    people += [(f"several{i}", "wp", value) for i, value in enumerate(several)]
    desk.put(
        touchpoint,
        *(
            rows
            | {"touchpoint_id": f"{name}{i}", "occurred_at": day(i), "channel": channel, "customer_id": name}
            for name, channels, _ in people
            for i, channel in enumerate(channels)
        ),
    )
    desk.put(
        order_header,
        *(
            {
                "order_id": name,
                "customer_id": name,
                "price_total": float(value),
                "created_at": day(100),
                "currency_code": "EUR",
            }
            for name, _, value in people
        ),
    )
    desk.order(day(300), "last")
    found = desk.result(KPI)
    assert found is not None
    ratio = several.mean() / ones.mean()
    assert found.value == pytest.approx(ratio - 1)
    relative = np.sqrt(sum(x.var(ddof=1) / len(x) / x.mean() ** 2 for x in (ones, several)))
    assert found.ci_low == pytest.approx(ratio * np.exp(-1.96 * relative) - 1, abs=0.02)
    assert found.ci_high == pytest.approx(ratio * np.exp(1.96 * relative) - 1, abs=0.02)
    assert desk.compute(KPI, everything=True).published == 0


def test_cells_are_resampled_alike_whatever_else_is_computed_with_them() -> None:
    uplift = Uplift(first_days(Settings()), net_orders(Settings()))
    random = np.random.default_rng(2)
    cell = ([4.0] * 40 + [5.0] * 40, [1.0] * 80, list(random.gamma(2, 50, 80)))

    def estimated(*cells: Any) -> float:
        names = ("codes", "sizes", "totals")
        columns = {name: [each[i] for each in cells] for i, name in enumerate(names)}
        return float(
            uplift.estimate({name: np.array(found, dtype=object) for name, found in columns.items()}).low[-1]
        )

    assert estimated(cell) == estimated(([4.0, 5.0], [1.0, 1.0], [3.0, 4.0]), cell)
