"""From the service into the warehouse: what is there is what happened."""

from __future__ import annotations

from typing import Any

import pytest
from cxflow.testing import TestProject, conformance
from cxflow_zendesk.service import ZendeskService
from invented_account import account

_CONNECTION = {name: value for name, value in ZendeskService.connection("").items() if name != "base_url"}

TestZendesk = conformance(
    connection=_CONNECTION,
    service=lambda: account().application(),
    environment=account().environment,
)


def test_a_day_arrives_as_it_was(project: TestProject) -> None:
    reports = project.run()
    assert {name: report.counts.quarantined for name, report in reports.items()} == dict.fromkeys(reports, 0)
    found = project.query(
        "SELECT source_object, source_record_id, activity, channel, direction, case_id, agent_id FROM touchpoint "
        "WHERE NOT is_deleted ORDER BY 1, 2, 3"
    )

    def touchpoint(
        stream: str, record: Any, activity: str, channel: str, direction: str, *more: Any
    ) -> tuple[Any, ...]:
        case, agent = more
        return (
            stream,
            str(record),
            activity,
            channel,
            direction,
            case and f"desk:{case}",
            agent and f"desk:{agent}",
        )

    assert found == [
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
