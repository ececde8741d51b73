"""Which events stand behind KPIs that compare customers: cohorts, retained revenue, several channels."""

from __future__ import annotations

from datetime import date

from kpi_desk import Desk, at
from kpi_traced import failing, land, traced

from cxflow.kpis.landed_events import Event
from cxflow.kpis.periods import BEGINNING, Period
from cxflow.kpis.trace import Trace

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
