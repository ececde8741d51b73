"""The whole trip through cxflow: a day of calls, and the numbers worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import PLUGINS, Pbx
from cxflow.testing import TestProject, conformance
from test_cdr import LOG, row

CONNECTION = {"connector": "asterisk", "root": "asterisk", "timezone": "Europe/London"}
PROJECT = {
    **PLUGINS,
    "project": {"timezone": "Europe/London", "country": "GB"},
    "kpis": {"min_n": 1},
}

END = datetime(2026, 3, 2, tzinfo=UTC)

# Five offers of four calls on 1 March 2026. Answered after 10 and 20 s; one abandoned after 60 s; one that
# timed out of care after 30 s and was abandoned in overflow after 15 s more.
MORNING = (
    "1772359200|1772359190.1|care|NONE|ENTERQUEUE||07911123101|1",
    "1772359210|1772359190.1|care|PJSIP/8008|CONNECT|10|1772359205.2|4",
    "1772359310|1772359190.1|care|PJSIP/8008|COMPLETECALLER|10|100|1",
    "1772359400|1772359390.3|care|NONE|ENTERQUEUE||07911123102|1",
    "1772359460|1772359390.3|care|NONE|ABANDON|1|1|60",
    "1772359500|1772359490.4|care|NONE|ENTERQUEUE||anonymous|1",
    "1772359530|1772359490.4|care|NONE|EXITWITHTIMEOUT|1|1|30",
    "1772359535|1772359490.4|overflow|NONE|ENTERQUEUE||anonymous|1",
    "1772359550|1772359490.4|overflow|NONE|ABANDON|1|1|15",
    "1772359600|1772359590.5|care|NONE|ENTERQUEUE||07911123103|1",
    "1772359620|1772359590.5|care|PJSIP/8009|CONNECT|20|1772359605.6|4",
    "not a line",
)
NOON = ("1772359680|1772359590.5|care|PJSIP/8009|BLINDTRANSFER|8100|internal|20|60|1",)
CDR = (
    row("1772359190.1", lastapp="Queue", dst="600"),
    row("1772359700.7", src="07911123104", start="2026-03-01 10:08:20", duration="65"),
    row("1772359800.8", src="8008", dst="07911123105", dcontext="from-internal", start="2026-03-01 10:10:00"),
    row("1772359900.9", src="8008", dst="8009", dcontext="from-internal", start="2026-03-01 10:11:40"),
)


def write(folder: Path) -> Pbx:
    """The logs of that morning, in a project's folder."""
    (folder / "asterisk").mkdir()
    pbx = Pbx(folder / "asterisk")
    pbx.write(*MORNING)
    pbx.write(*CDR, to=LOG)
    return pbx


def sample(folder: Path) -> None:
    """The source of the conformance kit."""
    write(folder)


TestAsterisk = conformance(connection=CONNECTION, source=sample, project=PROJECT)


@pytest.fixture
def pbx(tmp_path: Path) -> Pbx:
    return write(tmp_path)


@pytest.fixture
def project(tmp_path: Path, pbx: Pbx) -> TestProject:
    return TestProject(tmp_path, {**PROJECT, "connections": {"pbx": CONNECTION}})


def run(project: TestProject, stream: str, mode: Any = "scheduled") -> Any:
    return project.run("pbx", stream, mode=mode, end=END)[f"pbx.{stream}"].counts


TOUCHPOINTS = """
    SELECT epoch(occurred_at)::BIGINT, activity, channel, direction, journey_stage, control, conversation_id,
        agent_id, epoch(ended_at)::BIGINT
    FROM touchpoint ORDER BY occurred_at
"""
INTERACTIONS = """
    SELECT queue_id, epoch(offered_at)::BIGINT, epoch(answered_at)::BIGINT, epoch(abandoned_at)::BIGINT,
        wait_seconds, talk_seconds, transfer_count, outcome, agent_id
    FROM interaction ORDER BY offered_at
"""


