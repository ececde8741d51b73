"""Slices by what customers were then: at the event or, where a KPI follows customers, when a period begins or ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from kpi_desk import BY_NAME, Desk, at
from kpi_traced import land

from cxflow.kpis.dimensions import of_table
from cxflow.kpis.periods import Grain, Period
from cxflow.kpis.trace import trace
from cxflow.warehouse.customer_tables import DESCRIBED
from cxflow.warehouse.tables import customer, customer_history

EVER = datetime(1, 1, 2, tzinfo=UTC)


def become(desk: Desk, name: str, *periods: tuple[str, str]) -> None:
    """A customer of some segments, each from a day on: the first day does not count, and the last segment is the
    present one."""
    *former, (_, now) = periods
    starts = [EVER, *(at(f"{day} 00:00") for day, _ in periods[1:])]
    desk.customer(name, now)
    for (_, segment), start, end in zip(former, starts[:-1], starts[1:], strict=True):
        row = {"customer_id": name, "valid_from": start, "valid_to": end, "segment": segment}
        desk.put(customer_history, row)


def by_segment(desk: Desk, kpi: str, grain: Grain = "month") -> dict[tuple[str, int], Any]:
    """Segment and month to what is published."""
    return {
        (value.dimension_value, value.period_start.month): value
        for value in desk.values(kpi, grain, by="segment")
        if value.n
    }


def test_the_customers_dimensions_are_those_that_have_a_history() -> None:
    assert set(of_table(customer)) == set(DESCRIBED)
    assert set(DESCRIBED) <= set(customer_history.c.keys())


def test_an_order_is_of_the_segment_that_the_customer_had_when_ordering(desk: Desk) -> None:
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    desk.customer("ben", "new")
    for customer_id, when, amount in (
        ("ana", "1-15", 10),
        ("ana", "2-9 23:59:59", 20),
        ("ana", "2-10 00:00", 100),  # from that instant on
        ("ana", "3-15", 200),
        ("ben", "2-15", 40),
    ):
        desk.order(at(when), customer_id, price_total=amount)
    desk.compute("average_order_value")
    found = by_segment(desk, "average_order_value")
    assert {key: (value.n, value.value) for key, value in found.items()} == {
        ("new", 1): (1, 10),
        ("new", 2): (2, 30),
        ("vip", 2): (1, 100),
        ("vip", 3): (1, 200),
    }


def test_who_had_no_segment_then_is_in_no_slice(desk: Desk) -> None:
    desk.customer("ana", "vip", country="PT", consent=False)
    then = {"segment": None, "country": "ES", "consent": True}
    desk.put(
        customer_history,
        {"customer_id": "ana", "valid_from": EVER, "valid_to": at("2-10 00:00"), **then},
    )
    desk.configure(kpis={"dimensions": ["segment", "country", "consent"]})
    desk.order(at("1-15"), "ana", price_total=10)
    desk.compute("average_order_value")
    slices = {by: [v.dimension_value for v in desk.values("average_order_value", by=by)] for by in DESCRIBED}
    assert slices == {"segment": [], "country": ["ES"], "consent": ["true"]}


def test_a_deal_is_of_the_segment_at_its_end_and_a_conversion_of_that_of_the_lead(desk: Desk) -> None:
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    desk.lead("l", at("2-1"), customer_id="ana")
    desk.opportunity("l", True, customer_id="ana", created_at=at("2-2"), closed_at=at("2-20"))
    desk.compute("win_rate", "lead_conversion_rate")
    assert list(by_segment(desk, "win_rate")) == [("vip", 2)]
    assert list(by_segment(desk, "lead_conversion_rate")) == [("new", 2)]


FOLLOWING = ("retention_rate", "churn_rate", "net_revenue_retention", "gross_revenue_retention")


def test_who_changes_segment_has_not_left(desk: Desk) -> None:
    # At the beginning of February ana and ben are new; ana becomes vip on the 10th, and orders as such. Eva, vip since
    # 20 January, ordered as new before.
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    desk.customer("ben", "new")
    become(desk, "eva", ("1-1", "new"), ("1-20", "vip"))
    for customer_id, when, amount in (
        ("ana", "1-15", 100),
        ("ana", "2-15", 120),
        ("ben", "1-15", 100),
        ("eva", "1-15", 50),
        ("eva", "2-15", 20),
        ("ana", "3-5", 60),
    ):
        desk.order(at(when), customer_id, price_total=amount)
    desk.compute(*FOLLOWING)
    retained = by_segment(desk, "retention_rate")
    # March begins with two vips who ordered in February, of whom ana orders again.
    assert {key: (v.numerator, v.n) for key, v in retained.items()} == {
        ("new", 2): (1, 2),
        ("vip", 2): (1, 1),
        ("vip", 3): (1, 2),
    }
    assert {key: v.value for key, v in by_segment(desk, "churn_rate").items()} == {
        ("new", 2): 0.5,
        ("vip", 2): 0,
        ("vip", 3): 0.5,
    }
    net = {key: (v.numerator, v.denominator) for key, v in by_segment(desk, FOLLOWING[2]).items()}
    assert net == {("new", 2): (120, 200), ("vip", 2): (20, 50), ("vip", 3): (60, 140)}
    gross = {key: (v.numerator, v.denominator) for key, v in by_segment(desk, FOLLOWING[3]).items()}
    assert gross == {("new", 2): (100, 200), ("vip", 2): (20, 50), ("vip", 3): (60, 140)}
    whole = [(v.numerator, v.n) for v in desk.values("retention_rate") if v.n]
    assert whole == [(2, 3), (1, 2)]


def test_who_orders_in_two_segments_is_one_repeat_buyer_of_the_first(desk: Desk) -> None:
    # February begins with ana as new, so both of her orders of February are a new customer's; of March, a vip's.
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    desk.customer("ben", "new")
    for customer_id, when in (("ana", "2-5"), ("ana", "2-15"), ("ben", "2-7"), ("ana", "3-1")):
        desk.order(at(when), customer_id)
    desk.compute("repeat_purchase_rate")
    found = {key: (v.numerator, v.n) for key, v in by_segment(desk, "repeat_purchase_rate").items()}
    assert found == {("new", 2): (1, 2), ("vip", 3): (0, 1)}
    whole = [
        (v.dimension_value, v.numerator, v.n)
        for v in desk.values("repeat_purchase_rate", "all", by="segment")
    ]
    assert whole == [("new", 1, 2)]


@pytest.mark.parametrize("most", [50, 1])
def test_slices_of_customers_are_named_alike_whether_they_are_now_or_were(desk: Desk, most: int) -> None:
    desk.configure(kpis={"max_values": most})
    become(desk, "ana", ("1-1", "rare"), ("3-1", "vip"))
    for customer_id in ("ben", "eva"):
        desk.customer(customer_id, "vip")
    for customer_id in ("ana", "ben", "eva"):
        desk.order(at("1-15"), customer_id)
        desk.order(at("2-15"), customer_id)
    desk.compute("retention_rate")
    found = {name: v.n for (name, _), v in by_segment(desk, "retention_rate").items()}
    assert found == ({"rare": 1, "vip": 2} if most > 1 else {"(other)": 1, "vip": 2})


def test_a_memory_is_of_the_segment_at_the_end_of_the_period(desk: Desk) -> None:
    # Ana is one customer: what she lived through as new she remembers as a vip.
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    desk.customer("ben", "new")
    for customer_id, when, rating in (("ana", "1-15", 0), ("ana", "2-15", 10), ("ben", "1-20", 10)):
        touchpoint_id = desk.touchpoint(at(when), customer_id=customer_id)
        desk.answer("nps", rating, at(when), touchpoint_id=touchpoint_id)
    desk.compute("memory_index_1", "memory_index_2_3")
    of_one = {key: (v.n, v.value) for key, v in by_segment(desk, "memory_index_1").items()}
    assert of_one == {("new", 1): (2, 0), ("new", 2): (1, 1)}
    of_two = {key: v.n for key, v in by_segment(desk, "memory_index_2_3").items()}
    assert of_two == {("vip", 2): 1}
    assert [v.n for v in desk.values("memory_index_2_3") if v.n] == [1]
    whole = {v.dimension_value: v.n for v in desk.values("memory_index_2_3", "all", by="segment") if v.n}
    assert whole == {"vip": 1}


def test_experiences_are_of_the_segment_in_which_they_were_lived_through(desk: Desk) -> None:
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    for when, rating in (("1-15", 0), ("2-15", 10)):
        touchpoint_id = desk.touchpoint(at(when), customer_id="ana")
        desk.answer("nps", rating, at(when), touchpoint_id=touchpoint_id)
    desk.compute("net_experience")
    found = {key: v.value for key, v in by_segment(desk, "net_experience").items()}
    assert found == {("new", 1): -100, ("vip", 2): 100}


@pytest.mark.parametrize(
    "kpi", ["repeat_purchase_rate", *FOLLOWING, "memory_index_1", "average_order_value", "net_experience"]
)
def test_what_is_behind_a_slice_adds_up(desk: Desk, kpi: str) -> None:
    become(desk, "ana", ("1-1", "new"), ("2-10", "vip"))
    become(desk, "eva", ("1-1", "new"), ("1-20", "vip"))
    desk.customer("ben", "new")
    for customer_id, when in (
        ("ana", "1-15"),
        ("ana", "2-15"),
        ("ben", "1-16"),
        ("eva", "1-14"),
        ("eva", "2-3"),
    ):
        desk.order(at(when), customer_id, price_total=10 + at(when).day)
    for customer_id, when in (("ana", "1-15"), ("ben", "2-1"), ("eva", "1-10"), ("eva", "2-20")):
        touchpoint_id = desk.touchpoint(at(when), customer_id=customer_id)
        desk.answer("nps", 10, at(when), touchpoint_id=touchpoint_id)
    land(desk)
    desk.compute(kpi)
    found = by_segment(desk, kpi)
    assert {segment for segment, _ in found} == {"new", "vip"}
    for (segment, month), value in found.items():
        period = Period("month", value.period_start)
        traced = trace(desk.connection, desk.settings, BY_NAME[kpi], period, ("segment", segment))
        assert traced.adds_up, (segment, month, traced.checks)
