"""What many KPIs count parts of is read once, and each part has the events that it has alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kpi_desk import Desk, at
from sqlalchemy import Integer, String, column, func, select
from test_kpi_calls import ten_calls

from cxflow.kpis.facts import Fact, fact
from cxflow.warehouse.tables import interaction, touchpoint

CALLS = (
    "abandonment_rate",
    "abandonment_rate_excluding_short",
    "average_handle_time",
    "average_speed_of_answer",
    "service_level_80_20",
    "service_level_of_offered",
    "service_level_of_queued",
    "transfer_rate",
    "wait_seconds_p90",
)


def calls_of_customers(desk: Desk) -> None:
    """Ten calls of nobody, and some of two customers on two days and in two queues."""
    ten_calls(desk)
    for who, day, queue, wait in [
        ("ada", "3-02", "sales", 4),
        ("ada", "3-02", "sales", 50),
        ("eve", "3-03", "help", 10),
        ("eve", "3-14", "help", None),
    ]:
        touched = desk.contact(at(day), who)
        desk.call(
            touchpoint_id=touched,
            offered_at=at(day),
            answered_at=at(day),
            queue_id=queue,
            wait_seconds=wait,
            talk_seconds=60,
            transfer_count=1 if queue == "help" else None,
        )


def test_kpis_of_parts_of_a_fact_read_it_once_and_have_the_values_that_each_has_alone(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["channel", "queue"]})
    calls_of_customers(desk)
    statements = desk.statements()
    desk.compute(*CALLS)
    assert len([each for each in statements if each.startswith("CREATE TEMPORARY TABLE kpi_found")]) == 1
    left_out = {value.kpi: value.left_out for kpi in CALLS for value in desk.values(kpi, "all")}
    assert (left_out["transfer_rate"], left_out["service_level_of_queued"]) == (7 + 2, 1 + 1)
    for kpi in CALLS:
        alone = desk.compute(kpi, everything=True)
        assert (alone.computed > 0, alone.published) == (True, 0), kpi


def test_kpis_with_other_dimensions_do_not_share_what_is_stored(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["channel"], "dimensions_of": {"service_level_of_queued": ["queue"]}})
    calls_of_customers(desk)
    desk.compute("abandonment_rate", "service_level_of_queued", "transfer_rate")
    in_queues = {
        value.dimension_value: value.n for value in desk.values("service_level_of_queued", "all", "queue")
    }
    assert in_queues == {"help": 1, "sales": 2}
    by_phone = {value.dimension_value: value.n for value in desk.values("transfer_rate", "all", "channel")}
    assert by_phone == {"phone": 2}


def test_a_late_call_changes_its_day_in_every_part(desk: Desk) -> None:
    calls_of_customers(desk)
    desk.compute(*CALLS)
    touched = desk.contact(at("3-03"), "ada")
    desk.call(touchpoint_id=touched, offered_at=at("3-03"), abandoned_at=at("3-03"), wait_seconds=80)
    desk.compute(*CALLS)
    for kpi in CALLS:
        assert desk.compute(kpi, everything=True).published == 0, kpi


wait, queue = column("wait", Integer), column("queue", String)
offered = fact(interaction, wait=interaction.c.wait_seconds, queue=interaction.c.queue_id)


def events(desk: Desk, of: Fact) -> int:
    return int(desk.connection.scalar(select(func.count()).select_from(of.rows.subquery())) or 0)


def chosen(desk: Desk, of: Fact) -> int:
    """The same events, from the whole."""
    rows = select(of.whole.rows.subquery()).where(of.condition).subquery()
    return int(desk.connection.scalar(select(func.count()).select_from(rows)) or 0)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (offered, 14),
        (offered.where(wait > 9), 9),
        (offered.needing("without a wait", wait.is_not(None)), 12),
        (offered.where(queue == "help").needing("without a wait", wait.is_not(None)), 1),
        (offered.needing("without a wait", wait.is_not(None)).where(queue == "help"), 1),
        (offered.needing("without a wait", wait.is_not(None)).left_out["without a wait"], 2),
        (
            offered.needing("without a wait", wait.is_not(None))
            .needing("without a queue", queue.is_not(None))
            .where(wait > 3)
            .left_out["without a queue"],
            8,
        ),
        (
            offered.needing("without a wait", wait.is_not(None))
            .where(queue == "help")
            .left_out["without a wait"],
            1,
        ),
        # A condition that is neither true nor false holds for none.
        (offered.where(queue != "sales"), 2),
    ],
)
def test_a_part_is_the_whole_under_its_condition(desk: Desk, of: Fact, expected: int) -> None:
    calls_of_customers(desk)
    assert of.whole is offered
    assert events(desk, of) == chosen(desk, of) == expected


def test_what_was_changed_since_is_a_part_no_more(desk: Desk) -> None:
    calls_of_customers(desk)
    late = offered.where(wait > 9)
    first = select(late.rows.limit(1).subquery())
    for changed in (
        replace(late, rows=first),
        late.derived(lambda rows: select(rows.subquery()).limit(1)),
        late.between(at("3-01"), at("3-02")),
        replace(late, dimensions={"queue": queue}),
    ):
        assert changed.whole is changed
        assert events(desk, changed) == chosen(desk, changed)
    assert fact(touchpoint).whole is not offered