def test_a_day_of_calls_arrives_as_it_was(project: TestProject, pbx: Pbx) -> None:
    first = run(project, "queue_calls")
    assert (first.extracted, first.inserted, first.quarantined) == (5, 4, 1)
    pbx.write(*NOON)
    second = run(project, "queue_calls")
    assert (second.extracted, second.inserted) == (1, 1)
    assert run(project, "queue_calls").extracted == 0
    third = run(project, "cdr")
    assert (third.extracted, third.inserted) == (4, 4)

    def touchpoint(at: int, activity: str, call: str, agent: str | None, ended: int) -> tuple[Any, ...]:
        where = ("phone", "outbound" if activity == "received_call" else "inbound", "after", "owned")
        return (at, activity, *where, f"pbx:{call}", agent and f"pbx:{agent}", ended)

    assert project.query(TOUCHPOINTS) == [
        touchpoint(1772359200, "called_support", "1772359190.1", "PJSIP/8008", 1772359310),
        touchpoint(1772359400, "called_support", "1772359390.3", None, 1772359460),
        touchpoint(1772359500, "called_support", "1772359490.4", None, 1772359530),
        touchpoint(1772359535, "entered_queue", "1772359490.4", None, 1772359550),
        touchpoint(1772359600, "called_support", "1772359590.5", "PJSIP/8009", 1772359680),
        touchpoint(1772359700, "called_support", "1772359700.7", "PJSIP/8008", 1772359765),
        touchpoint(1772359800, "received_call", "1772359800.8", "PJSIP/trunk", 1772360019),
    ]
    assert project.query(INTERACTIONS) == [
        ("pbx:care", 1772359200, 1772359210, None, 10, 100, 0, "answered", "pbx:PJSIP/8008"),
        ("pbx:care", 1772359400, None, 1772359460, 60, None, 0, "abandoned", None),
        ("pbx:care", 1772359500, None, None, 30, None, 0, "timeout", None),
        ("pbx:overflow", 1772359535, None, 1772359550, 15, None, 0, "abandoned", None),
        ("pbx:care", 1772359600, 1772359620, None, 20, 60, 1, "transferred", "pbx:PJSIP/8009"),
    ]


def test_a_first_run_up_to_a_past_time_loses_nothing_that_came_since(project: TestProject) -> None:
    before_the_abandoned_call = datetime.fromtimestamp(1772359420, UTC)
    project.run("pbx", "queue_calls", end=before_the_abandoned_call)
    run(project, "queue_calls")
    assert project.query("SELECT count(*) FROM interaction") == [(4,)]


def test_a_backfill_after_scheduled_runs_changes_nothing(project: TestProject, pbx: Pbx) -> None:
    run(project, "queue_calls")
    run(project, "cdr")
    pbx.rename("queue_log", "queue_log.1")
    pbx.pack("queue_log.1")
    for stream, calls in (("queue_calls", 4), ("cdr", 4)):
        counts = run(project, stream, "backfill")
        assert (counts.inserted, counts.updated, counts.unchanged + counts.deduplicated) == (0, 0, calls)


def test_a_run_without_calls_is_no_error(project: TestProject, pbx: Pbx) -> None:
    (pbx.folder / "queue_log").write_bytes(b"")
    assert run(project, "queue_calls").extracted == 0


def test_the_queues_kpis_are_those_worked_by_hand(project: TestProject, pbx: Pbx) -> None:
    pbx.write(*NOON)
    run(project, "queue_calls")
    run(project, "cdr")
    project.settle()
    values = {
        name: (value, n)
        for name, value, n in project.query(
            "SELECT kpi, value, n FROM kpi_value WHERE grain = 'day' AND dimension = '' "
            "AND period_start = DATE '2026-03-01'",
        )
    }
    assert values["abandonment_rate"] == (pytest.approx(2 / 5), 5)
    assert values["average_speed_of_answer"] == (pytest.approx((10 + 20) / 2), 2)
    assert values["average_handle_time"] == (pytest.approx((100 + 60) / 2), 2)
    by_channel = project.query(
        "SELECT n FROM kpi_value WHERE kpi = 'abandonment_rate' AND grain = 'day' AND dimension = 'channel' "
        "AND dimension_value = 'phone'",
    )
    assert by_channel == [(5,)]  # every offer has its touchpoint, and so its channel


def test_a_call_through_two_queues_is_one_call_for_help(project: TestProject) -> None:
    run(project, "queue_calls")
    run(project, "cdr")
    ((contacts, calls),) = project.query(
        "SELECT count(*), count(DISTINCT conversation_id) FROM touchpoint WHERE activity = 'called_support'",
    )
    assert contacts == calls


def test_numbers_are_kept_as_hashes_and_join_both_logs(project: TestProject, pbx: Pbx) -> None:
    pbx.write(*NOON)
    run(project, "queue_calls")
    run(project, "cdr")
    project.settle()
    ((customers,),) = project.query("SELECT count(DISTINCT customer_id) FROM touchpoint")
    assert customers == 5  # 07911 123101 to 900105; the anonymous caller is nobody
    stored = project.query("SELECT identity_value FROM customer_identity WHERE identity_value IS NOT NULL")
    assert stored == []
