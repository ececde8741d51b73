"""HubSpot's own client for Python reads the imitation: the same records as the connector lands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cxflow.testing import TestProject, clients

from cxflow_hubspot.service import HubSpotService

pytestmark = pytest.mark.long

KINDS = ("contacts", "companies", "deals", "tickets", "calls", "emails", "feedback_submissions")
READ = """
import json, sys
from hubspot import HubSpot
from hubspot.crm.objects import PublicObjectSearchRequest

address, token, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = HubSpot(access_token=token)
client.config["host"] = address

def plain(found):
    return [{"id": each.id, "properties": each.properties, "archived": each.archived} for each in found]

read = {"owners": [each.id for each in client.crm.owners.get_all()]}
for kind, properties in asked.items():
    objects, searched, after = client.crm.objects, [], 0
    while after is not None:
        page = objects.search_api.do_search(kind, PublicObjectSearchRequest(
            limit=2, after=str(after), properties=properties, sorts=["hs_object_id"],
            filter_groups=[{"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]}],
        ))
        searched += page.results
        after = page.paging.next.after if page.paging else None
    listed, after = [], None
    while True:
        page = objects.basic_api.get_page(kind, limit=2, after=after, properties=properties)
        listed += page.results
        if not page.paging:
            break
        after = page.paging.next.after
    archived = objects.basic_api.get_page(kind, limit=100, archived=True).results
    read[kind] = [plain(searched), plain(listed), plain(archived)]
print(json.dumps(read))
"""


def test_hubspots_client_reads_what_the_connector_lands(
    tmp_path: Path, hubspot: HubSpotService, address: str, project: TestProject
) -> None:
    hubspot.objects["contacts"].append(
        {**hubspot.objects["contacts"][0], "id": "59", "archived": True, "archivedAt": "2026-03-02T13:00:00Z"}
    )
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    every = {kind: clients.landed(project, "crm", kind, start, end) for kind in KINDS}
    asked = {kind: sorted({name for each in every[kind] for name in each["properties"]}) for kind in KINDS}
    python = clients.environment(tmp_path / "hubspot", "hubspot-api-client==12.0.0")
    read = clients.answered(python, READ, address, hubspot.token, json.dumps(asked))
    assert read.pop("owners") == [each["id"] for each in clients.landed(project, "crm", "owners", start, end)]

    def plain(records: list[dict[str, Any]], *, archived: bool) -> list[dict[str, Any]]:
        names = ("id", "properties", "archived")
        found = [{name: each[name] for name in names} for each in records if each["archived"] == archived]
        return sorted(found, key=lambda each: int(each["id"]))

    for kind, (searched, listed, archived) in read.items():
        alive = plain(every[kind], archived=False)
        assert searched == alive, kind
        assert listed == alive, kind
        gone = {each["id"] for each in plain(every[kind], archived=True)}
        assert {each["id"] for each in archived} == gone
