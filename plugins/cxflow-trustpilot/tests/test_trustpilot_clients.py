"""Trustpilot's own client for Python reads the imitation: the same records as the connector lands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import NewProject
from cxflow.testing import clients
from reviews import product_review, review
from starlette.testclient import TestClient

from cxflow_trustpilot.service import TrustpilotService

READ = """
import json, sys
from trustpilot.client import TrustpilotSession

address, key, secret, username, password, domain, start, end = sys.argv[1:]
client = TrustpilotSession(
    api_host=address, api_key=key, api_secret=secret, username=username, password=password
)
# Public endpoints refuse a call without a key, and the client then asks for its token.
unit = client.get("/business-units/find", params={"name": domain}).json()["id"]

def pages(path, name, **params):
    found, number = [], 1
    while True:
        page = client.get(path, params={**params, "page": number, "perPage": 100}).json()[name]
        if not page:
            return found
        found, number = found + page, number + 1

print(json.dumps({
    "service_reviews": pages(
        f"/private/business-units/{unit}/reviews", "reviews", orderBy="createdat.asc",
        startDateTime=start, endDateTime=end,
    ),
    "product_reviews": pages(f"/private/product-reviews/business-units/{unit}/reviews", "productReviews"),
}))
"""


@pytest.mark.long
def test_trustpilots_client_reads_what_the_connector_lands(
    tmp_path: Path, service: TrustpilotService, address: str, new_project: NewProject
) -> None:
    service.service_reviews = [
        review(number, f"2026-03-{1 + number // 24:02}T{number % 24:02}:00:00Z") for number in range(150)
    ]
    service.product_reviews = [product_review(number, "2026-03-01T10:00:00Z") for number in range(120)]
    python = clients.environment(tmp_path / "trustpilot", "trustpilot==10.0.1", "setuptools<81")
    user = (service.username, service.password, service.domain)
    times = ("2026-03-01T00:00:00", "2026-03-05T00:00:00")
    read = clients.answered(python, READ, address, service.key, service.secret, *user, *times)
    project = new_project()
    start, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in times)
    for stream, found in read.items():
        landed = {each["id"]: each for each in clients.landed(project, "reviews", stream, start, end)}
        assert len(landed) == {"service_reviews": 96, "product_reviews": 120}[stream]
        assert {each["id"]: each for each in found} == landed


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        ({"grant_type": "client_credentials"}, 200),
        ({"grant_type": "password", "username": "owner@acme.example", "password": "wrong"}, 401),
        ({"grant_type": "password", "username": "owner@acme.example", "password": "right"}, 200),
        ({}, 401),
    ],
)
def test_a_token_is_granted_to_the_application_or_to_a_user(grant: dict[str, str], status: int) -> None:
    service = TrustpilotService(password="right")
    path = "/v1/oauth/oauth-business-users-for-applications/accesstoken"
    client = TestClient(service.application())
    assert client.post(path, data=grant, auth=(service.key, service.secret)).status_code == status


def test_a_users_token_is_refreshed_with_the_secret_in_the_form(service: TrustpilotService) -> None:
    path = "/v1/oauth/oauth-business-users-for-applications/"
    client, basic = TestClient(service.application()), (service.key, service.secret)
    user = {"grant_type": "password", "username": service.username, "password": service.password}
    granted = client.post(f"{path}accesstoken", data=user, auth=basic).json()
    application = {"client_id": service.key, "client_secret": service.secret, "grant_type": "refresh_token"}
    refreshed = {**application, "refresh_token": granted["refresh_token"]}
    token = client.post(f"{path}refresh", data=refreshed).json()["access_token"]
    assert token == service.tokens[-1] != granted["access_token"]
    assert client.post(f"{path}refresh", data={**refreshed, "refresh_token": "no"}).status_code == 401
