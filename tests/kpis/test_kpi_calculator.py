"""What is recomputed, what is published, and what stays."""

from __future__ import annotations

import math
from datetime import UTC, date, timedelta
from typing import Any

import interval_by_hand
import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from sqlalchemy import delete, func, select, update

from cxflow.kpis import calculator
from cxflow.kpis.calculator import compute
from cxflow.kpis.declared import KPIS
from cxflow.settings import Settings
from cxflow.warehouse.tables import (
    kpi_definition,
    kpi_value,
    order_header,
    pending_kpi,
    refund,
    survey_response,
    touchpoint,
)

LATER = FIRST + timedelta(days=1)
LAST = FIRST + timedelta(days=2)


def month_of(desk: Desk, kpi: str = "nps") -> list[tuple[int, float | None, int]]:
    return [(v.period_start.month, v.value, v.n) for v in desk.values(kpi)]


def test_an_empty_warehouse_gives_definitions_and_no_values(desk: Desk) -> None:
    report = desk.compute()
    assert (report.computed, report.published) == (0, 0)
    written = desk.connection.execute(select(kpi_definition.c.kpi, kpi_definition.c.interval_method)).all()
    assert {name for name, _ in written} == set(BY_NAME)
    assert all(method for _, method in written)


def test_each_kpi_is_declared_whole() -> None:
    assert len({kpi.name for kpi in KPIS}) == len(KPIS) == 84
    for kpi in KPIS:
        assert kpi.title
        assert kpi.unit
        assert kpi.formula
        assert kpi.estimator(Settings()).reach


def test_the_same_computation_twice_publishes_once(desk: Desk) -> None:
    desk.answer("nps", 10)
    first = desk.compute("nps")
    # One answer, sliced by source: everything and one source, in six grains.
    assert (first.computed, first.published, first.unchanged) == (12, 12, 0)
    again = desk.compute("nps", as_of=LATER, everything=True)
    assert (again.computed, again.published, again.unchanged) == (12, 0, 12)


