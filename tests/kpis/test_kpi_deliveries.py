"""on_time_delivery_rate and ÷ orders due, delivery_days."""

from __future__ import annotations

from typing import Any

import interval_by_hand
import pytest
from kpi_desk import Desk, at
from sqlalchemy import update

from cxflow.warehouse.tables import delivery, kpi_horizon, order_header, order_line

SHOP: dict[str, Any] = {"connections": {"shop": {"connector": "files", "timezone": "America/Sao_Paulo"}}}


def ten_orders(desk: Desk) -> None:
    """Ten of 1 March: six delivered on time, one late, two overdue and not there, one not due. The shop is known up to
    12 March."""
    for day in ("3-05", "3-06", "3-07", "3-08", "3-09", "3-10 23:59", "3-11 00:00"):
        desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at(day))
    desk.order(at("3-01"), promised_at=at("3-10"))
    desk.order(at("3-01"), promised_at=at("3-11"))
    desk.order(at("3-01"), promised_at=at("3-12"))
    desk.order(at("3-12"))  # without a promise


def test_overdue_orders_that_have_not_come_are_late(desk: Desk) -> None:
    # Of seven delivered, six: 0.857. Of nine due, six: 0.667. What is due on the 12th is not over on the 12th.
    ten_orders(desk)
    delivered, due = (
        desk.result("on_time_delivery_rate"),
        desk.result("on_time_delivery_rate_of_due"),
    )
    assert delivered is not None
    assert due is not None
    assert (delivered.numerator, delivered.n) == (6, 7)
    assert (due.numerator, due.n, due.left_out) == (6, 9, 2)
    assert (due.ci_low, due.ci_high) == pytest.approx(interval_by_hand.share(6, 9))


def test_an_order_becomes_due_when_its_source_is_known_so_far(desk: Desk) -> None:
    ten_orders(desk)
    desk.compute("on_time_delivery_rate_of_due")
    desk.order(at("3-20"), source_system="other")
    desk.compute("on_time_delivery_rate_of_due")
    assert [v.n for v in desk.counted("on_time_delivery_rate_of_due")] == [9], (
        "another source says nothing of it"
    )
    desk.order(at("3-13"))
    desk.compute("on_time_delivery_rate_of_due")
    assert [v.n for v in desk.counted("on_time_delivery_rate_of_due")] == [10]


def test_a_horizon_moves_back_when_its_newest_event_vanishes(desk: Desk) -> None:
    ten_orders(desk)
    last = desk.order(at("3-13"))
    desk.compute("on_time_delivery_rate_of_due")
    assert [v.n for v in desk.counted("on_time_delivery_rate_of_due")] == [10]
    gone = update(order_header).where(order_header.c.order_id == last).values(is_deleted=True)
    desk.connection.execute(gone)
    desk.touch(order_header, at("3-13").date())
    desk.compute("on_time_delivery_rate_of_due")
    assert [v.n for v in desk.counted("on_time_delivery_rate_of_due")] == [9]
    assert desk.connection.execute(kpi_horizon.select()).all() == [("orders", "shop", at("3-12"))]


def test_an_order_is_delivered_with_its_last_parcel(desk: Desk) -> None:
    whole = desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at("3-09"))
    desk.parcel(whole, at("3-08"))
    desk.parcel(whole, at("3-12"))  # late, whatever the order says
    partly = desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at("3-09"))
    desk.parcel(partly, at("3-08"))
    desk.parcel(partly, None)  # one is on its way
    shipped = desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=at("3-09"))
    desk.parcel(shipped, None)  # a carrier that never tells: the order's own time
    by_parcel = desk.order(at("3-01"))
    desk.parcel(by_parcel, at("3-05"), promised_at=at("3-06"))
    desk.parcel(by_parcel, at("3-20"), is_deleted=True)
    rate = desk.result("on_time_delivery_rate")
    assert rate is not None
    assert (rate.numerator, rate.n) == (2, 3)
    assert [v.period_start.day for v in desk.counted("on_time_delivery_rate", "day")] == [5, 9, 12]


def test_a_parcel_that_comes_later_moves_the_order_to_its_day(desk: Desk) -> None:
    order = desk.order(at("3-01"), promised_at=at("3-10"))
    desk.put(
        delivery,
        {"delivery_id": "a", "order_id": order, "delivered_at": at("3-04")},
        {"delivery_id": "b", "order_id": order, "delivered_at": at("3-06")},
    )
    desk.compute("on_time_delivery_rate")
    assert [v.period_start.day for v in desk.counted("on_time_delivery_rate", "day")] == [6]
    desk.connection.execute(
        update(delivery).where(delivery.c.delivery_id == "a").values(delivered_at=at("3-08"))
    )
    # As a load notes it: the days of all parcels of the order, before and after.
    desk.touch(delivery, *(at(day).date() for day in ("3-04", "3-06", "3-08")))
    desk.compute("on_time_delivery_rate")
    assert [v.period_start.day for v in desk.counted("on_time_delivery_rate", "day")] == [8]


def lined(
    desk: Desk, delivered: str | None, *quantities: tuple[float | None, float | None], **order: Any
) -> str:
    """An order of 1 March, due on the 10th, with lines: what was ordered and what was delivered."""
    id_ = desk.order(at("3-01"), promised_at=at("3-10"), delivered_at=delivered and at(delivered), **order)
    for ordered, came in quantities:
        desk.line(id_, 10, quantity=ordered, quantity_delivered=came)
    return id_


