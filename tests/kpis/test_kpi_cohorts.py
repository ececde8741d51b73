"""cohort_retention, customer_lifetime_value."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import interval_by_hand
import pytest
from kpi_desk import FIRST, Desk, at
from kpi_january import four_in_january
from sqlalchemy import update

from cxflow.kpis import left_out
from cxflow.kpis.cohorts import BY_AGE
from cxflow.kpis.periods import Grain
from cxflow.kpis.read import KpiValue
from cxflow.warehouse.tables import order_header

AGE = "months_since_first"
RETENTION, LIFETIME = BOTH = ("cohort_retention", "customer_lifetime_value")
T3 = 3.182446
"""Student's t, 3 degrees of freedom, 97.5 %."""


@pytest.fixture(autouse=True)
def _all_orders_there_ever_were(desk: Desk) -> None:
    desk.configure(kpis={"new_after_days": 0})


def by_age(desk: Desk, kpi: str, grain: Grain = "month") -> dict[tuple[int, str], KpiValue]:
    """Month and age to the value."""
    return {(v.period_start.month, v.dimension_value): v for v in desk.values(kpi, grain, AGE) if v.n}


def shares(
    desk: Desk, kpi: str = RETENTION, grain: Grain = "month"
) -> dict[tuple[int, str], tuple[float, int]]:
    return {cell: (v.numerator or 0, v.n) for cell, v in by_age(desk, kpi, grain).items()}


def test_retention_is_of_those_who_first_ordered_in_the_month(desk: Desk) -> None:
    four_in_january(desk)
    desk.compute(RETENTION)
    # Of January's four: ana twice in January; ana and ben in February; ana in March. Of February's one: gil in March.
    assert shares(desk) == {
        (1, "00"): (1, 4),
        (1, "01"): (2, 4),
        (1, "02"): (1, 4),
        (2, "00"): (0, 1),
        (2, "01"): (1, 1),
        (3, "00"): (0, 1),
    }
    one = by_age(desk, RETENTION)[1, "01"]
    assert one.value == 0.5
    assert (one.ci_low, one.ci_high) == pytest.approx(interval_by_hand.share(2, 4))
    # All cohorts: five have seen their first month after, four the second.
    assert shares(desk, RETENTION, "all") == {(1, "00"): (1, 6), (1, "01"): (3, 5), (1, "02"): (1, 4)}


def test_lifetime_value_is_what_the_cohort_has_spent_so_far_per_customer(desk: Desk) -> None:
    four_in_january(desk)
    desk.compute(LIFETIME)
    found = by_age(desk, LIFETIME)
    spent = {"00": [120, 50, 30, 20], "01": [160, 60, 30, 20], "02": [170, 60, 30, 20]}
    for age, amounts in spent.items():
        value = found[1, age]
        assert (value.numerator, value.denominator, value.n) == (sum(amounts), 4, 4)
        assert value.value == pytest.approx(sum(amounts) / 4)
        by_hand = interval_by_hand.amounts(amounts, T3)
        assert (value.ci_low, value.ci_high) == pytest.approx(by_hand, rel=1e-6)
        mean = sum(amounts) / 4
        assert value.squared_deviation == pytest.approx(sum((each - mean) ** 2 for each in amounts))
        assert value.cubed_deviation == pytest.approx(sum((each - mean) ** 3 for each in amounts))
    assert [found[2, age].value for age in ("00", "01")] == [7, 10]
    assert found[3, "00"].interval_note == "too few observations for an interval"
    # All cohorts at age 01: 270 of January's four and 10 of gil.
    assert by_age(desk, LIFETIME, "all")[1, "01"].value == pytest.approx(280 / 5)


def test_a_cohort_as_a_whole_has_its_size_and_no_value(desk: Desk) -> None:
    four_in_january(desk)
    desk.order(at("1-05"))
    desk.compute(*BOTH)
    for kpi in BOTH:
        january, february, march = desk.values(kpi)
        assert [each.n for each in (january, february, march)] == [4, 1, 1]
        assert (january.value, january.ci_low, january.ci_high, january.numerator) == (None,) * 4
        assert (january.interval_note, january.left_out) == (BY_AGE, 1)
        assert [v.n for v in desk.values(kpi, "all")] == [6]


def test_a_month_is_over_when_the_newest_order_is_of_a_later_one(desk: Desk) -> None:
    desk.order(at("1-31"), "ana")
    desk.order(at("2-28 23:59"), "ben")
    desk.compute(RETENTION)
    assert shares(desk) == {(1, "00"): (0, 1)}
    desk.order(at("3-01 00:00"), is_cancelled=True)  # somebody's, called off: the shop is known up to then
    desk.compute(RETENTION)
    assert shares(desk) == {(1, "00"): (0, 1), (1, "01"): (0, 1), (2, "00"): (0, 1)}