def test_nothing_touched_is_nothing_computed(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    assert desk.compute("nps", as_of=LATER).kpis == ()


def test_the_days_are_taken_off_the_list(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    assert desk.connection.scalar(select(func.count()).select_from(pending_kpi)) == 0


def test_late_data_republishes_its_own_periods_only(desk: Desk) -> None:
    desk.answer("nps", 10, at("1-15"))
    desk.answer("nps", 10, at("3-14"))
    desk.compute("nps")
    desk.answer("nps", 0, at("1-16"))
    report = desk.compute("nps", as_of=LATER)
    # Day 16, its week (from the 13th), January, its quarter, year and all, for everything and for the source.
    assert report.published == 12
    assert {v.as_of.astimezone(UTC) for v in desk.values("nps") if v.period_start.month == 1} == {LATER}
    assert {v.as_of.astimezone(UTC) for v in desk.values("nps") if v.period_start.month == 3} == {FIRST}
    assert month_of(desk) == [(1, 0, 2), (3, 100, 1)]


def test_a_period_that_was_not_touched_is_not_recomputed(desk: Desk) -> None:
    desk.answer("nps", 10, at("1-15"))
    desk.answer("nps", 10, at("3-14"))
    desk.compute("nps")
    desk.connection.execute(update(kpi_value).where(kpi_value.c.grain == "month").values(value=-1))
    desk.answer("nps", 10, at("3-15"))
    desk.compute("nps", as_of=LATER)
    assert month_of(desk) == [(1, -1, 1), (3, 100, 2)]
    desk.compute("nps", as_of=LAST, everything=True)
    assert month_of(desk) == [(1, 100, 1), (3, 100, 2)]


def test_what_no_source_tells_is_not_published_as_zero(desk: Desk) -> None:
    desk.order(at("1-15"))
    desk.order(at("3-15"))
    desk.compute("contact_rate", "return_rate")
    assert desk.values(None) == []


def test_the_first_source_of_a_numerator_brings_the_values_of_all_periods(desk: Desk) -> None:
    desk.order(at("1-15"))
    order = desk.order(at("3-15"))
    desk.compute("return_rate")
    desk.refund(order)
    desk.compute("return_rate", as_of=LATER)
    assert [(v.period_start.month, v.value) for v in desk.values("return_rate")] == [(1, 0), (3, 1)]


def test_when_the_last_row_of_a_numerator_goes_what_is_left_is_zero(desk: Desk) -> None:
    order = desk.order(at("1-15"))
    desk.refund(order)
    desk.compute("return_rate")
    desk.connection.execute(update(refund).values(is_deleted=True))
    desk.touch(order_header, at("1-15").date())
    desk.order(at("3-15"))
    desk.compute("return_rate", as_of=LATER)
    assert [(v.period_start.month, v.value) for v in desk.values("return_rate")] == [(1, 0), (3, 0)]
    assert [(v.n, v.value) for v in desk.values("return_rate", "all")] == [(2, 0)]


def test_a_kpi_whose_tables_were_not_touched_is_not_recomputed(desk: Desk) -> None:
    names = ("nps", "average_order_value", "repeat_purchase_rate")
    desk.answer("nps", 10)
    assert desk.compute(*names).kpis == ("nps",)
    desk.order(customer_id="ana", price_total=5)
    assert desk.compute(*names, as_of=LATER).kpis == ("average_order_value", "repeat_purchase_rate")


def test_what_was_published_can_be_read_as_it_was(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    desk.answer("nps", 0)
    desk.compute("nps", as_of=LATER)
    assert [v.value for v in desk.values("nps", as_of=FIRST)] == [100]
    assert [v.value for v in desk.values("nps", as_of=LATER)] == [0]
    assert desk.values("nps", as_of=FIRST - timedelta(seconds=1)) == []


def test_as_of_never_runs_backwards(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps", as_of=LATER)
    desk.answer("nps", 0)
    report = desk.compute("nps", as_of=FIRST)
    assert report.as_of == LATER + timedelta(microseconds=1)
    assert [v.value for v in desk.values("nps")] == [0]


def test_under_the_minimum_n_the_value_is_kept_back_and_its_components_are_not(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 3})
    for rating in (10, 10):
        desk.answer("nps", rating)
    desk.compute("nps")
    (nps,) = desk.values("nps")
    assert (nps.value, nps.ci_low, nps.ci_high, nps.is_suppressed) == (None, None, None, True)
    assert (nps.numerator, nps.denominator, nps.n) == (2, 2, 2)
    desk.answer("nps", 10)
    desk.compute("nps", as_of=LATER)
    (nps,) = desk.values("nps")
    assert (nps.value, nps.is_suppressed) == (100, False)


def test_days_are_cut_in_the_reporting_time_zone(desk: Desk) -> None:
    # 23:30 UTC on 31 March is 01:30 on 1 April in Madrid.
    desk.configure(project={"timezone": "Europe/Madrid"})
    desk.answer("nps", 10, at("3-31 23:30"))
    desk.compute("nps")
    assert [v.period_start for v in desk.values("nps", "day")] == [date(2025, 4, 1)]
    assert [v.period_start for v in desk.values("nps", "month")] == [date(2025, 4, 1)]
    # The same again, now that the KPI is known and only what is touched is computed.
    desk.answer("nps", 0, at("3-31 23:31"))
    desk.compute("nps", as_of=LATER)
    assert month_of(desk) == [(4, 0, 2)]


def test_weeks_begin_on_monday_and_all_time_begins_in_year_1(desk: Desk) -> None:
    desk.answer("nps", 10, at("3-16 23:59"))  # a Sunday
    desk.compute("nps")
    assert [v.period_start for v in desk.values("nps", "week")] == [date(2025, 3, 10)]
    assert [v.period_start for v in desk.values("nps", "all")] == [date(1, 1, 1)]


def test_a_slice_that_has_no_events_any_more_says_so(desk: Desk) -> None:
    by_mail = desk.touchpoint(at("3-14"), channel="email")
    desk.answer("nps", 10, touchpoint_id=by_mail)
    desk.compute("nps")
    desk.connection.execute(update(touchpoint).values(channel="chat"))
    desk.touch(touchpoint, at("3-14").date())
    report = desk.compute("nps", as_of=LATER)
    assert (report.published, report.emptied) == (12, 6)
    slices = {v.dimension_value: (v.n, v.value, v.is_suppressed) for v in desk.values("nps", by="channel")}
    assert slices == {"chat": (1, 100, False), "email": (0, None, True)}
    # Once is enough.
    assert desk.compute("nps", as_of=LAST, everything=True).published == 0


def test_a_period_whose_rows_were_all_deleted_has_no_value_any_more(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    desk.connection.execute(update(survey_response).values(is_deleted=True))
    desk.touch(survey_response, at("3-14").date())
    desk.compute("nps", as_of=LATER)
    assert month_of(desk) == [(3, None, 0)]


def test_rows_without_a_dimension_are_in_the_whole_and_in_no_slice(desk: Desk) -> None:
    desk.order(customer_id="ana", price_total=1)
    desk.compute("average_order_value")
    assert [v.n for v in desk.values("average_order_value")] == [1]
    assert desk.values("average_order_value", by="channel") == []
    assert desk.values("average_order_value", by="segment") == []


def test_the_channel_of_a_deleted_touchpoint_does_not_count(desk: Desk) -> None:
    gone = desk.touchpoint(at("3-14"), channel="email", is_deleted=True)
    desk.answer("nps", 10, touchpoint_id=gone)
    desk.compute("nps")
    assert desk.values("nps", by="channel") == []


def test_a_kpi_that_is_new_is_computed_for_all_periods(desk: Desk) -> None:
    desk.answer("nps", 10, at("1-15"))
    desk.forget()
    assert desk.compute("nps").published == 12


def test_a_changed_definition_is_rewritten(desk: Desk) -> None:
    desk.compute("nps")
    desk.connection.execute(update(kpi_definition).values(title="Old"))
    desk.compute("nps")
    assert list(desk.connection.scalars(select(kpi_definition.c.title))) == ["Net Promoter Score"]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 7])
def test_computing_load_by_load_comes_to_the_same_as_computing_everything(
    desk: Desk, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loads arrive in an awkward order; whatever was published last must equal a computation from nothing."""
    desk.configure(project={"timezone": "America/Sao_Paulo"})
    loads = 24 if step == 1 else 12
    for turn in range(loads):
        number = (turn * 11) % loads  # every load once, in no order of time
        day = at("2-20") + timedelta(days=step * number, hours=number)
        who = f"customer {number % 5}"
        by_web = desk.touchpoint(
            day, customer_id=who, activity="placed_order", channel=("web", "app")[number % 2]
        )
        order = desk.order(
            day,
            who,
            touchpoint_id=by_web,
            price_total=number if number % 3 else None,
            promised_at=day + timedelta(days=3),
            delivered_at=day + timedelta(days=number % 6 - 1),
        )
        desk.line(order, 5, created_at=day)
        if number % 4 == 0:
            desk.refund(order, day + timedelta(days=9))
        call = desk.contact(day + timedelta(days=1), who, reason="late" if number % 2 else None)
        desk.call(offered_at=day, answered_at=day, wait_seconds=number, talk_seconds=60, touchpoint_id=call)
        desk.case(day, first_reply_at=day + timedelta(minutes=number), last_solved_at=day + timedelta(days=2))
        desk.answer("nps", number % 11, day + timedelta(hours=5), touchpoint_id=call)
        desk.answer("csat", 1 + number % 5, day)
        desk.lead(f"lead {number}", day)
        desk.opportunity(f"lead {number}", number % 3 == 0, created_at=day + timedelta(days=30))
        if turn % 4 == 3:
            desk.compute(as_of=FIRST + timedelta(hours=turn))
    assert desk.values("first_contact_resolution", "week")
    assert desk.values("retention_rate", "week")
    report = desk.compute(as_of=FIRST + timedelta(days=9), everything=True)
    assert report.published == 0
    assert report.unchanged == report.computed > 1000
    # As where the days or cells of a KPI are many, each alone.
    monkeypatch.setattr(calculator, "_HELD_CELLS", 1)
    every, later = dict(BY_NAME), FIRST + timedelta(days=10)
    alone = compute(desk.connection, desk.settings, every, later, everything=True, one_by_one=True)
    assert (alone.published, alone.computed) == (0, report.computed)


def test_the_sum_of_the_days_is_the_month(desk: Desk) -> None:
    for day in range(1, 29):
        desk.answer("csat", 1 + day % 5, at(f"2-{day}"))
        desk.order(at(f"2-{day}"), price_total=day)
    desk.compute("csat", "average_order_value")
    for kpi in ("csat", "average_order_value"):
        (month,) = desk.values(kpi)
        days = desk.values(kpi, "day")
        assert month.numerator == pytest.approx(sum(day.numerator or 0 for day in days))
        assert month.denominator == sum(day.denominator or 0 for day in days)


def test_a_month_summed_from_days_has_the_interval_of_its_events(desk: Desk) -> None:
    """Large amounts with a small spread, in days of unlike sizes: nothing but the skewness is lost on the way."""
    amounts = {3: [1e9 + 1], 10: [1e9 + 2, 1e9 + 5, 1e9 + 2], 11: [1e9 - 4, 1e9 + 3], 28: [1e9 + 1]}
    for day, prices in amounts.items():
        for price in prices:
            desk.order(at(f"2-{day}"), price_total=price)
    desk.order(at("3-4"), price_total=5)
    desk.compute("average_order_value")
    february, march = desk.values("average_order_value")
    # Of 1, 2, 5, 2, −4, 3, 1 the mean is 10/7 and the squared distances sum up to 60 − 100/7 = 320/7;
    # Student's t for 6 degrees of freedom is 2.446912.
    assert february.value == pytest.approx(1e9 + 10 / 7, abs=1e-6)
    assert february.squared_deviation == pytest.approx(320 / 7, rel=1e-6)
    half = 2.446912 * math.sqrt(320 / 7 / 6 / 7)
    assert february.ci_low == pytest.approx(1e9 + 10 / 7 - half, abs=1e-3)
    assert february.ci_high == pytest.approx(1e9 + 10 / 7 + half, abs=1e-3)
    assert (march.n, march.squared_deviation, march.ci_low) == (1, 0, None)


def test_a_net_score_summed_from_days_has_the_variance_of_its_answers(desk: Desk) -> None:
    for day, ratings in {1: [10] * 12, 2: [0] * 7 + [8] * 9, 3: [9, 9, 3, 7]}.items():
        for rating in ratings:
            desk.answer("nps", rating, at(f"2-{day}"))
    desk.compute("nps")
    (nps,) = desk.values("nps", "all")
    # 14 promoters and 8 detractors of 32.
    low, high = interval_by_hand.net(14, 8, 32)
    assert (nps.n, nps.numerator) == (32, 6)
    assert nps.value == pytest.approx(18.75)
    assert nps.squared_deviation == pytest.approx(22 - 36 / 32)
    assert (nps.ci_low, nps.ci_high) == pytest.approx((100 * low, 100 * high))


def test_a_skewed_month_summed_from_days_has_the_interval_of_its_events(desk: Desk) -> None:
    """Days of unlike sizes and means: their third moments, too, add up to those of the month."""
    days = {3: [5], 10: [20, 31, 70, 9], 11: [3, 5], 28: [14, 8, 12], 29: [6, 6]}
    for day, prices in days.items():
        for price in prices:
            desk.order(at(f"3-{day}"), price_total=price)
    desk.compute("average_order_value")
    (march,) = desk.values("average_order_value")
    amounts = [float(price) for prices in days.values() for price in prices]
    mean = sum(amounts) / 12
    assert march.squared_deviation == pytest.approx(sum((each - mean) ** 2 for each in amounts))
    assert march.cubed_deviation == pytest.approx(sum((each - mean) ** 3 for each in amounts))
    # t(11, 0.975) = 2.200985.
    by_hand = interval_by_hand.amounts(amounts, 2.200985)
    assert (march.ci_low, march.ci_high) == pytest.approx(by_hand, abs=1e-4)


def test_an_amount_that_one_event_decides_has_a_note_in_the_place_of_its_interval(desk: Desk) -> None:
    for price in [10] * 11 + [5000]:
        desk.order(at("1-15"), price_total=price)
    for _ in range(10):
        desk.order(at("2-15"), price_total=10)
    desk.compute("average_order_value")
    january, february = desk.values("average_order_value")
    assert (january.value, january.ci_low, january.ci_high) == (pytest.approx(5110 / 12), None, None)
    assert january.interval_note == "skewed: too few observations for an interval"
    assert (february.value, february.interval_note) == (10, "all observations alike: no interval")
    desk.configure(kpis={"min_n": 11})
    desk.compute("average_order_value", as_of=LATER)
    _, february = desk.values("average_order_value")
    assert (february.value, february.interval_note) == (None, None), "what is suppressed needs no reason"


def test_a_load_costs_the_days_it_touched_and_not_the_history(desk: Desk) -> None:
    """The whole is summed from days as published: events of other days are not looked at."""
    desk.answer("nps", 10, at("1-15"))
    desk.compute("nps")
    desk.connection.execute(delete(survey_response))
    desk.answer("nps", 0, at("3-14"))
    desk.compute("nps", as_of=LATER)
    assert [(v.n, v.value) for v in desk.values("nps", "all")] == [(2, 0)]
    desk.compute("nps", as_of=LAST, everything=True)
    assert [(v.n, v.value) for v in desk.values("nps", "all")] == [(1, -100)]


@pytest.mark.parametrize(
    ("changed", "day", "order_value", "service_level"),
    [
        ({"project": {"timezone": "Asia/Tokyo"}}, 16, 5, 0),
        ({"kpis": {"rates": {"USD": 0.5}, "service_level_seconds": 60}}, 15, 5, 1),
        ({"kpis": {"rates": {"USD": 0.9}}}, 15, 9, 0),
    ],
    ids=["time zone", "threshold", "rate"],
)
def test_settings_that_values_depend_on_bring_all_periods_anew(
    desk: Desk, changed: dict[str, dict[str, Any]], day: int, order_value: float, service_level: float
) -> None:
    before = {"kpis": {"rates": {"USD": 0.5}}}
    desk.configure(**before)
    desk.call(offered_at=at("1-15 23:00"), answered_at=at("1-15 23:01"), wait_seconds=40)
    desk.order(at("1-15 23:00"), price_total=10, currency_code="USD")
    names = ("service_level_80_20", "average_order_value")
    desk.compute(*names)
    assert desk.compute(*names, as_of=LATER).computed == 0
    desk.configure(**{**before, **changed})
    desk.compute(*names, as_of=LATER)
    assert [(v.kpi, v.period_start.day, v.value) for v in desk.values(None, "day") if v.n] == [
        ("average_order_value", day, order_value),
        ("service_level_80_20", day, service_level),
    ]
    assert desk.compute(*names, as_of=LAST).computed == 0


def test_values_of_a_version_that_knew_no_days_are_published_anew(desk: Desk) -> None:
    for day in (14, 15):
        desk.answer("nps", 10, at(f"3-{day}"))
    desk.compute("nps")
    desk.connection.execute(update(kpi_value).values(squared_deviation=None))
    desk.connection.execute(update(kpi_definition).values(settings=None))
    assert desk.compute("nps", as_of=LATER).published == 14
    (nps,) = desk.values("nps", "all")
    assert (nps.n, nps.value, nps.squared_deviation) == (2, 100, 0)


def test_another_interval_is_computed_for_all_periods(desk: Desk) -> None:
    """A version of cxflow with another method finds the values of the one before, and replaces their intervals."""
    for month in (1, 3):
        for _ in range(12):
            desk.answer("nps", 10, at(f"{month}-15"))
    desk.compute("nps")
    desk.connection.execute(update(kpi_value).values(ci_low=100.0))
    assert desk.compute("nps", as_of=LATER).computed == 0
    desk.connection.execute(update(kpi_definition).values(interval_method="bootstrap"))
    # Two days, weeks and months, a quarter, a year and all time; of everything, and of the one source.
    assert desk.compute("nps", as_of=LATER).published == 2 * 9
    lows = {v.ci_low for grain in ("day", "month", "all") for v in desk.values("nps", grain)}  # type: ignore[arg-type]
    assert 100 not in lows
    assert desk.compute("nps", as_of=LAST).computed == 0


def test_compute_leaves_commit_and_rollback_to_its_caller(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    assert desk.connection.in_transaction()
    desk.connection.rollback()
    assert desk.values("nps") == []
