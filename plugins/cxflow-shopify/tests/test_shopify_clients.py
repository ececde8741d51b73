"""Shopify's own client for Python reads the imitation: the same records as the connector lands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import NewProject
from cxflow.testing import clients
from shop import customer, order

from cxflow_shopify.service import ShopifyService

pytestmark = pytest.mark.long

READ = """
import json, sys
import shopify

address, token = sys.argv[1:]
shopify.ShopifyResource.set_site(f"{address}/admin/api/2025-07")
shopify.ShopifyResource.headers["X-Shopify-Access-Token"] = token
client, read = shopify.GraphQL(), {}
for root, fields in (
    ("orders", "id name updatedAt email currentTotalPriceSet { shopMoney { amount currencyCode } }"),
    ("customers", "id updatedAt firstName numberOfOrders amountSpent { amount currencyCode }"),
):
    document = (
        f"query Page($after: String, $words: String) {{ {root}(first: 2, after: $after, query: $words, "
        f"sortKey: UPDATED_AT) {{ edges {{ node {{ {fields} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    read[root], after = [], None
    while True:
        words = "updated_at:>='2026-03-01T10:02:00Z'"
        answer = json.loads(client.execute(document, {"after": after, "words": words}, "Page"))
        read[root] += [each["node"] for each in answer["data"][root]["edges"]]
        page = answer["data"][root]["pageInfo"]
        if not page["hasNextPage"]:
            break
        after = page["endCursor"]
print(json.dumps(read))
"""


def within(record: Any, shape: Any) -> Any:
    """The fields of a record that another has."""
    return {name: within(record[name], shape[name]) for name in shape} if isinstance(shape, dict) else record


def test_shopifys_client_reads_what_the_connector_lands(
    tmp_path: Path, service: ShopifyService, address: str, new_project: NewProject
) -> None:
    at = [f"2026-03-01T10:{number:02}:00Z" for number in range(10)]
    service.orders = [order(number, at[number]) for number in range(1, 8)]
    service.customers = [customer(number, at[number]) for number in range(1, 8)]
    project = new_project()
    python = clients.environment(tmp_path / "shopify", "ShopifyAPI==12.7.0")
    read = clients.answered(python, READ, address, service.token)
    start, end = datetime(2026, 3, 1, 10, 2, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC)
    for stream, found in read.items():
        landed = [
            each
            for each in clients.landed(project, "shop", stream, start, end)
            if each["updatedAt"] >= f"{start:%Y-%m-%dT%H:%M:%SZ}"
        ]
        assert len(landed) == 6
        assert found == [within(each, found[0]) for each in landed], stream