def test_months_are_those_of_the_project(desk: Desk) -> None:
    # 02:30 UTC on 1 February is January in São Paulo.
    desk.configure(kpis={"new_after_days": 0}, project={"timezone": "America/Sao_Paulo"})
    for day in ("1-05", "2-01 02:30", "2-01 03:30", "4-01 02:30"):
        desk.order(at(day), "ana")
    desk.compute(RETENTION)
    assert shares(desk) == {(1, "00"): (1, 1), (1, "01"): (1, 1)}


def test_each_source_is_known_as_far_as_its_own_newest_order(desk: Desk) -> None:
    # The market stopped in February: nobody knows who would have come back to it in March. Ben began there, but was
    # seen in the shop; eva began in the shop.
    desk.order(at("1-05"), "ana", source_system="market")
    desk.order(at("1-06"), "ben", source_system="market")
    desk.order(at("2-07"), "ben")
    desk.order(at("2-08"), "ana", source_system="market")
    desk.order(at("1-10"), "eva")
    desk.order(at("3-10"), "eva")
    desk.order(at("4-10"), "eva")
    desk.compute(RETENTION)
    assert shares(desk) == {(1, "00"): (0, 3), (1, "01"): (0, 1), (1, "02"): (1, 1)}
    desk.order(at("3-01"), "fay", source_system="market")
    desk.compute(RETENTION)
    assert shares(desk) == {(1, "00"): (0, 3), (1, "01"): (2, 3), (1, "02"): (1, 1)}


def test_who_may_have_ordered_before_the_data_begin_is_in_no_cohort(desk: Desk) -> None:
    # The shop begins on 1 January: 30 days later is the 31st at noon.
    desk.configure(kpis={"new_after_days": 30})
    desk.order(at("1-01"), "ana", price_total=5)
    desk.order(at("1-31 11:59"), "ben", price_total=5)
    desk.order(at("1-31 12:00"), "eva", price_total=5)
    desk.order(at("2-10"), "ana", price_total=5)  # not her first
    desk.order(at("2-10"), "fay", price_total=5)
    desk.order(at("2-11"), "gil", source_system="market", price_total=5)  # the first that the market tells of
    desk.order(at("3-10"), "eva", price_total=5)
    desk.compute(*BOTH)
    assert shares(desk) == {(1, "00"): (0, 1), (1, "01"): (0, 1), (2, "00"): (0, 1)}
    assert shares(desk, LIFETIME) == {(1, "00"): (5, 1), (1, "01"): (5, 1), (2, "00"): (5, 1)}
    for kpi in BOTH:
        reasons = {each.reason: each.events for each in left_out.reasons(desk.connection, [kpi], "all")}
        assert reasons == {"who may have ordered before the data begin": 3}
        assert [(v.period_start.month, v.n, v.left_out) for v in desk.values(kpi)] == [(1, 1, 2), (2, 1, 1)]


def test_by_default_the_first_half_year_has_no_cohorts(desk: Desk) -> None:
    desk.configure()
    four_in_january(desk)
    desk.compute(RETENTION)
    assert shares(desk) == {}


def test_refunds_lower_what_customers_are_worth_and_an_unknown_value_leaves_them_out(desk: Desk) -> None:
    order = desk.order(at("1-05"), "ana", price_total=100)
    desk.order(at("1-05"), "ben", price_total=50)
    desk.order(at("2-05"), "ben")  # nobody knows what for
    desk.order(at("2-05"), "eva", price_total=1)
    desk.compute(*BOTH)
    assert shares(desk, LIFETIME) == {(1, "00"): (100, 1)}
    desk.refund(order, at("2-20"), refund_total=30)
    desk.compute(*BOTH, as_of=FIRST + timedelta(hours=1))
    assert shares(desk, LIFETIME) == {(1, "00"): (70, 1)}
    assert shares(desk) == {(1, "00"): (0, 2)}, "an order is an order, whatever it is worth"
    reasons = {each.reason: each.events for each in left_out.reasons(desk.connection, [LIFETIME], "all")}
    assert reasons == {"with an order without a value": 1}


def test_a_currency_without_a_rate_stops_the_value_alone(desk: Desk) -> None:
    desk.order(at("1-05"), "ana", price_total=100, currency_code="USD")
    desk.order(at("2-05"), "ana", price_total=100)
    assert set(desk.compute(*BOTH).failed) == {LIFETIME}
    assert shares(desk) == {(1, "00"): (0, 1)}
    desk.configure(kpis={"new_after_days": 0, "rates": {"USD": 0.9}})
    desk.compute(*BOTH, as_of=FIRST + timedelta(hours=1))
    assert by_age(desk, LIFETIME)[1, "00"].value == pytest.approx(90)


