"""The imitation's answers, beside examples of real ones."""

from __future__ import annotations

import pytest
from account import ACCOUNT, WORKSPACE
from cxflow.testing import answers
from starlette.testclient import TestClient

from cxflow_twilio.service import TwilioService

CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
EVENTS = f"/v1/Workspaces/{WORKSPACE}/Events"
_NOT_IMITATED = {
    "actor_sid", "actor_type", "actor_url", "description", "resource_url", "source", "url", "answered_by",
    "api_version", "caller_name", "forwarded_from", "from_formatted", "group_sid", "phone_number_sid",
    "subresource_uris", "to_formatted", "trunk_sid", "uri",
}  # fmt: skip
"""What the connector does not use."""


@pytest.fixture
def client(twilio: TwilioService) -> TestClient:
    client = TestClient(twilio.application())
    client.auth = (twilio.key_sid, twilio.secret)
    return client


@pytest.mark.parametrize(
    ("example", "path", "records"),
    [
        ("calls_page1.json", f"{CALLS}?PageSize=2", "calls"),
        ("taskrouter_events.json", f"{EVENTS}?Minutes=43200", "events"),
    ],
)
def test_its_answers_have_the_form_of_real_ones(
    client: TestClient, example: str, path: str, records: str
) -> None:
    real, ours = answers.example("twilio", example), client.get(path).json()
    assert ours.keys() == real.keys()
    assert real[records][0].keys() - ours[records][0].keys() <= _NOT_IMITATED
    # No task of the examples was cancelled.
    assert answers.differences(ours, real, "events.event_data.task_canceled_reason") == []


def test_it_answers_as_little_as_twilio_does(client: TestClient, twilio: TwilioService) -> None:
    assert client.get(EVENTS).json()["events"] == [], "of the last 15 minutes"
    assert client.get(f"{EVENTS}?Page=1").status_code == 400
    assert client.get(CALLS, auth=("AC", "x")).json()["code"] == 20003
    assert client.get(f"{CALLS}?StartTime%3E=2026-03-03").json()["calls"] == []
    first = client.get(f"{CALLS}?PageSize=5").json()
    assert len(first["calls"]) == 5
    assert first["next_page_uri"].startswith(f"{CALLS}?PageSize=5&Page=1&PageToken=")
    assert len(client.get(first["next_page_uri"]).json()["calls"]) == 2


def test_of_a_time_in_a_filter_the_day_counts(client: TestClient) -> None:
    # Twilio's own client for Python writes a time where a day is documented.
    day = "2026-03-02T00%3A00%3A00Z"
    assert len(client.get(f"{CALLS}?StartTime%3E={day}").json()["calls"]) == 7
    assert client.get(f"{CALLS}?StartTime%3C={day}").json()["calls"] == []
