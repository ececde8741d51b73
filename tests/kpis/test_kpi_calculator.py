"""What is recomputed, what is published, and what stays."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from sqlalchemy import func, select, update

from cxflow.kpis.builtin import KPIS
from cxflow.settings import Settings
from cxflow.store.tables import (
    kpi_definition,
    kpi_value,
    pending_kpi,
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
    assert len({kpi.name for kpi in KPIS}) == len(KPIS) == 20
    for kpi in KPIS:
        assert kpi.title
        assert kpi.unit
        assert kpi.formula
        assert kpi.estimator(Settings()).reach


def test_the_same_computation_twice_publishes_once(desk: Desk) -> None:
    desk.answer("nps", 10)
    first = desk.compute("nps")
    # One answer, sliced by source: everything and one source, in four grains.
    assert (first.computed, first.published, first.unchanged) == (8, 8, 0)
    again = desk.compute("nps", as_of=LATER, everything=True)
    assert (again.computed, again.published, again.unchanged) == (8, 0, 8)


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
    # Day 16, its week (from the 13th), January and all, for everything and for the source.
    assert report.published == 8
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


def test_a_kpi_whose_tables_were_not_touched_is_not_recomputed(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute()
    desk.order(customer_id="ana")
    report = desk.compute(as_of=LATER)
    assert set(report.kpis) == {
        "on_time_delivery_rate",
        "average_order_value",
        "repeat_purchase_rate",
        "retention_rate",
    }


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
    assert (report.published, report.emptied) == (8, 4)
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
    assert desk.compute("nps").published == 8


def test_a_changed_definition_is_rewritten(desk: Desk) -> None:
    desk.compute("nps")
    desk.connection.execute(update(kpi_definition).values(title="Old"))
    desk.compute("nps")
    assert list(desk.connection.scalars(select(kpi_definition.c.title))) == ["Net Promoter Score"]


@pytest.mark.parametrize("step", [1, 7])
def test_computing_load_by_load_comes_to_the_same_as_computing_everything(desk: Desk, step: int) -> None:
    """Loads arrive in an awkward order; whatever was published last must equal a computation from nothing."""
    desk.configure(project={"timezone": "America/Sao_Paulo"})
    for turn in range(24):
        number = (turn * 11) % 24  # every load once, in no order of time
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


def test_compute_leaves_commit_and_rollback_to_its_caller(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    assert desk.connection.in_transaction()
    desk.connection.rollback()
    assert desk.values("nps") == []
