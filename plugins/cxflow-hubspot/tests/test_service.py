"""The imitation's answers, beside examples of real ones."""

from __future__ import annotations

from typing import Any

import pytest
from cxflow.testing import answers
from starlette.testclient import TestClient

from cxflow_hubspot.service import HubSpotService

BATCH = {"inputs": [{"id": "700001"}, {"id": "700003"}]}
SEARCH = {"limit": 2, "properties": ["email", "phone", "lastname", "mobilephone", "firstname", "company"]}


@pytest.fixture
def client(hubspot: HubSpotService) -> TestClient:
    return TestClient(hubspot.application(), headers={"Authorization": f"Bearer {hubspot.token}"})


@pytest.mark.parametrize(
    ("example", "path", "body"),
    [
        ("contacts_search_page1.json", "/crm/v3/objects/contacts/search", SEARCH),
        ("contacts_list.json", "/crm/v3/objects/contacts?limit=1", None),
        ("owners.json", "/crm/v3/owners", None),
        ("associations_batch_read_207.json", "/crm/v4/associations/tickets/contacts/batch/read", BATCH),
    ],
)
def test_its_answers_have_the_form_of_real_ones(
    client: TestClient, example: str, path: str, body: dict[str, Any] | None
) -> None:
    real = answers.example("hubspot", example)
    ours = (client.get(path) if body is None else client.post(path, json=body)).json()
    assert ours.keys() == real.keys()
    # Contacts of the example have a link, or associations that were asked for.
    assert real["results"][0].keys() - ours["results"][0].keys() <= {
        "url",
        "associations",
        "teams",
        "userIdIncludingInactive",
    }
    assert answers.differences(ours, real) == []


@pytest.mark.parametrize("written", ["true", "True"])
def test_archived_records_are_asked_for_in_either_spelling(
    client: TestClient, hubspot: HubSpotService, written: str
) -> None:
    # HubSpot's own client for Python writes True.
    hubspot.objects["contacts"][0] |= {"archived": True, "archivedAt": "2026-03-02T13:00:00Z"}
    found = client.get(f"/crm/v3/objects/contacts?archived={written}").json()["results"]
    assert [each["id"] for each in found] == ["51"]


@pytest.mark.parametrize("query", ["properties=email,phone", "properties=email&properties=phone"])
def test_properties_are_listed_or_repeated(client: TestClient, query: str) -> None:
    # HubSpot's own client for Python repeats them.
    first = client.get(f"/crm/v3/objects/contacts?limit=1&{query}").json()["results"][0]
    assert {"email", "phone"} <= first["properties"].keys()


@pytest.mark.parametrize("sort", ["email", {"propertyName": "email", "direction": "ASCENDING"}])
def test_a_search_is_sorted_by_a_name_alone(client: TestClient, hubspot: HubSpotService, sort: Any) -> None:
    # HubSpot's own client for Python knows texts only.
    for contact, number in zip(hubspot.objects["contacts"], ("3", "1", "2"), strict=True):
        contact["properties"]["email"] = number
    found = client.post("/crm/v3/objects/contacts/search", json={"sorts": [sort]}).json()["results"]
    assert [each["id"] for each in found] == ["52", "53", "51"]


def test_it_refuses_what_hubspot_refuses(client: TestClient) -> None:
    search = "/crm/v3/objects/contacts/search"
    by_wrong_name = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}
    for path, body in (
        (search, {"limit": 201}),
        (search, {"limit": 200, "after": "9900"}),
        (search, {"sorts": [{"propertyName": "a"}, {"propertyName": "b"}]}),
        (search, {"filterGroups": [{"filters": [by_wrong_name]}]}),
        (
            "/crm/v4/associations/tickets/contacts/batch/read",
            {"inputs": [{"id": str(n)} for n in range(101)]},
        ),
    ):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert client.get("/crm/v3/owners", headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get("/crm/v3/objects/contacts?limit=101").status_code == 400
