"""Twilio's own client for Python reads the imitation: the same records as the connector lands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from account import ACCOUNT, of_one_morning
from conftest import settings
from cxflow.testing import TestProject, clients
from cxflow.testing.service import served

pytestmark = pytest.mark.long

READ = """
import json, sys
from datetime import datetime
from urllib.parse import urlsplit
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

address, account, key, secret, workspace, start, end = sys.argv[1:]

class Here(TwilioHttpClient):
    def request(self, method, url, *arguments, **more):
        host = urlsplit(url)
        return super().request(method, url.replace(f"{host.scheme}://{host.netloc}", address), *arguments, **more)

client = Client(key, secret, account_sid=account, http_client=Here())
start, end = map(datetime.fromisoformat, (start, end))
calls = client.calls.list(page_size=2, start_time_after=start)
events = client.taskrouter.v1.workspaces(workspace).events.list(start_date=start, end_date=end)
print(json.dumps({
    "calls": {each.sid: [each.status, each.duration, each.direction, each.start_time.isoformat()] for each in calls},
    "events": {each.sid: [each.event_type, each.event_date_ms, each.resource_sid] for each in events},
}))
"""


def test_twilios_client_reads_what_the_connector_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    twilio = of_one_morning(start + timedelta(hours=9))
    twilio.now = None
    end = start + timedelta(days=1)
    for name, value in twilio.environment.items():
        monkeypatch.setenv(name, value)
    python = clients.environment(tmp_path / "twilio", "twilio==9.13.0")
    with served(twilio.application()) as url:
        asked = (ACCOUNT, twilio.key_sid, twilio.secret, twilio.workspace, start.isoformat(), end.isoformat())
        read = clients.answered(python, READ, url, *asked)
        project = TestProject(tmp_path, settings(twilio.connection(url)))
        calls = clients.landed(project, "voice", "calls", start, end)
        events = clients.landed(project, "voice", "events", start, end)
    assert len(calls) == 7
    assert read["calls"] == {
        each["sid"]: [
            each["status"],
            each["duration"],
            each["direction"],
            parsedate_to_datetime(each["start_time"]).isoformat(),
        ]
        for each in calls
    }
    assert read["events"] == {
        each["sid"]: [each["event_type"], each["event_date_ms"], each["resource_sid"]] for each in events
    }
    assert len(events) == 12
