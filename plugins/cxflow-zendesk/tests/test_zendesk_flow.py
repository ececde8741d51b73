"""From the service into the warehouse: what is there is what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cxflow.testing import TestProject, postgresql

from cxflow_zendesk.service import ZendeskService

TOUCHPOINTS = """
    SELECT source_object, source_record_id, activity, channel, direction, case_id, agent_id FROM touchpoint
    WHERE NOT is_deleted
"""


def touchpoint(stream: str, record: Any, activity: str, *more: Any) -> tuple[Any, ...]:
    channel, direction, case, agent = more
    case_id, agent_id = (None if each is None else f"desk:{each}" for each in (case, agent))
    return (stream, str(record), activity, channel, direction, case_id, agent_id)


HAPPENED = [
    # One call is one contact: of a call with a ticket, the ticket.
    touchpoint("calls", 71, "entered_queue", "phone", "inbound", 6, 901),
    touchpoint("calls", 72, "called_support", "phone", "inbound", None, None),
    touchpoint("calls", 73, "received_call", "phone", "outbound", None, 901),
    touchpoint("calls", 74, "called_support", "phone", "inbound", None, None),
    touchpoint("calls", 75, "called_support", "phone", "inbound", None, None),
    touchpoint("comments", 11, "wrote_message", "email", "inbound", 1, None),
    touchpoint("comments", 12, "received_message", "email", "outbound", 1, 901),
    touchpoint("comments", 15, "wrote_message", "email", "inbound", 2, None),
    touchpoint("metric_events", 22, "missed_target", "unknown", "outbound", 1, None),
    touchpoint("satisfaction_ratings", 62, "answered_survey", "unknown", "inbound", 1, 901),
    touchpoint("satisfaction_ratings", 64, "answered_survey", "unknown", "inbound", 3, 901),
    touchpoint("survey_responses", "01A", "answered_survey", "unknown", "inbound", 1, None),
    touchpoint("survey_responses", "01B", "answered_survey", "unknown", "inbound", 2, None),
    touchpoint("tickets", 1, "contacted_support", "email", "inbound", 1, 901),
    touchpoint("tickets", 2, "contacted_support", "web", "inbound", 2, 901),
    touchpoint("tickets", 3, "contacted_support", "chat", "inbound", 3, 901),
    touchpoint("tickets", 5, "contacted_support", "web", "outbound", 5, 901),
    touchpoint("tickets", 6, "contacted_support", "phone", "inbound", 6, 901),
    touchpoint("tickets", 7, "contacted_support", "chat", "inbound", 7, 901),
]


def check(project: TestProject) -> None:
    """Run everything, and compare it with what happened."""
    reports = project.run()
    assert {name: report.counts.quarantined for name, report in reports.items()} == dict.fromkeys(reports, 0)
    project.settle()
    assert sorted(project.query(TOUCHPOINTS)) == sorted(HAPPENED)
    cases = project.query(
        "SELECT case_id, first_reply_at - opened_at, first_solved_at - opened_at, "
        "last_solved_at - opened_at, public_replies, status FROM support_case "
        "WHERE NOT is_deleted ORDER BY case_id"
    )
    minutes = [
        (case, *(None if each is None else each.total_seconds() / 60 for each in times), replies, status)
        for case, *times, replies, status in cases
    ]
    assert minutes == [
        ("desk:1", 135, 600, 1440, 1, "solved"),
        ("desk:2", 15, None, None, 1, "open"),
        ("desk:3", None, None, None, 1, "closed"),
        ("desk:5", None, None, None, 1, "open"),
        ("desk:6", 0, None, None, 1, "open"),
        ("desk:7", None, None, None, 1, "open"),
    ]
    answers = project.rows(
        "survey_response",
        "response_id",
        "question_id",
        "metric_type",
        "rating_value",
        "worst_rating",
        "best_rating",
        "response_text",
    )
    assert answers == [
        ("desk:01A", "01COMMENT", "comment", None, None, None, "Took too long"),
        ("desk:01A", "01RATING", "csat", 1, 1, 5, None),
        ("desk:01B", "01RATING", "csat", 5, 1, 5, None),
        ("desk:62", "satisfaction", "csat", 0, 0, 1, "Took too long"),
        ("desk:64", "satisfaction", "csat", 1, 0, 1, None),
    ]
    # Ana: a profile, tickets 1 and 3, a comment, a rating, a survey, calls 72 to 75. Ben: the rest.
    known = project.query(
        "SELECT customer_id IS NOT NULL, count(*) FROM touchpoint WHERE NOT is_deleted GROUP BY customer_id"
    )
    assert sorted(known) == [(False, 2), (True, 8), (True, 9)], "an agent's message has no customer"
    assert len(project.query("SELECT 1 FROM customer WHERE merged_into_id IS NULL")) == 4
    values = dict(
        project.query(
            "SELECT kpi, value FROM kpi_value WHERE grain = 'all' AND dimension = '' AND value IS NOT NULL"
        )
    )
    assert values["csat"] == pytest.approx(2 / 4)  # good, bad; 5 and 1 of 5
    assert values["first_reply_minutes"] == pytest.approx(15)  # of 0, 15, 135
    assert values["abandonment_rate"] == pytest.approx(1 / 3)  # 71, 72, 75; 74 was not offered
    assert values["average_speed_of_answer"] == pytest.approx(20)
    assert values["average_handle_time"] == pytest.approx(100 + 10 + 5)


def test_a_day_arrives_as_it_was(project: TestProject, zendesk: ZendeskService) -> None:
    check(project)
    # The export goes on after its empty page: three pages of two tickets, one of one, and that one.
    assert len([path for path in zendesk.asked if path.startswith("/api/v2/incremental/tickets/")]) == 5


def test_it_arrives_on_postgresql_too(
    tmp_path: Path, zendesk: ZendeskService, address: str, project: TestProject
) -> None:
    (tmp_path / "other").mkdir()
    configuration = {"kpis": {"min_n": 1}, "connections": {"desk": zendesk.connection(address)}}
    with postgresql.warehouse() as warehouse:
        check(TestProject(tmp_path / "other", configuration, warehouse=warehouse))
