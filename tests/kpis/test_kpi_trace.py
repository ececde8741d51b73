"""From a value to its events and their raw records: every number is worked by hand, and adds up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from kpi_traced import MARCH, failing, land, traced
from sqlalchemy import insert, update

from cxflow.errors import ConfigError
from cxflow.kpis.declared import KPIS
from cxflow.kpis.estimators import Share
from cxflow.kpis.periods import BEGINNING, Period
from cxflow.kpis.trace import trace
from cxflow.warehouse.tables import pending_kpi, support_case


def test_a_share_goes_down_to_the_rows_of_its_files(desk: Desk) -> None:
    # Seven of ten in March are satisfied: six of eight from the first file, one of two from the second.
    for rating in (5, 5, 4, 4, 5, 4, 1, 2):
        desk.answer("csat", rating, at("3-14"))
    land(desk, "march.csv", "b1")
    desk.answer("csat", 5, at("3-20"))
    desk.answer("csat", 3, at("3-21"))
    desk.answer("csat", 5, at("2-14"))
    land(desk, "late.csv", "b2")
    desk.compute("csat")
    found = traced(desk, "csat", rows=2)
    assert (found.value.n, found.value.numerator) == (10, 7)
    assert [(p.connection, p.batch, p.file, p.records, p.events) for p in found.places] == [
        ("shop", "b1", "march.csv", 8, 8),
        ("shop", "b2", "late.csv", 2, 2),
    ]
    assert found.counts == {"events": 10, "customers": 0, "records": 10, "places": 2}
    assert found.events is not None
    assert len(found.events) == 2
    assert found.adds_up
    everything = traced(desk, "csat", rows=100).events
    assert everything is not None
    assert [event.gives for event in everything if event.file == "late.csv"] == [1, 0]
    assert [event.at for event in everything] == sorted(event.at for event in everything)


def test_late_data_that_is_not_computed_yet_does_not_add_up_and_says_so(desk: Desk) -> None:
    for rating in (5, 5, 1):
        desk.answer("csat", rating)
    desk.compute("csat")
    desk.answer("csat", 5)
    desk.connection.execute(insert(pending_kpi), {"table_name": "survey_response", "day": date(2025, 3, 14)})
    land(desk)
    found = traced(desk, "csat")
    assert not found.adds_up
    assert [(check.what, check.expected, check.found) for check in failing(found)] == [
        ("events published and counted now", 3, 4),
        ("numerator published and counted now", 2, 3),
    ]
    assert "loads changed 1 days" in failing(found)[0].why
    desk.compute("csat", as_of=FIRST + timedelta(hours=1))
    assert traced(desk, "csat").adds_up


def test_a_row_without_its_raw_record_is_noticed(desk: Desk) -> None:
    desk.answer("csat", 5)
    desk.compute("csat")
    (check,) = failing(traced(desk, "csat"))
    assert (check.expected, check.found) == (1, 0)


def test_a_slice_has_its_own_events_and_the_rest_share_one(desk: Desk) -> None:
    desk.configure(kpis={"max_values": 1, "dimensions": ["source"]})
    for source, answers in (("big", 5), ("small", 2), ("tiny", 1)):
        for _ in range(answers):
            desk.answer("csat", 5, source_system=source)
    land(desk)
    desk.compute("csat")
    big, other = (traced(desk, "csat", by=("source", name)) for name in ("big", "(other)"))
    assert (big.counts["events"], other.counts["events"]) == (5, 3)
    assert {place.connection for place in other.places} == {"small", "tiny"}
    assert big.adds_up
    assert other.adds_up
    with pytest.raises(ConfigError, match="no value of 2025-03 for source=tiny"):
        traced(desk, "csat", by=("source", "tiny"))


def test_of_a_rate_n_counts_the_base_and_the_others_are_the_numerator(desk: Desk) -> None:
    for _ in range(3):
        desk.contact(at("3-14"))
    for _ in range(8):
        desk.order(at("3-14"))
    land(desk)
    desk.compute("contact_rate")
    found = traced(desk, "contact_rate")
    assert (found.value.n, found.value.numerator, found.counts["events"]) == (8, 3, 11)
    assert found.adds_up


def test_of_customers_n_counts_them_and_the_events_are_theirs(desk: Desk) -> None:
    for customer, orders in (("ana", 3), ("ben", 1), ("eva", 2)):
        for _ in range(orders):
            desk.order(at("3-14"), customer)
    desk.order(at("4-2"), "ana")
    land(desk)
    desk.compute("repeat_purchase_rate", "retention_rate")
    found = traced(desk, "repeat_purchase_rate")
    assert (found.value.n, found.counts["events"], found.counts["customers"]) == (3, 6, 3)
    assert found.adds_up
    # Whether those of March came back in April: their events are those of March.
    april = traced(desk, "retention_rate", Period("month", date(2025, 4, 1)))
    assert (april.value.n, april.counts["events"]) == (3, 6)
    assert april.adds_up


def test_what_is_left_out_is_told_by_reason(desk: Desk) -> None:
    desk.order(at("3-14"), price_total=10.0)
    desk.order(at("3-14"), price_total=None)
    land(desk)
    desk.compute("average_order_value")
    found = traced(desk, "average_order_value")
    assert (dict(found.left_out), found.value.left_out) == ({"without a value": 1}, 1)
    assert found.adds_up


def test_a_period_begins_at_midnight_of_the_reporting_time_zone(desk: Desk) -> None:
    desk.configure(project={"timezone": "America/Sao_Paulo"})
    desk.answer("csat", 5, datetime(2025, 3, 1, 2, 30, tzinfo=UTC))  # February there
    desk.answer("csat", 5, datetime(2025, 4, 1, 2, 30, tzinfo=UTC))  # March there
    land(desk)
    desk.compute("csat")
    found = traced(desk, "csat")
    assert found.events is not None
    assert [event.at.date() for event in found.events] == [date(2025, 4, 1)]
    assert found.adds_up


def test_a_median_that_is_not_computed_yet_does_not_add_up_even_with_as_many_events(desk: Desk) -> None:
    for minutes in (10, 20, 30):
        desk.case(at("3-14"), first_reply_at=at("3-14") + timedelta(minutes=minutes))
    land(desk)
    desk.compute("first_reply_minutes")
    found = traced(desk, "first_reply_minutes")
    assert (found.value.value, found.adds_up) == (20, True)
    desk.connection.execute(
        update(support_case)
        .where(support_case.c.first_reply_at == at("3-14 12:20"))
        .values(first_reply_at=at("3-14 12:25"))
    )
    (check,) = failing(traced(desk, "first_reply_minutes"))
    assert (check.expected, check.found) == (20, 25)
    assert "--recompute" in check.why


def test_a_formula_that_was_not_computed_yet_is_not_compared_with_an_earlier_one(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    second = replace(BY_NAME["nps"], version=2)
    with pytest.raises(ConfigError, match="published by version 1"):
        trace(desk.connection, desk.settings, second, MARCH)


@dataclass(frozen=True)
class Opaque(Share):
    """An estimator of a plugin, which does not say what its values stand on."""

    behind = None  # type: ignore[assignment]


def test_a_kpi_whose_events_are_not_declared_has_its_components(desk: Desk) -> None:
    csat = BY_NAME["csat"].estimator(desk.settings)
    assert isinstance(csat, Share)
    opaque = replace(BY_NAME["csat"], of=Opaque(csat.of, csat.where))
    for rating in (5, 5, 5, 1):
        desk.answer("csat", rating)
    desk.compute("csat")
    found = trace(desk.connection, desk.settings, opaque, MARCH)
    assert (found.events, found.value.value) == (None, 0.75)
    assert found.adds_up


def test_every_kpi_has_its_events(desk: Desk) -> None:
    assert [kpi.name for kpi in KPIS if kpi.estimator(desk.settings).behind is None] == []


def test_what_is_open_at_the_end_stands_on_all_that_came_and_went_before(desk: Desk) -> None:
    desk.case(at("2-10"))
    desk.case(at("3-14"), last_solved_at=at("3-20"))
    desk.case(at("3-15"), last_solved_at=at("4-02"))
    desk.case(at("4-03"))
    land(desk)
    desk.compute("backlog")
    found = traced(desk, "backlog")
    assert found.events is not None
    assert [(f"{event.at:%m-%d}", event.gives) for event in found.events] == [
        ("02-10", 1),
        ("03-14", 1),
        ("03-15", 1),
        ("03-20", -1),
    ]
    assert (found.value.value, found.value.n, found.adds_up) == (2, 3, True)
    whole = traced(desk, "backlog", Period("all", BEGINNING))
    assert (whole.value.value, whole.counts["events"], whole.adds_up) == (2, 6, True)


def test_a_memory_stands_on_the_experiences_of_90_days_by_the_customers_of_its_band(desk: Desk) -> None:
    # March ends 90 days after 1 January 00:00, and the whole time, which ends on 10 May 12:00, after 9 February 12:00.
    new_year = at("1-01 00:00")
    for customer, rating, when in (
        ("ana", 10, new_year),
        ("ben", 0, new_year - timedelta(minutes=1)),
        ("eva", 0, at("3-03 00:00")),
        ("gil", 9, at("3-04 00:00")),
        ("gil", 0, at("3-24 00:00")),
        ("fay", 10, at("5-10")),
    ):
        desk.answer("nps", rating, when, touchpoint_id=desk.touchpoint(when, customer_id=customer))
    land(desk)
    desk.compute("memory_index", "memory_index_1", "memory_index_2_3")
    single = traced(desk, "memory_index_1")
    assert single.events is not None
    assert [(event.customer_id, event.gives) for event in single.events] == [("ana", 1), ("eva", -1)]
    assert (single.value.n, single.adds_up) == (2, True)
    double = traced(desk, "memory_index_2_3")
    assert (double.value.n, double.counts["events"], double.adds_up) == (1, 2, True)
    whole = traced(desk, "memory_index_1", Period("all", BEGINNING))
    assert (whole.value.n, whole.counts["events"], whole.adds_up) == (2, 2, True)
    assert traced(desk, "memory_index").counts["events"] == 4


def test_the_whole_time_of_a_slice_ends_for_a_memory_when_it_ends_for_all(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["segment"]})
    for customer, segment, when in (("ana", "vip", "1-10"), ("ben", "vip", "2-20"), ("eva", "plain", "5-10")):
        desk.customer(customer, segment)
        desk.answer("nps", 10, at(when), touchpoint_id=desk.touchpoint(at(when), customer_id=customer))
    land(desk)
    desk.compute("memory_index_1")
    found = traced(desk, "memory_index_1", Period("all", BEGINNING), ("segment", "vip"))
    assert (found.value.n, found.counts["events"], found.adds_up) == (1, 1, True)


def test_every_kpi_adds_up(desk: Desk) -> None:
    """A little of everything, in two months."""
    desk.configure(project={"currency": "EUR"})
    for number in range(12):
        customer, day = f"c{number % 5}", number + 1
        desk.customer(customer, "vip" if number % 2 else None) if number < 5 else None
        for month in (2, 3):
            when = at(f"{month}-{day}")
            id_ = desk.contact(when, customer, case_id=f"k{number}", reason="late")
            for metric, rating in (("nps", number % 11), ("csat", 1 + number % 5), ("ces", 1 + number % 7)):
                desk.answer(metric, rating, when, touchpoint_id=id_, weight=1.0 + number % 2)
            desk.review(1 + number % 5, date_published=when, touchpoint_id=id_)
            answered = when + timedelta(seconds=5 + number)
            desk.call(
                touchpoint_id=id_,
                offered_at=when,
                answered_at=answered,
                wait_seconds=5.0 + number,
                talk_seconds=60.0,
                hold_seconds=1.0,
                acw_seconds=2.0,
                transfer_count=number % 2,
            )
            desk.case(when, first_reply_at=answered, last_solved_at=answered + timedelta(hours=number))
            order = desk.order(
                when, customer, price_total=10.0 + number, promised_at=when + timedelta(days=2)
            )
            desk.parcel(order, when + timedelta(days=number % 4))
            desk.line(order, 10.0 + number)
            if number % 3 == 0:
                desk.refund(order, when + timedelta(days=3), amount=5.0)
            desk.lead(f"l{month}-{number}", when, touchpoint_id=id_)
            desk.opportunity(f"l{month}-{number}", number % 2 == 0, closed_at=when + timedelta(days=1))
    land(desk)
    desk.compute()
    traced_kpis = 0
    for kpi in KPIS:
        if any(value.n for value in desk.values(kpi.name, since=MARCH.start, until=MARCH.end)):
            found = traced(desk, kpi.name)
            assert failing(found) == [], kpi.name
            traced_kpis += found.events is not None
    assert traced_kpis > 50


def test_the_whole_time_adds_up_as_well(desk: Desk) -> None:
    for day in ("2-14", "3-14"):
        desk.answer("nps", 10, at(day))
    land(desk)
    desk.compute("nps")
    found = traced(desk, "nps", Period("all", BEGINNING))
    assert (found.value.n, found.adds_up) == (2, True)
