"""What KPIs leave out is counted beside n, by reason, in every period."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from kpi_desk import Desk, at
from sqlalchemy import delete, insert, select, update

from cxflow.errors import ConfigError
from cxflow.kpis import left_out
from cxflow.kpis.facts import fact
from cxflow.warehouse.tables import kpi_left_out, order_header, pending_kpi, survey_response


def reasons(desk: Desk, kpi: str) -> dict[str, int]:
    return {each.reason: each.events for each in left_out.reasons(desk.connection, [kpi], "all")}


def test_orders_without_a_value_are_counted_beside_those_with_one(desk: Desk) -> None:
    for month, totals in (("3", (10, 20, None)), ("4", (None, None)), ("5", (7,))):
        for total in totals:
            desk.order(at(f"{month}-10"), price_total=total)
    desk.order(at("4-11"), is_cancelled=True)  # none of those that it is about
    desk.compute("average_order_value")
    months = desk.values("average_order_value")
    assert [(v.period_start.month, v.value, v.n, v.left_out) for v in months] == [
        (3, 15, 2, 1),
        (4, None, 0, 2),
        (5, 7, 1, 0),
    ]
    (whole,) = desk.values("average_order_value", "all")
    assert (whole.n, whole.left_out) == (3, 3)
    assert reasons(desk, "average_order_value") == {"without a value": 3}


def test_an_answer_has_one_reason_even_if_it_breaks_two(desk: Desk) -> None:
    five = {"worst_rating": 1, "best_rating": 5}
    desk.answer("nps", 9)
    desk.answer("nps", None)
    desk.answer("nps", None, **five)
    desk.answer("nps", 4, **five)
    desk.answer("csat", None, **five)  # another question
    desk.compute("nps")
    assert reasons(desk, "nps") == {"without a rating": 2, "on another scale than 0–10": 1}


@pytest.mark.parametrize(
    ("kpi", "expected"),
    [
        ("repeat_purchase_rate", {"without a customer": 2}),
        ("retention_rate", {"without a customer": 2}),
        ("on_time_delivery_rate", {"without a promised time": 3}),
        ("return_rate", {}),
    ],
)
def test_each_kpi_has_its_own_reasons(desk: Desk, kpi: str, expected: dict[str, int]) -> None:
    order = desk.order(at("3-01"), "ana", delivered_at=at("3-05"))
    desk.order(at("3-01"), delivered_at=at("3-05"))
    desk.order(at("3-01"), delivered_at=at("3-05"))
    desk.refund(order)
    desk.compute(kpi)
    assert reasons(desk, kpi) == expected


def test_calls_without_a_wait_are_left_out_of_the_service_level(desk: Desk) -> None:
    # Two waited 5 s, three have no wait: 2 of 2, not 2 of 5.
    for wait in (5, 5, None, None, None):
        desk.call(answered_at=at("3-14 12:01"), wait_seconds=wait)
    desk.call(abandoned_at=at("3-14 12:01"))  # not answered: not meant
    level = desk.result("service_level_80_20")
    assert level is not None
    assert (level.value, level.n, level.left_out) == (1, 2, 3)


def test_contacts_whose_repeat_days_are_not_over_leave_when_they_are(desk: Desk) -> None:
    desk.contact(at("3-01"), "ana")
    desk.contact(at("3-02"))
    desk.contact(at("3-03"), "ben")
    desk.compute("first_contact_resolution")
    open_and_unknown = {"repeat days not over": 2, "without a customer": 1}
    assert reasons(desk, "first_contact_resolution") == open_and_unknown
    desk.contact(at("3-20"), "eva")
    desk.compute("first_contact_resolution")
    assert reasons(desk, "first_contact_resolution") == {"repeat days not over": 1, "without a customer": 1}
    march, *_ = desk.values("first_contact_resolution")
    assert (march.n, march.left_out) == (2, 2)


def test_a_value_that_comes_later_takes_the_event_out_again(desk: Desk) -> None:
    order = desk.order(at("3-10"), price_total=None)
    desk.order(at("3-11"), price_total=5)
    desk.compute("average_order_value")
    desk.connection.execute(
        update(order_header).where(order_header.c.order_id == order).values(price_total=15)
    )
    desk.touch(order_header, date(2025, 3, 10))
    desk.compute("average_order_value")
    (march,) = desk.values("average_order_value")
    assert (march.value, march.n, march.left_out) == (10, 2, 0)
    assert reasons(desk, "average_order_value") == {}


def test_a_cell_whose_last_event_was_left_out_and_vanished_is_empty(desk: Desk) -> None:
    desk.answer("nps", None)
    desk.compute("nps")
    desk.connection.execute(delete(survey_response))
    desk.connection.execute(insert(pending_kpi), {"table_name": "survey_response", "day": date(2025, 3, 14)})
    desk.compute("nps")
    assert {(v.n, v.left_out) for v in desk.values("nps", "all")} == {(0, 0)}


@pytest.mark.parametrize("kpi", ["average_order_value", "repeat_purchase_rate"])
def test_slices_count_what_they_leave_out(desk: Desk, kpi: str) -> None:
    customers: dict[str, Any] = {"web": ("ana", None, None), "app": (None,), "store": ("ben", "ben")}
    for channel, known in customers.items():
        for customer in known:
            touch = desk.touchpoint(at("3-10"), channel=channel)
            price = 10 if customer else None
            desk.order(at("3-10"), customer, touchpoint_id=touch, price_total=price)
    desk.compute(kpi)
    found = {v.dimension_value: v.left_out for v in desk.values(kpi, "all", "channel")}
    assert found == {"web": 2, "store": 0}  # a slice of nothing but events left out is none
    (whole,) = desk.values(kpi, "all")
    assert whole.left_out == 3


def test_what_is_left_out_counts_in_other_once_a_value_shares_it(desk: Desk) -> None:
    desk.configure(kpis={"max_values": 1})
    for channel, prices in {"web": (1, 2, None), "app": (3, None), "store": (4, None, None)}.items():
        for price in prices:
            touch = desk.touchpoint(at("3-10"), channel=channel)
            desk.order(at("3-10"), touchpoint_id=touch, price_total=price)
    desk.compute("average_order_value")
    found = {
        v.dimension_value: (v.n, v.left_out) for v in desk.values("average_order_value", "all", "channel")
    }
    assert found == {"web": (2, 1), "(other)": (2, 3)}


def test_a_reason_is_given_once() -> None:
    orders = fact(order_header).needing("without a value", order_header.c.price_total.is_not(None))
    with pytest.raises(ConfigError, match="without a value"):
        orders.needing("without a value", order_header.c.tax_amount.is_not(None))


@pytest.mark.parametrize("kpi", ["retention_rate", "churn_rate", "net_revenue_retention"])
def test_a_kpi_that_looks_back_counts_again_only_the_days_that_were_touched(desk: Desk, kpi: str) -> None:
    for day in (1, 2, 3, 4):
        desk.order(at(f"3-0{day}"), price_total=5)
    desk.compute(kpi)
    desk.order(at("3-03"), price_total=5)
    desk.touch(order_header, date(2025, 3, 3))
    desk.compute(kpi)
    t = kpi_left_out.c
    days = desk.connection.execute(
        select(t.day.label("day"), t.events).where(t.kpi == kpi, t.dimension == "").order_by(t.day)
    )
    assert [(row.day.day, row.events) for row in days] == [(1, 1), (2, 1), (3, 2), (4, 1)]


def test_only_days_that_were_touched_are_counted_again(desk: Desk) -> None:
    for month in (3, 4):
        desk.order(at(f"{month}-10"), price_total=None)
    desk.compute("average_order_value")
    stored = desk.connection.execute(
        kpi_left_out.select().where(kpi_left_out.c.day == date(2025, 3, 10))
    ).all()
    desk.connection.execute(update(kpi_left_out).values(events=100))
    desk.order(at("4-10"), price_total=None)
    desk.compute("average_order_value")
    by_day = {
        row.day.month: row.events
        for row in desk.connection.execute(kpi_left_out.select().where(kpi_left_out.c.dimension == ""))
    }
    assert stored
    assert by_day == {3: 100, 4: 2}


def test_a_large_share_is_reported(desk: Desk) -> None:
    for price in (1, 2, 3, None):
        desk.order(price_total=price)
    assert desk.compute("average_order_value").leaving_out == {"average_order_value": (3, 1)}
    desk.configure(kpis={"max_left_out": 0.25})
    assert desk.compute("average_order_value", everything=True).leaving_out == {}