def test_equal_amounts_have_no_spread_and_no_interval(desk: Desk) -> None:
    for number in range(30):
        desk.order(at("1-05"), f"c{number}", price_total=19.99)
    desk.order(at("2-05"), "other", price_total=1)
    desk.compute(LIFETIME)
    value = by_age(desk, LIFETIME)[1, "00"]
    assert (value.squared_deviation, value.cubed_deviation) == (0, 0)
    assert (value.ci_low, value.interval_note) == (None, "all observations alike: no interval")


@pytest.mark.parametrize("kpi", BOTH)
def test_without_customers_there_is_no_cohort(desk: Desk, kpi: str) -> None:
    desk.compute(kpi)
    assert desk.values(kpi) == desk.values(kpi, "month", AGE) == []
    desk.order(at("1-05"), price_total=5)
    desk.order(at("2-05"), price_total=5, is_cancelled=True, customer_id="ana")
    desk.compute(kpi)
    assert [v.n for v in desk.values(kpi)] == [0]
    assert desk.values(kpi, "month", AGE) == []


def test_there_are_no_more_slices_than_a_project_allows_and_not_more_than_three_years(desk: Desk) -> None:
    for year, month in ((2020, 1), (2020, 2), (2025, 6)):
        desk.order(datetime(year, month, 15, tzinfo=ZoneInfo("UTC")), "ana")
    desk.compute(RETENTION)
    assert [v.dimension_value for v in desk.values(RETENTION, "all", AGE)] == [
        f"{age:02}" for age in range(37)
    ]
    desk.configure(kpis={"new_after_days": 0, "max_values": 3})
    desk.compute(RETENTION, as_of=FIRST + timedelta(hours=1))
    found = [v.dimension_value for v in desk.values(RETENTION, "all", AGE) if v.n]
    assert found == ["00", "01", "02"]


def test_an_earlier_order_that_comes_late_moves_the_customer_to_another_cohort(desk: Desk) -> None:
    four_in_january(desk)
    desk.compute(*BOTH)
    desk.order(at("1-15"), "gil", price_total=4)
    desk.compute(*BOTH, as_of=FIRST + timedelta(hours=1))
    assert shares(desk)[1, "01"] == (3, 5)
    assert (2, "01") not in shares(desk)
    desk.connection.execute(
        update(order_header)
        .where(order_header.c.customer_id == "gil", order_header.c.created_at == at("1-15"))
        .values(is_deleted=True)
    )
    desk.touch(order_header, date(2025, 1, 15))
    desk.compute(*BOTH, as_of=FIRST + timedelta(hours=2))
    assert shares(desk)[1, "01"] == (2, 4)
    assert shares(desk)[2, "01"] == (1, 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_any_loads_comes_to_what_plain_python_counts(desk: Desk, seed: int) -> None:
    lot = random.Random(seed)
    orders = [
        (at(f"{lot.randint(1, 8)}-{lot.randint(1, 28)}"), f"c{lot.randint(1, 30)}", lot.randint(1, 90))
        for _ in range(90)
    ]
    lot.shuffle(orders)
    for load, first in enumerate(range(0, len(orders), 30)):
        for when, customer, amount in orders[first : first + 30]:
            desk.order(when, customer, price_total=amount)
        desk.compute(*BOTH, as_of=FIRST + timedelta(hours=load))
    cohort: dict[str, int] = {}
    for when, customer, _ in sorted(orders):
        cohort.setdefault(customer, when.month)
    newest = max(when.month for when, *_ in orders)
    again: dict[tuple[int, str], set[str]] = defaultdict(set)
    spent: dict[tuple[int, str], float] = defaultdict(float)
    for month in range(1, newest):
        for age in range(newest - month):
            for customer, first in cohort.items():
                if first != month:
                    continue
                own = [(when, amount) for when, who, amount in orders if who == customer]
                now = [when for when, _ in own if when.month == month + age]
                spent[month, f"{age:02}"] += sum(amount for when, amount in own if when.month <= month + age)
                if len(now) > (age == 0):
                    again[month, f"{age:02}"].add(customer)
    size = {month: sum(first == month for first in cohort.values()) for month in range(1, newest)}
    cells = {cell for cell in spent if size[cell[0]]}
    assert shares(desk) == {cell: (len(again[cell]), size[cell[0]]) for cell in cells}
    assert shares(desk, LIFETIME) == {cell: (spent[cell], size[cell[0]]) for cell in cells}
    assert desk.compute(*BOTH, as_of=FIRST + timedelta(days=1), everything=True).published == 0
