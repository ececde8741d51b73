"""Which periods are complete, worked out by hand. Days are of 2025; 2025-03-10 is a Monday."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from kpi_desk import Desk, at
from sqlalchemy import delete, insert, select

from cxflow.kpis import read
from cxflow.kpis.periods import Grain
from cxflow.warehouse.tables import kpi_value, stream_state, survey_response

AFTER = at("4-20")


def delivered(desk: Desk, until: datetime | None, stream: str = "shop.orders") -> None:
    """As loads say how far a stream is delivered."""
    source, name = stream.split(".")
    t = stream_state.c
    desk.connection.execute(delete(stream_state).where(t.source_system == source, t.source_object == name))
    row = {
        "source_system": source,
        "source_object": name,
        "cursor": "{}",
        "raw_columns": "{}",
        "run_id": "run",
    }
    desk.connection.execute(insert(stream_state), row | {"known_until": until, "updated_at": AFTER})


def sources(desk: Desk, *names: str, **connections: object) -> None:
    desk.configure(connections={**{name: {} for name in names}, **connections})


def complete(desk: Desk, kpi: str, grain: Grain) -> dict[str, bool | None]:
    """First day of a period to whether it is complete."""
    return {f"{each.period_start:%m-%d}": each.is_complete for each in desk.values(kpi, grain) if each.n}


@pytest.fixture
def answers(desk: Desk) -> Desk:
    """Answers on the 9th, 10th, 16th and 17th of March: the last days of two weeks, and the first of the next ones."""
    sources(desk, "shop")
    for day in ("3-9 23:59:59", "3-10 00:00", "3-16", "3-17"):
        desk.answer("nps", 10, at(day))
    return desk


def test_a_period_is_complete_once_its_source_is_delivered_to_its_end(answers: Desk) -> None:
    delivered(answers, at("3-17 00:00"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": True, "03-17": False}
    assert complete(answers, "nps", "day") == {"03-09": True, "03-10": True, "03-16": True, "03-17": False}
    assert complete(answers, "nps", "month") == {"03-01": False}
    assert complete(answers, "nps", "all") == {"01-01": None}


def test_a_second_less_is_not_enough(answers: Desk) -> None:
    delivered(answers, at("3-16 23:59:59"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": False, "03-17": False}


def test_a_period_ends_in_the_reporting_time_zone(answers: Desk) -> None:
    # Midnight in Madrid is 23:00 in UTC.
    answers.configure(connections={"shop": {}}, project={"timezone": "Europe/Madrid"})
    delivered(answers, at("3-16 22:59:59"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-10": False, "03-17": False}
    delivered(answers, at("3-16 23:00"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-10": True, "03-17": False}


def test_no_source_is_known_beyond_now(answers: Desk) -> None:
    delivered(answers, at("6-1"))
    answers.compute("nps", as_of=at("3-16 23:00"))
    assert complete(answers, "nps", "week")["03-10"] is False


def test_the_latest_of_all_streams_and_sources_counts(answers: Desk) -> None:
    sources(answers, "shop", "desk", "crm")
    answers.answer("nps", 9, at("3-12"), source_system="desk")
    delivered(answers, at("4-10"))
    delivered(answers, at("4-10"), "desk.answers")
    delivered(answers, at("3-11"), "desk.calls")
    # The CRM has no answers: NPS does not wait for it.
    delivered(answers, at("1-1"), "crm.leads")
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": False, "03-17": False}
    until = read.complete_until(answers.connection)["nps"]
    assert until == {"": at("3-11"), "desk": at("3-11"), "shop": at("4-10")}


def test_only_the_streams_that_are_read_count(answers: Desk) -> None:
    sources(answers, shop={"only": ["orders"]})
    delivered(answers, at("4-10"))
    delivered(answers, at("1-1"), "shop.visits")
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "month") == {"03-01": True}


@pytest.mark.parametrize("connections", [{}, {"shop": {"ended": True}}], ids=["not configured", "ended"])
def test_nobody_waits_for_a_source_that_delivers_no_more(
    answers: Desk, connections: dict[str, object]
) -> None:
    answers.configure(connections=connections)
    delivered(answers, at("3-11"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "month") == {"03-01": True}


def test_of_a_source_without_a_state_nothing_is_complete(answers: Desk) -> None:
    answers.compute("nps", as_of=AFTER)
    assert set(complete(answers, "nps", "day").values()) == {False}
    assert read.complete_until(answers.connection)["nps"] == {"": None, "shop": None}


def test_other_tables_that_a_kpi_reads_have_sources_too(desk: Desk) -> None:
    # Returns come through a connection of their own; a month of orders waits for it.
    sources(desk, "shop", "returns")
    for day in ("3-5", "3-6"):
        order = desk.order(at(day), order_id=f"o{day}")
        desk.refund(order, at("3-20"), source_system="returns")
    delivered(desk, at("4-10"))
    delivered(desk, at("3-31 23:00"), "returns.refunds")
    desk.compute("return_rate", "average_order_value", as_of=AFTER)
    assert complete(desk, "return_rate", "month") == {"03-01": False}
    delivered(desk, at("4-1 00:00"), "returns.refunds")
    desk.compute("return_rate", "average_order_value", as_of=AFTER)
    assert complete(desk, "return_rate", "month") == {"03-01": True}


def test_a_kpi_that_looks_ahead_waits_for_what_it_looks_at(desk: Desk) -> None:
    # Whether a contact of Sunday the 16th was repeated within seven days is known on the 24th at the earliest.
    sources(desk, "shop")
    for day in ("3-12", "3-16"):
        desk.contact(at(day), f"c{day}")
    desk.contact(at("3-30"), "later")
    delivered(desk, at("3-23 23:00"))
    desk.compute("first_contact_resolution", "touchpoints", as_of=AFTER)
    assert complete(desk, "first_contact_resolution", "week")["03-10"] is False
    assert complete(desk, "touchpoints", "week")["03-10"] is True
    delivered(desk, at("3-24 00:00"))
    desk.compute("first_contact_resolution", as_of=AFTER)
    assert complete(desk, "first_contact_resolution", "week")["03-10"] is True


def test_it_looks_no_further_than_to_its_horizon(desk: Desk) -> None:
    # The newest contact is of the 20th: a later repeat would not be known, however far the source is delivered.
    sources(desk, "shop")
    for day in ("3-10", "3-14", "3-20"):
        desk.contact(at(day), f"c{day}")
    delivered(desk, at("4-10"))
    desk.compute("first_contact_resolution", as_of=AFTER)
    found = {
        each.period_start.day: each.is_complete for each in desk.values("first_contact_resolution", "day")
    }
    assert found == {10: True, 14: False, 20: False}


def test_a_period_that_becomes_complete_is_published_again_and_no_other(answers: Desk) -> None:
    delivered(answers, at("3-16 12:00"))
    answers.compute("nps", as_of=at("4-1"))
    before = published(answers)
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": False, "03-17": False}

    delivered(answers, at("3-17 12:00"))
    report = answers.compute("nps", as_of=at("4-2"))
    assert report.published == 0
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": True, "03-17": False}
    assert complete(answers, "nps", "day")["03-16"] is True
    new = published(answers) - before
    # The day and the week, each as a whole and by source.
    assert {(grain, start) for grain, start, *_ in new} == {
        ("day", date(2025, 3, 16)),
        ("week", date(2025, 3, 10)),
    }
    assert len(new) == 4
    [now] = [each for each in answers.values("nps", "week") if each.period_start == date(2025, 3, 10)]
    [then] = [
        each
        for each in answers.values("nps", "week", as_of=at("4-1"))
        if each.period_start == date(2025, 3, 10)
    ]
    assert (then.is_complete, then.as_of, now.as_of) == (False, at("4-1"), at("4-2"))
    assert (then.value, then.n, then.ci_low) == (now.value, now.n, now.ci_low)

    # Nothing moved: nothing is published, in whatever order and however often.
    for later in (1, 2):
        answers.compute("nps", as_of=at("4-2") + timedelta(hours=later))
    assert published(answers) == before | new


def test_contacts_without_an_order_become_complete_like_any(desk: Desk) -> None:
    sources(desk, "shop")
    desk.contact(at("2-10"))
    desk.order(at("3-10"))
    delivered(desk, at("2-20"))
    desk.compute("contact_rate", as_of=at("4-1"))
    delivered(desk, at("4-10"))
    desk.compute("contact_rate", as_of=at("4-15"))
    found = {f"{each.period_start:%m}": each for each in desk.values("contact_rate", "month")}
    assert (found["02"].n, found["02"].numerator, found["02"].is_complete) == (0, 1, True)


def test_late_rows_of_a_complete_period_are_published_once(answers: Desk) -> None:
    delivered(answers, at("3-16 12:00"))
    answers.compute("nps", as_of=at("4-1"))
    before = published(answers)
    # In one load, the week becomes complete and gets another answer.
    answers.answer("nps", 0, at("3-15"))
    delivered(answers, at("3-20"))
    answers.compute("nps", as_of=at("4-2"))
    weeks = [each for each in published(answers) - before if each[:2] == ("week", date(2025, 3, 10))]
    assert {(each[2], each[4]) for each in weeks} == {("", True), ("source", True)}
    assert len(weeks) == 2


def test_a_period_opens_again_for_a_source_that_is_new_and_behind(answers: Desk) -> None:
    delivered(answers, at("4-10"))
    answers.compute("nps", as_of=AFTER)
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": True, "03-17": True}
    sources(answers, "shop", "desk")
    answers.answer("nps", 9, at("3-4"), source_system="desk")
    delivered(answers, at("3-12"), "desk.answers")
    answers.compute("nps", as_of=AFTER + timedelta(days=1))
    assert complete(answers, "nps", "week") == {"03-03": True, "03-10": False, "03-17": False}


def test_a_cell_whose_events_are_gone_is_not_published_again(answers: Desk) -> None:
    delivered(answers, at("3-16 12:00"))
    answers.compute("nps", as_of=at("4-1"))
    t = survey_response.c
    answers.connection.execute(delete(survey_response).where(t.responded_at == at("3-16")))
    answers.touch(survey_response, date(2025, 3, 16))
    answers.compute("nps", as_of=at("4-2"))
    before = published(answers)
    delivered(answers, at("3-17 12:00"))
    answers.compute("nps", as_of=at("4-3"))
    assert not [each for each in published(answers) - before if each[1] == date(2025, 3, 16)]


def test_a_source_whose_events_are_gone_is_waited_for_no_more(answers: Desk) -> None:
    # As if it had never had any, in whatever order that came about.
    sources(answers, "shop", "desk")
    answers.answer("nps", 9, at("3-12"), source_system="desk")
    delivered(answers, at("4-10"))
    delivered(answers, at("3-1"), "desk.answers")
    answers.compute("nps", as_of=AFTER)
    assert read.complete_until(answers.connection)["nps"][""] == at("3-1")
    t = survey_response.c
    answers.connection.execute(delete(survey_response).where(t.source_system == "desk"))
    answers.touch(survey_response, date(2025, 3, 12))
    answers.compute("nps", as_of=AFTER + timedelta(days=1))
    assert read.complete_until(answers.connection)["nps"] == {"": at("4-10"), "shop": at("4-10")}
    answers.connection.execute(delete(survey_response))
    answers.touch(survey_response, *(date(2025, 3, day) for day in (9, 10, 16, 17)))
    answers.compute("nps", as_of=AFTER + timedelta(days=2))
    assert "nps" not in read.complete_until(answers.connection)


def published(desk: Desk) -> set[tuple[object, ...]]:
    t = kpi_value.c
    rows = desk.connection.execute(
        select(t.grain, t.period_start, t.dimension, t.dimension_value, t.is_complete, t.as_of)
    )
    return {tuple(row) for row in rows}
