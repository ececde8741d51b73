"""Bulk operations: the same records as by pages, from a file that another host may have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import PROJECT, NewProject
from cxflow import Page, SourceError, TransientError, Window, sources
from cxflow.connect.patience import without_waiting
from cxflow.testing import TestProject, conformance
from cxflow.testing.service import served
from shop import customer, deleted, line, order, refund

from cxflow_shopify.bulk import Bulk
from cxflow_shopify.connector import Shopify
from cxflow_shopify.service import ShopifyService

END = datetime(2026, 3, 10, tzinfo=UTC)


def fill(service: ShopifyService) -> None:
    """Orders with more lines than a page of them has, with refunds and without; customers; a deletion."""
    service.orders = [
        order(
            number,
            f"2026-03-01T10:{number:02}:00Z",
            lineItems=[line(number * 100 + place) for place in range(number % 12)],
            refunds=[
                refund(number * 10 + place, "2026-03-01T09:00:00Z", "1.00", *["RETURN"] * place)
                for place in range(number % 3)
            ],
        )
        for number in range(1, 25)
    ]
    service.customers = [customer(number) for number in range(1, 31)]
    service.events = [deleted(7, "2026-03-02T10:00:00Z")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bulk, "look_again_seconds", 0.0)


def roots(service: ShopifyService) -> list[str]:
    return [each["root"] for each in service.asked]


def records(project: TestProject, stream: str) -> list[dict[str, Any]]:
    """What was landed, without what says how lists were paged."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items() if name != "pageInfo"}
        return [plain(item) for item in value] if isinstance(value, list) else value

    connector: Any = sources.open_connection(project.settings, "shop")
    pages = [
        item
        for item in connector.read(connector.streams[stream], Window(None, END), {})
        if isinstance(item, Page)
    ]
    found = [plain(json.loads(each)) for page in pages for each in page.records]
    return sorted(found, key=lambda each: str(each["id"]) + str(each.get("deletedAt")))


@pytest.mark.parametrize("stream", ["orders", "customers"])
def test_a_first_pull_in_bulk_brings_the_records_that_pages_bring(
    service: ShopifyService, new_project: NewProject, stream: str
) -> None:
    fill(service)
    paged = records(new_project(), stream)
    service.asked.clear()
    assert records(new_project(bulk_days=30), stream) == paged
    assert len(paged) == {"orders": 25, "customers": 30}[stream]
    assert stream not in roots(service), "no page was asked for"
    assert roots(service)[:1] == ["bulkOperationRunQuery"]


def test_a_short_window_is_read_by_pages(service: ShopifyService, new_project: NewProject) -> None:
    fill(service)
    project = new_project(bulk_days=30)
    counts = project.run("shop", "orders", end=END)["shop.orders"].counts
    assert (counts.extracted, service.operations != {}) == (25, True)
    service.operations.clear()
    project.run("shop", "orders", end=datetime(2026, 3, 11, tzinfo=UTC))
    project.run("shop", "orders", mode="backfill", start=datetime(2026, 2, 20, tzinfo=UTC), end=END)
    assert service.operations == {}


def test_a_run_that_does_not_wait_or_was_killed_finds_its_operation_again(
    service: ShopifyService, new_project: NewProject
) -> None:
    fill(service)
    service.running = 2
    project = new_project(bulk_days=30)
    for _ in range(2):
        with without_waiting(), pytest.raises(TransientError, match="still working"):
            project.run("shop", "orders", end=END)
    with without_waiting():
        counts = project.run("shop", "orders", end=END)["shop.orders"].counts
    assert counts.extracted == 25
    assert roots(service).count("bulkOperationRunQuery") == 1
    # Read to its end, it is not used again.
    fill(service)
    project.run("shop", "orders", mode="backfill", start=None, end=END)
    assert roots(service).count("bulkOperationRunQuery") == 2


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "EXPIRED", None])
def test_an_operation_that_is_lost_is_started_again(
    service: ShopifyService, new_project: NewProject, status: str | None
) -> None:
    fill(service)
    project = new_project(bulk_days=30)
    with without_waiting(), pytest.raises(TransientError, match="still working"):
        project.run("shop", "customers", end=END)
    [(identifier, operation)] = service.operations.items()
    if status is None:
        service.operations[f"{identifier}0"] = service.operations.pop(identifier)
    else:
        operation["status"] = status
    assert project.run("shop", "customers", end=END)["shop.customers"].counts.extracted == 30


def test_no_more_operations_are_started_than_the_shop_allows(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.most_operations = 0
    with pytest.raises(TransientError, match="as many bulk operations"):
        new_project(bulk_days=30).run("shop", "customers", end=END)


def test_a_document_that_bulk_operations_refuse_says_what_to_check(
    service: ShopifyService, new_project: NewProject
) -> None:
    fields = "refunds { refundLineItems { edges { node { quantity } } } }"
    with pytest.raises(SourceError, match=r"is refused \(INVALID\)") as problem:
        new_project(bulk_days=30, order_fields=fields).run("shop", "orders", end=END)
    assert "order_fields" in str(problem.value.fix)


def test_a_result_with_fewer_lines_than_shopify_says_is_not_loaded(
    service: ShopifyService, new_project: NewProject
) -> None:
    fill(service)
    project = new_project(bulk_days=30)
    with without_waiting(), pytest.raises(TransientError, match="still working"):
        project.run("shop", "customers", end=END)

    class Short(list[str]):
        def __len__(self) -> int:
            return 99

    [operation] = service.operations.values()
    operation["lines"] = Short(operation["lines"])
    with pytest.raises(TransientError, match="the export has 30 lines, and the service says 99"):
        project.run("shop", "customers", end=END)
    assert project.query("SELECT count(*) FROM customer_profile") == [(0,)]


@pytest.fixture
def elsewhere(service: ShopifyService) -> Iterator[str]:
    """Another host that has the results."""
    with served(service.application()) as url:
        service.download_base = url
        yield url


def test_a_result_elsewhere_is_read_without_credentials_and_only_from_declared_hosts(
    service: ShopifyService, new_project: NewProject, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(service)
    project = new_project(bulk_days=30)
    with pytest.raises(SourceError, match="links to another host"):
        project.run("shop", "customers", end=END)
    assert service.downloads == []
    monkeypatch.setattr(Shopify, "download_hosts", (elsewhere,))
    assert project.run("shop", "customers", end=END)["shop.customers"].counts.extracted == 30
    [headers] = service.downloads
    assert service.token not in str(headers)


def in_bulk() -> ShopifyService:
    made = ShopifyService(running=0, maximum=1_000_000, available=1_000_000)
    fill(made)
    return made


def always_in_bulk(url: str) -> dict[str, Any]:
    """A connection that pages no window, however short: records of pages have cursors."""
    return in_bulk().connection(url) | {"bulk_days": 1e-9}


TestShopifyInBulk = conformance(
    always_in_bulk,
    service=lambda: in_bulk().application(),
    project=PROJECT,
    environment=in_bulk().environment,
)
