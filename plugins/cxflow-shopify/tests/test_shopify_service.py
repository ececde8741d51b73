"""The imitation, asked in ways that other clients use and the connector does not."""

from __future__ import annotations

from typing import Any

import pytest
from shop import line, order
from starlette.testclient import TestClient

from cxflow_shopify.service import ShopifyService


def ask(service: ShopifyService, query: str, **more: Any) -> Any:
    client = TestClient(service.application(), headers={"X-Shopify-Access-Token": service.token})
    answer = client.post("/admin/api/2025-07/graphql.json", json={"query": query, **more})
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture
def sold(service: ShopifyService) -> ShopifyService:
    service.orders = [
        order(number, f"2026-03-01T10:0{number}:00Z", lineItems=[line(1), line(2)]) for number in range(1, 4)
    ]
    return service


def test_connections_have_edges_and_a_search_needs_no_words(sold: ShopifyService) -> None:
    query = """query Recent($after: String) { orders(first: 2, after: $after) { edges { cursor node {
        name lineItems(first: 1) { edges { node { sku } } } } } pageInfo { hasNextPage endCursor } } }"""
    first = ask(sold, query, operationName="Recent", variables={"after": None})["data"]["orders"]
    assert [each["node"]["name"] for each in first["edges"]] == ["#1001", "#1002"]
    assert first["edges"][0]["node"]["lineItems"] == {"edges": [{"node": {"sku": "MUG-1"}}]}
    assert first["edges"][-1]["cursor"] == first["pageInfo"]["endCursor"]
    after = {"after": first["edges"][0]["cursor"]}
    second = ask(sold, query, variables=after)["data"]["orders"]
    assert [each["node"]["name"] for each in second["edges"]] == ["#1002", "#1003"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ shop { name } }", "Field 'shop' doesn't exist"),
        ("{ orders { nodes { id } } }", "provide one of first or last"),
        ("{ orders(first: 1, reverse: true) { nodes { id } } }", "doesn't accept argument 'reverse'"),
    ],
)
def test_what_it_does_not_have_is_an_error_of_the_query(sold: ShopifyService, query: str, said: str) -> None:
    answer = ask(sold, query)
    assert said in answer["errors"][0]["message"]
    assert "data" not in answer
