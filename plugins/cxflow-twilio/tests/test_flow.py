"""The whole trip through cxflow: a morning of calls and tasks, and the numbers worked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from account import MORNING, after
from conftest import settings
from cxflow.testing import TestProject, postgresql

from cxflow_twilio.service import TwilioService

TOUCHPOINTS = """
    SELECT right(source_record_id, 1), activity, channel, direction, right(conversation_id, 1),
        dense_rank() OVER (ORDER BY customer_id)
    FROM touchpoint
"""
PEOPLE = "SELECT customer_id, source_object, right(source_record_id, 1) FROM touchpoint"
INTERACTIONS = """
    SELECT right(interaction_id, 1), queue_id, agent_id, wait_seconds, talk_seconds, hold_seconds, acw_seconds,
        transfer_count, outcome, answered_at IS NOT NULL, abandoned_at IS NOT NULL
    FROM interaction ORDER BY 1
"""
VALUES = "SELECT kpi, value, n FROM kpi_value WHERE grain = 'day' AND dimension = '' AND value IS NOT NULL"


@contextmanager
def _duckdb() -> Iterator[dict[str, Any]]:
    yield {}


@pytest.mark.parametrize("database", [_duckdb, postgresql.warehouse], ids=["duckdb", "postgresql"])
def test_a_morning_arrives_as_it_was(
    tmp_path: Path,
    twilio: TwilioService,
    address: str,
    database: Any,
) -> None:
    with database() as warehouse:
        project = TestProject(tmp_path, settings(twilio.connection(address)), warehouse=warehouse)
        reports = project.run(end=after(MORNING, 80_000))
        counts = {name: report.counts.inserted for name, report in reports.items()}
        assert counts == {"voice.calls": 7, "voice.events": 12, "voice.tasks": 3}
        assert project.books_balance()
        project.settle()
        # Of the calls: a leg (2) is none, and one that nobody took (5) is none. Of the tasks: two queued calls, a chat.
        assert {row[:5] for row in project.query(TOUCHPOINTS)} == {
            ("1", "called_support", "phone", "inbound", "1"),
            ("3", "called_support", "phone", "inbound", "3"),
            ("4", "received_call", "phone", "outbound", "4"),
            ("6", "called_support", "phone", "inbound", "6"),
            ("7", "called_support", "phone", "inbound", "7"),
            ("1", "entered_queue", "phone", "inbound", "1"),
            ("2", "entered_queue", "phone", "inbound", "3"),
            ("3", "contacted_support", "chat", "inbound", "3"),
        }
        whose: dict[str | None, set[tuple[str, str]]] = {}
        for customer, stream, number in project.query(PEOPLE):
            whose.setdefault(customer, set()).add((stream, number))
        assert whose.pop(None) == {("calls", "6")}  # a withheld number
        assert sorted(map(sorted, whose.values())) == [
            [("calls", "1"), ("calls", "7"), ("tasks", "1")],
            [("calls", "3"), ("tasks", "2")],
            [("calls", "4")],
            [("tasks", "3")],
        ]
        # From the first answer (12 s) to the last wrap-up (200 s) are 188 s, 20 s of them on hold; ended at 230 s.
        assert project.query(INTERACTIONS) == [
            ("1", "voice:Care", "voice:WK1", 12, 168, 20, 30, 1, "answered", True, False),
            ("2", "voice:Care", None, 40, None, None, None, 0, "abandoned", False, True),
            ("3", "voice:Care", None, None, None, None, None, 0, "timeout", False, False),
        ]
        values = {name: (value, n) for name, value, n in project.query(VALUES)}
        assert values["abandonment_rate"] == (pytest.approx(1 / 3), 3)
        assert values["average_speed_of_answer"] == (pytest.approx(12), 1)
        assert values["average_handle_time"] == (pytest.approx(168 + 20 + 30), 1)
