"""Which events stand behind KPIs that compare customers: cohorts, retained revenue, several channels."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from kpi_desk import Desk, at
from kpi_january import four_in_january
from kpi_traced import MARCH, failing, land, traced

from cxflow.kpis.landed_events import Event
from cxflow.kpis.periods import BEGINNING, Period
from cxflow.kpis.trace import Trace
from cxflow.warehouse.tables import order_header

JANUARY, APRIL = (Period("month", date(2025, month, 1)) for month in (1, 4))
WHOLE, YEAR = Period("all", BEGINNING), Period("year", date(2025, 1, 1))
AGE = "months_since_first"


def events(found: Trace) -> list[Event]:
    assert found.events is not None
    return list(found.events)


def by_customer(found: Trace) -> list[tuple[str | None, str, float | str | None]]:
    """Customer, day and what each event is counted with."""
    return sorted((event.customer_id, f"{event.at:%m-%d}", event.gives) for event in events(found))


# Retained revenue


def spending(desk: Desk) -> None:
    """From February to March: ana 40 → 30 + 30, ben 60 → 15, eva 50 → nothing; fay is new, gil's was free, hal's order
    of March has no value."""
    desk.configure(project={"currency": "EUR"}, kpis={"dimensions": ["source"]})
    for day, customer, total, source in (
        ("1-31", "ana", 999, "shop"),
        ("2-14", "ana", 40, "shop"),
        ("3-02", "ana", 30, "shop"),
        ("3-31", "ana", 30, "shop"),
        ("2-15", "ben", 20, "shop"),
        ("2-15", "ben", 40, "market"),
        ("3-15", "ben", 15, "market"),
        ("2-16", "eva", 50, "shop"),
        ("3-16", "fay", 70, "shop"),
        ("2-17", "gil", 0, "shop"),
        ("3-17", "gil", 80, "shop"),
        ("2-18", "hal", 10, "market"),
        ("3-18", "hal", None, "market"),
        ("4-01", "ana", 999, "shop"),
    ):
        desk.order(at(day), customer, price_total=total, source_system=source)
    land(desk)
    desk.compute("net_revenue_retention", "gross_revenue_retention")


def test_retained_revenue_stands_on_the_orders_of_both_periods(desk: Desk) -> None:
    spending(desk)
    found = traced(desk, "net_revenue_retention")
    # 60 + 15 of 40 + 60 + 50 + 10.
    assert (found.value.numerator, found.value.denominator, found.value.n) == (75, 160, 4)
    assert by_customer(found) == [
        ("ana", "02-14", 40),
        ("ana", "03-02", 30),
        ("ana", "03-31", 30),
        ("ben", "02-15", 20),
        ("ben", "02-15", 40),
        ("ben", "03-15", 15),
        ("eva", "02-16", 50),
        ("hal", "02-18", 10),
    ]
    assert found.sides == {"period before": (4, 5, 160), "this period": (2, 3, 75)}
    assert [event.side for event in events(found)] == ["period before"] * 5 + ["this period"] * 3
    assert dict(found.left_out) == {"without a value": 1}
    assert found.adds_up


def test_capped_revenue_counts_later_orders_up_to_the_earlier_ones(desk: Desk) -> None:
    spending(desk)
    found = traced(desk, "gross_revenue_retention")
    # Ana's 60 count as 40, each of her two orders for a half of it.
    assert (found.value.numerator, found.value.denominator) == (55, 160)
    assert [gives for customer, day, gives in by_customer(found) if customer == "ana" and day > "03"] == [
        20,
        20,
    ]
    assert found.sides["this period"] == (2, 3, 55)
    assert found.adds_up


def test_in_a_slice_only_who_spent_in_it_before_counts(desk: Desk) -> None:
    spending(desk)
    shop, market = (traced(desk, "net_revenue_retention", by=("source", name)) for name in ("shop", "market"))
    # Ben's 20 in the shop were followed by nothing there.
    assert (shop.value.numerator, shop.value.denominator, shop.value.n) == (60, 110, 3)
    assert shop.sides == {"period before": (3, 3, 110), "this period": (1, 2, 60)}
    assert (market.value.numerator, market.value.denominator, market.value.n) == (15, 50, 2)
    assert market.sides == {"period before": (2, 2, 50), "this period": (1, 1, 15)}
    assert (failing(shop), failing(market)) == ([], [])


def test_customers_who_all_stay_away_are_there_without_an_order(desk: Desk) -> None:
    desk.configure(project={"currency": "EUR"})
    for day, customer in (("2-14", "ana"), ("2-15", "ben"), ("3-20", "eva")):
        desk.order(at(day), customer, price_total=10)
    land(desk)
    desk.compute("net_revenue_retention")
    found = traced(desk, "net_revenue_retention")
    assert (found.value.numerator, found.value.denominator, found.value.n) == (0, 20, 2)
    assert found.sides == {"period before": (2, 2, 20)}
    assert found.counts["customers"] == 2
    assert found.adds_up


def test_an_order_that_is_not_computed_yet_is_on_neither_side(desk: Desk) -> None:
    spending(desk)
    desk.order(at("3-25"), "eva", price_total=5)
    land(desk)
    assert [
        (check.what, check.expected, check.found) for check in failing(traced(desk, "net_revenue_retention"))
    ] == [("numerator published and counted now", 75, 80)]


# Cohorts


def traced_cohorts(desk: Desk) -> None:
    """Those of `four_in_january`, with their raw records."""
    desk.configure(kpis={"new_after_days": 0})
    four_in_january(desk)
    land(desk)
    desk.compute("cohort_retention", "customer_lifetime_value")


def test_a_cohort_stands_on_first_orders_and_on_those_of_the_month(desk: Desk) -> None:
    traced_cohorts(desk)
    found = traced(desk, "cohort_retention", JANUARY, (AGE, "01"))
    assert (found.value.numerator, found.value.n) == (2, 4)
    assert sorted((str(event.customer_id), f"{event.at:%m-%d}", event.side) for event in events(found)) == [
        ("ana", "01-05", "first order"),
        ("ana", "02-10", "ordered again"),
        ("ben", "01-10", "first order"),
        ("ben", "02-11", "ordered again"),
        ("eva", "01-31", "first order"),
        ("fay", "01-31", "first order"),
    ]
    assert {side: it.customers for side, it in found.sides.items()} == {"first order": 4, "ordered again": 2}
    assert found.adds_up
    # In the first month itself, who ordered again did so in it.
    same_month = traced(desk, "cohort_retention", JANUARY, (AGE, "00"))
    assert same_month.sides["ordered again"][:2] == (1, 1)
    assert same_month.adds_up


def test_a_cohort_of_whom_nobody_ordered_again_has_its_first_orders(desk: Desk) -> None:
    traced_cohorts(desk)
    found = traced(desk, "cohort_retention", MARCH, (AGE, "00"))
    assert (found.value.numerator, found.value.n) == (0, 1)
    assert list(found.sides) == ["first order"]
    assert found.adds_up


def test_all_cohorts_stand_on_those_that_have_come_so_far(desk: Desk) -> None:
    traced_cohorts(desk)
    found = traced(desk, "cohort_retention", WHOLE, (AGE, "01"), rows=100)
    # Hal's second month is not over.
    assert (found.value.numerator, found.value.n) == (3, 5)
    assert {event.customer_id for event in events(found)} == {"ana", "ben", "eva", "fay", "gil"}
    assert found.adds_up


def test_a_cohort_as_a_whole_stands_on_its_first_orders(desk: Desk) -> None:
    traced_cohorts(desk)
    for kpi in ("cohort_retention", "customer_lifetime_value"):
        found = traced(desk, kpi, JANUARY)
        assert (found.value.value, found.value.n, found.counts["events"]) == (None, 4, 4)
        assert {event.at.month for event in events(found)} == {1}
        assert found.adds_up
        assert traced(desk, kpi, WHOLE).counts["events"] == 6


def test_lifetime_value_stands_on_the_orders_up_to_the_end_of_the_month(desk: Desk) -> None:
    traced_cohorts(desk)
    found = traced(desk, "customer_lifetime_value", JANUARY, (AGE, "01"))
    assert (found.value.numerator, found.value.n) == (270, 4)
    assert by_customer(found) == [
        ("ana", "01-05", 100),
        ("ana", "01-20", 20),
        ("ana", "02-10", 40),
        ("ben", "01-10", 50),
        ("ben", "02-11", 10),
        ("eva", "01-31", 30),
        ("fay", "01-31", 20),
    ]
    assert found.adds_up


def test_cohorts_begin_in_the_reporting_time_zone_and_leave_out_who_is_not_new(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 20}, project={"timezone": "America/Sao_Paulo"})
    # 02:30 UTC on 1 February is January there. Ana may have ordered before the data begin; eva's first has no value.
    for when, customer, total in (
        ("1-05", "ana", 10),
        ("2-01 02:30", "ben", 20),
        ("1-30", "eva", None),
        ("2-10", "eva", 5),
        ("3-02", "fay", 1),
    ):
        desk.order(at(when), customer, price_total=total)
    land(desk)
    desk.compute("cohort_retention", "customer_lifetime_value")
    retention = traced(desk, "cohort_retention", JANUARY, (AGE, "01"))
    assert (retention.value.numerator, retention.value.n) == (1, 2)
    assert {event.customer_id for event in events(retention)} == {"ben", "eva"}
    lifetime = traced(desk, "customer_lifetime_value", JANUARY, (AGE, "01"))
    assert by_customer(lifetime) == [("ben", "02-01", 20)]
    assert (failing(retention), failing(lifetime)) == ([], [])


# Several channels


def day(number: float) -> datetime:
    return at("1-01") + timedelta(days=number)


def customer(
    desk: Desk, name: str, channels: str, revenue: float | None = None, segment: str | None = None
) -> None:
    """A customer with a touchpoint per letter, a day apart, and an order worth so much after 100 days."""
    desk.customer(name, segment)
    for number, channel in enumerate(channels):
        desk.touchpoint(day(number), channel=channel, customer_id=name)
    if revenue is not None:
        desk.order(day(100), name, price_total=revenue)


def test_several_channels_stand_on_touchpoints_and_later_orders_of_both_sides(desk: Desk) -> None:
    desk.order(day(300), "last")
    for name, channels, revenue in (
        ("a", "ww", 100),
        ("b", "ww", None),
        ("c", "wp", 90),
        ("d", "www", 200),
        ("e", "wps", 450),
        # Nobody to compare with.
        ("f", "wpsw", 9999),
        ("g", "w", 9999),
    ):
        customer(desk, name, channels, revenue)
    # Too early, too late, and sent by the brand.
    desk.order(day(89), "a", price_total=1)
    desk.order(day(270), "a", price_total=1)
    desk.touchpoint(day(1), channel="email", customer_id="a", direction="outbound")
    land(desk)
    desk.compute("omnichannel_uplift")
    found = traced(desk, "omnichannel_uplift", YEAR, rows=100)
    # Weights 2·1/3 and 1·1/2: (60 + 225) ÷ (33⅓ + 100) − 1.
    assert (found.value.value, found.value.n) == (pytest.approx(285 / (400 / 3) - 1), 5)
    assert found.sides == {
        "one channel, 2 touchpoints": (2, 5, 100),
        "one channel, 3 touchpoints": (1, 4, 200),
        "several channels, 2 touchpoints": (1, 3, 90),
        "several channels, 3 touchpoints": (1, 4, 450),
    }
    assert [(f"{event.at:%m-%d}", event.gives) for event in events(found) if event.customer_id == "a"] == [
        ("01-01", None),
        ("01-02", None),
        ("04-11", 100),
    ]
    assert found.counts["events"] == found.counts["records"] == 16
    assert found.adds_up
    assert "value and what the events give" in {check.what for check in found.checks}
    assert traced(desk, "omnichannel_uplift", WHOLE, rows=100).adds_up


def test_in_a_slice_customers_are_compared_with_those_of_the_slice(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["segment"]})
    desk.order(day(300), "last")
    for name, channels, revenue, segment in (
        ("a", "ww", 100, "vip"),
        ("b", "wp", 150, "vip"),
        ("c", "wp", 999, None),
        # Of the whole, but without anybody of one channel in its segment.
        ("d", "wps", 30, "vip"),
        ("e", "www", 10, None),
    ):
        customer(desk, name, channels, revenue, segment)
    land(desk)
    desk.compute("omnichannel_uplift")
    found = traced(desk, "omnichannel_uplift", YEAR, ("segment", "vip"))
    assert (found.value.value, found.value.n) == (pytest.approx(0.5), 2)
    assert {event.customer_id for event in events(found)} == {"a", "b"}
    assert found.adds_up
    whole = traced(desk, "omnichannel_uplift", YEAR)
    assert (whole.value.n, whole.adds_up) == (5, True)


def test_customers_of_channels_who_never_order_are_there_with_their_touchpoints(desk: Desk) -> None:
    desk.put(
        order_header,
        {
            "order_id": "last",
            "created_at": day(300),
            "customer_id": None,
            "currency_code": "EUR",
            "price_total": 1,
        },
    )
    customer(desk, "a", "ww")
    customer(desk, "b", "wp")
    land(desk)
    desk.compute("omnichannel_uplift")
    found = traced(desk, "omnichannel_uplift", YEAR)
    assert (found.value.value, found.value.n) == (None, 2)
    assert found.sides == {
        "one channel, 2 touchpoints": (1, 2, 0),
        "several channels, 2 touchpoints": (1, 2, 0),
    }
    assert found.adds_up


def test_ten_touchpoints_and_more_are_one_side(desk: Desk) -> None:
    desk.order(day(300), "last")
    customer(desk, "a", "w" * 10, 100)
    customer(desk, "b", "w" * 14 + "p", 150)
    land(desk)
    desk.compute("omnichannel_uplift")
    found = traced(desk, "omnichannel_uplift", YEAR)
    assert set(found.sides) == {
        "one channel, 10 or more touchpoints",
        "several channels, 10 or more touchpoints",
    }
    assert (found.value.value, found.adds_up) == (pytest.approx(0.5), True)