def test_on_time_in_full_is_of_orders_due_whose_lines_tell_what_came(desk: Desk) -> None:
    # Ten orders. Due and told: three on time in full, one of them with more than was ordered; one on time with one of
    # two; one late and whole; one not there. 3 of 6. Two do not tell, one has no lines, one has no promise.
    lined(desk, "3-05", (2, 2), (1, 1))
    lined(desk, "3-10 23:59", (2.5, 2.5))
    lined(desk, "3-06", (2, 3))
    lined(desk, "3-05", (2, 2), (2, 1))
    lined(desk, "3-11", (2, 2))
    lined(desk, None, (2, 0))
    lined(desk, "3-05", (2, 2), (1, None))
    lined(desk, "3-05", (None, 1))
    lined(desk, "3-05")
    desk.order(at("3-12"))
    lined(desk, "3-05", (2, 2), is_cancelled=True)
    rate = desk.result("otif_rate")
    assert rate is not None
    assert (rate.numerator, rate.n, rate.value, rate.left_out) == (3, 6, 0.5, 4)
    assert (rate.ci_low, rate.ci_high) == pytest.approx(interval_by_hand.share(3, 6))
    on_time = desk.result("on_time_delivery_rate_of_due")
    assert on_time is not None
    assert (on_time.numerator, on_time.n) == (7, 9)


def test_a_line_that_comes_later_completes_its_order(desk: Desk) -> None:
    order = lined(desk, "3-05", (2, 1))
    desk.order(at("3-12"))
    desk.compute("otif_rate")
    assert [(v.numerator, v.n) for v in desk.counted("otif_rate")] == [(0, 1)]
    desk.connection.execute(
        update(order_line).where(order_line.c.order_id == order).values(quantity_delivered=2)
    )
    # As a load notes it: the line's own day, and that of its order.
    desk.touch(order_line, at("3-14").date())
    desk.touch(order_header, at("3-01").date())
    desk.compute("otif_rate")
    assert [(v.numerator, v.n) for v in desk.counted("otif_rate")] == [(1, 1)]


def test_a_deleted_line_does_not_count(desk: Desk) -> None:
    order = lined(desk, "3-05", (2, 2))
    desk.line(order, 10, quantity=5, quantity_delivered=0, is_deleted=True)
    desk.order(at("3-12"))
    rate = desk.result("otif_rate")
    assert rate is not None
    assert (rate.numerator, rate.n) == (1, 1)


def test_without_delivered_quantities_there_is_no_otif(desk: Desk) -> None:
    assert desk.result("otif_rate") is None
    lined(desk, "3-05", (2, None))
    lined(desk, "3-05", (None, None))
    desk.order(at("3-12"))
    assert desk.result("otif_rate") is None


@pytest.mark.parametrize(
    ("delivered", "on_time"),
    [("3-11 02:59", 1), ("3-11 03:00", 0)],
)
def test_a_promised_day_ends_in_the_zone_of_its_source(desk: Desk, delivered: str, on_time: int) -> None:
    # The 10th in São Paulo, written as its midnight, is 03:00 UTC, and ends at 03:00 UTC of the 11th.
    desk.configure(project={"timezone": "Europe/Madrid"}, **SHOP)
    desk.order(at("3-01"), promised_at=at("3-10 03:00"), delivered_at=at(delivered))
    desk.order(at("3-15"))
    for kpi in ("on_time_delivery_rate", "on_time_delivery_rate_of_due"):
        rate = desk.result(kpi)
        assert rate is not None
        assert (rate.value, rate.n) == (on_time, 1), kpi


def test_another_zone_of_a_source_recomputes_its_promises(desk: Desk) -> None:
    desk.order(at("3-01"), promised_at=at("3-10 03:00"), delivered_at=at("3-11 02:00"))
    desk.compute("on_time_delivery_rate")
    desk.configure(**SHOP)
    desk.compute("on_time_delivery_rate")
    assert [v.value for v in desk.values("on_time_delivery_rate")] == [1]


def test_days_are_counted_from_order_to_last_parcel(desk: Desk) -> None:
    # 1 2 3 4 5 6 7 8 9 10 days: median 5.5, 90th percentile 9.1; ranks 2 and 9 of ten.
    for days in range(1, 11):
        desk.order(at("3-01"), delivered_at=at(f"3-{1 + days:02}"))
    late = desk.order(at("3-01"), delivered_at=at("3-02"))
    desk.parcel(late, None)
    desk.parcel(late, at("3-03"))  # of two, one has come
    median, p90 = desk.result("delivery_days"), desk.result("delivery_days_p90")
    assert median is not None
    assert p90 is not None
    assert (median.value, median.n, median.ci_low, median.ci_high) == (pytest.approx(5.5), 10, 2, 9)
    assert p90.value == pytest.approx(9.1)


@pytest.mark.parametrize(
    ("kpi", "alone"),
    [
        ("on_time_delivery_rate", 1),
        ("on_time_delivery_rate_of_due", 1),
        ("delivery_days", 4),
        ("delivery_days_p90", 4),
    ],
)
def test_one_delivered_order_is_enough_and_orders_without_times_are_not(
    desk: Desk, kpi: str, alone: float
) -> None:
    assert desk.result(kpi) is None
    desk.order(at("3-01"))
    desk.order(at("3-01"))
    assert desk.result(kpi) is None
    desk.order(at("3-01"), promised_at=at("3-04"), delivered_at=at("3-05"), is_cancelled=True)
    assert desk.result(kpi) is None
    desk.order(at("3-01"), promised_at=at("3-06"), delivered_at=at("3-05"))
    desk.order(at("3-07"))
    found = desk.result(kpi)
    assert found is not None
    assert (found.value, found.n) == (pytest.approx(alone), 1)
