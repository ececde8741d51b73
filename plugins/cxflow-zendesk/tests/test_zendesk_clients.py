"""zenpy, a much used client for Python, reads the imitation: the same records as the connector lands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cxflow.testing import TestProject, clients
from cxflow.testing.service import served
from invented_account import account

from cxflow_zendesk.service import EMAIL, TOKEN

pytestmark = pytest.mark.long

READ = """
import json, sys
from zenpy import Zenpy

port, email, token = sys.argv[1:]
client = Zenpy(subdomain="acme", email=email, token=token)
for api in (client.tickets, client.users, client.satisfaction_ratings):
    api.protocol, api.subdomain, api.domain = "http", "127", f"0.0.1:{port}"
read = {
    "tickets": client.tickets.incremental(start_time=1, include=["metric_sets"], paginate_by_time=False),
    "users": client.users.incremental(start_time=1, paginate_by_time=False),
    "metric_events": client.tickets.metrics_incremental(start_time=1),
    "comments": client.tickets.events(start_time=1, include=["comment_events"]),
    "satisfaction_ratings": client.satisfaction_ratings(),
}
print(json.dumps({
    name: [{key: value for key, value in each.to_dict().items() if not isinstance(value, (dict, list))}
           for each in records]
    for name, records in read.items()
}))
"""


def test_zenpy_reads_what_the_connector_lands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # zenpy takes an empty page for the end.
    desk = account(empty_page=False)
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    python = clients.environment(tmp_path / "zenpy", "zenpy==2.0.57")
    with served(desk.application()) as url:
        read = clients.answered(python, READ, url.rpartition(":")[2], EMAIL, TOKEN)
        connection = desk.connection(url, support_type_scope="agent")
        project = TestProject(tmp_path, {"connections": {"desk": connection}})
        start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
        for stream, found in read.items():
            landed = {each["id"]: each for each in clients.landed(project, "desk", stream, start, end)}
            # Its walks repeat the second that they go on from.
            assert {each["id"] for each in found} == landed.keys(), stream
            for each in found:
                for name, value in each.items():
                    assert landed[each["id"]].get(name) == value, f"{stream}.{name}"
