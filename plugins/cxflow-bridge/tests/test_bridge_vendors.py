"""Taps and connectors of real vendors, against imitations of their services."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cxflow.testing import TestProject, answers, clients
from cxflow.testing.service import served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from test_bridge_real import bridge

pytestmark = pytest.mark.long

TICKETS: dict[str, Any] = {
    "primary_key": "id",
    "to": {
        "touchpoint": {
            "activity": "'contacted_support'",
            "channel": "'web'",
            "occurred_at": "created_at",
            "case_id": "id",
        }
    },
}
CASES = "SELECT case_id, occurred_at FROM touchpoint WHERE NOT is_deleted ORDER BY 1"


def zendesk() -> Any:
    """An account of two customers and three tickets, two of them in one page."""
    service = pytest.importorskip("cxflow_zendesk.service", reason="cxflow-zendesk is not installed")
    tickets = [
        {
            "id": number,
            "status": "open",
            "created_at": f"2026-03-0{number}T08:00:00Z",
            "updated_at": f"2026-03-0{number}T09:00:00Z",
            "generated_timestamp": service.epoch(f"2026-03-0{number}T09:00:00Z"),
            "requester_id": 100 + number % 2,
            "submitter_id": 100 + number % 2,
            "via": {"channel": "web"},
            "custom_fields": [],
            "fields": [],
            "metric_set": {"reopens": 0, "replies": 1, "solved_at": None},
        }
        for number in (1, 2, 3)
    ]
    users = [
        {
            "id": number,
            "name": f"Person {number}",
            "email": f"person{number}@example.org",
            "role": "end-user",
            "active": True,
            "created_at": "2026-03-01T08:00:00Z",
            "updated_at": f"2026-03-01T09:00:0{number % 10}Z",
        }
        for number in (100, 101, 102)
    ]
    return service.ZendeskService(tickets=tickets, users=users, page_size=2, empty_page=False)


def with_own_connector(folder: Path, service: Any, url: str) -> TestProject:
    """A project into which Zendesk's connector has read the tickets."""
    folder.mkdir()
    project = TestProject(folder, {"connections": {"desk": service.connection(url, only=["tickets"])}})
    project.run(end=datetime(2026, 11, 1, tzinfo=UTC))
    return project


def test_a_rest_tap_pages_through_zendesks_list(tmp_path: Path) -> None:
    service = zendesk()
    module = pytest.importorskip("cxflow_zendesk.service")
    with served(service.application()) as url:
        config = {
            "api_url": url,
            "auth_method": "basic",
            "username": f"{module.EMAIL}/token",
            "password": {"env": "ZENDESK_TOKEN"},
            "pagination_request_style": "jsonpath_paginator",
            "next_page_token_path": "$.meta.after_cursor",
            "pagination_next_page_param": "page[after]",
            "streams": [
                {
                    "name": "users",
                    "path": "/api/v2/users.json",
                    "records_path": "$.users[*]",
                    "primary_keys": ["id"],
                    "params": {"page[size]": "2"},
                    "num_inference_records": 2,
                }
            ],
        }
        people = {
            "primary_key": "id",
            "pii": ["email", "name"],
            "to": {"customer_profile": {"profile_id": "id", "full_name": "name", "email": "email"}},
        }
        connection = {
            "connector": "singer",
            "program": "tap-rest-api-msdk",
            "config": config,
            "streams": {"users": people},
        }
        project = TestProject(tmp_path, {"connections": {"desk": connection}})
        bridge(tmp_path, "tap-rest-api-msdk==1.4.2", "setuptools<81")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZENDESK_TOKEN", module.TOKEN)
            assert project.run()["desk.users"].counts.inserted == 3
    assert project.rows("customer_profile", "profile_id", "email") == [
        (f"desk:{number}", f"person{number}@example.org") for number in (100, 101, 102)
    ]


def proxied(monkeypatch: pytest.MonkeyPatch, folder: Path, address: str) -> None:
    """Send programs that are started from here through a proxy, and let them trust it."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "mitmproxy-ca-cert.pem"))


@contextmanager
def instead_of_the_service(folder: Path, url: str) -> Iterator[str]:
    """The address of a proxy that passes on to a URL whatever is asked of any host."""
    python = clients.environment(folder / "mitmproxy", "mitmproxy==11.0.2")
    host, _, port = url.removeprefix("http://").partition(":")
    addon = folder / "addon.py"
    addon.write_text(
        "def request(flow):\n"
        "    flow.request.scheme = 'http'\n"
        f"    flow.request.host, flow.request.port = {host!r}, {port}\n"
    )
    options = [f"confdir={folder}", "connection_strategy=lazy", "flow_detail=0"]
    command = [str(python.with_name("mitmdump")), "--listen-host", "127.0.0.1", "-p", "0", "-s", str(addon)]
    for option in options:
        command += ["--set", option]
    proxy = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert proxy.stdout
        yield next(line.split()[-1].rstrip(".") for line in proxy.stdout if "listening at" in line)
    finally:
        proxy.terminate()
        proxy.communicate()


def of_few_rights(service: Any) -> Any:
    """The imitation as an account whose administrator may see nothing but what it imitates."""
    application = service.application()
    message = (
        "Access to this resource is restricted. Please contact the account administrator for assistance."
    )

    async def forbidden(_: Request) -> Response:
        return JSONResponse({"error": {"title": "Forbidden", "message": message}}, 403)

    application.routes.append(Route("/{path:path}", forbidden))
    return application


def test_tap_zendesk_reads_the_tickets_that_the_connector_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = zendesk()
    for name, value in {**service.environment, "ZENDESK_ACCESS": "zendesk-access-token-0"}.items():
        monkeypatch.setenv(name, value)
    connection = {
        "connector": "singer",
        "program": "tap-zendesk",
        "config": {
            "subdomain": "acme",
            "access_token": {"env": "ZENDESK_ACCESS"},
            "start_date": "2020-01-01T00:00:00Z",
        },
        "streams": {"tickets": TICKETS},
    }
    with served(of_few_rights(service)) as url, instead_of_the_service(tmp_path, url) as address:
        own = with_own_connector(tmp_path / "own", service, url)
        project = TestProject(tmp_path, {"connections": {"desk": connection}})
        bridge(tmp_path, "tap-zendesk==2.8.2")
        proxied(monkeypatch, tmp_path, address)
        assert project.run()["desk.tickets"].counts.inserted == 3
        assert project.query(CASES) == own.query(CASES)
        # It begins at its bookmark, whose record comes again.
        counts = project.run()["desk.tickets"].counts
        assert (counts.extracted, counts.unchanged) == (1, 1)


ORDERS = [
    {
        "id": number,
        "status": "completed",
        "total": f"{number}0.50",
        "currency": "EUR",
        "customer_id": number,
        "date_created_gmt": f"2026-03-0{number}T08:00:00",
        "date_modified_gmt": f"2026-03-0{number}T09:00:00",
    }
    for number in (1, 2, 3)
]


def woocommerce(asked: list[str]) -> Starlette:
    """As much of WooCommerce as the manifest asks: orders by offset, changed between two times, both exclusive."""

    async def orders(request: Request) -> Response:
        asked.append(str(request.url.query))
        basic = b64encode(b"ck_key:cs_secret").decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"code": "woocommerce_rest_cannot_view"}, 401)
        params = request.query_params
        after, before = params["modified_after"], params["modified_before"]
        found = [each for each in ORDERS if after < str(each["date_modified_gmt"]) < before]
        start = int(params.get("offset", 0))
        return JSONResponse(found[start : start + int(params["per_page"])])

    return Starlette(routes=[Route("/wp-json/wc/v3/orders", orders)])


def manifest(environment: Path, package: str, address: str, url: str) -> str:
    """A connector's manifest, as its package has it, for a service at another address."""
    [file] = environment.glob(f"lib/python*/site-packages/{package}/manifest.yaml")
    text = file.read_text("utf-8")
    assert address in text
    return text.replace(address, url)


def test_woocommerces_manifest_reads_its_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    pytest.importorskip("yaml")
    monkeypatch.setenv("WOO_KEY", "ck_key")
    monkeypatch.setenv("WOO_SECRET", "cs_secret")
    orders = {
        "primary_key": "id",
        "to": {
            "order_header": {
                "order_id": "id",
                "created_at": "date_created_gmt",
                "price_total": "total",
                "currency_code": "currency",
            }
        },
    }
    with served(woocommerce(asked)) as url:
        (tmp_path / "cxflow.toml").touch()
        bridge(tmp_path, "airbyte-source-declarative-manifest==6.5.2", "--as", "declared")
        clients.environment(tmp_path / "woocommerce", "airbyte-source-woocommerce==0.4.12")
        written = manifest(
            tmp_path / "woocommerce", "source_woocommerce", "https://{{ config['shop'] }}", url
        )
        (tmp_path / "woocommerce.yaml").write_text(written)
        config = {
            "__injected_declarative_manifest": {"document": "woocommerce.yaml"},
            "api_key": {"env": "WOO_KEY"},
            "api_secret": {"env": "WOO_SECRET"},
            "shop": "acme.example",
            "start_date": "2026-02-01",
        }
        connection = {
            "connector": "airbyte",
            "program": "source-declarative-manifest",
            "environment": "declared",
            "timezone": "UTC",
            "config": config,
            "streams": {"orders": orders},
        }
        project = TestProject(tmp_path, {"connections": {"shop": connection}})
        assert project.run()["shop.orders"].counts.inserted == 3
        assert project.query("SELECT order_id, price_total::VARCHAR FROM order_header ORDER BY 1") == [
            (f"shop:{number}", f"{number}0.5000") for number in (1, 2, 3)
        ]
        first = len(asked)
        counts = project.run()["shop.orders"].counts
    assert (counts.inserted, counts.updated) == (0, 0)
    assert "modified_after=2026-03-03T09" in asked[first], "it goes on at the state that was kept"


def recorded_shop() -> Starlette:
    """Shopify's REST API with recorded answers, in which another order was deleted. Skips without the recordings."""
    folder = answers.recorded("shopify_python_api") / "test" / "fixtures"
    known = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("shop", "orders")}
    gone = {"id": 1, "subject_id": 9, "subject_type": "Order", "verb": "destroy", "message": "gone"}

    async def scopes(_: Request) -> Response:
        return JSONResponse({"access_scopes": [{"handle": "read_orders"}]})

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "events":
            return JSONResponse({"events": [{**gone, "created_at": "2008-02-01T00:00:00Z"}]})
        found = known.get(name)
        return JSONResponse(found, 200) if found else JSONResponse({"errors": "Not Found"}, 404)

    return Starlette(
        routes=[
            Route("/admin/oauth/access_scopes.json", scopes),
            Route("/admin/api/{version}/{name}.json", answer),
        ]
    )


def test_source_shopify_reads_recorded_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = answers.recorded("shopify_python_api") / "test" / "fixtures"
    orders = json.loads((folder / "orders.json").read_text("utf-8"))["orders"]
    monkeypatch.setenv("SHOPIFY_TOKEN", "shpat_0123456789")
    stream = {
        "primary_key": "id",
        "deleted": "deleted_at IS NOT NULL",
        "to": {
            "order_header": {
                "order_id": "id",
                "created_at": "created_at",
                "price_total": "total_price",
                "currency_code": "currency",
            }
        },
    }
    credentials = {"auth_method": "api_password", "api_password": {"env": "SHOPIFY_TOKEN"}}
    connection = {
        "connector": "airbyte",
        "program": "source-shopify",
        "config": {"shop": "acme", "start_date": "2005-01-01", "credentials": credentials},
        "streams": {"orders": stream},
    }
    with served(recorded_shop()) as url, instead_of_the_service(tmp_path, url) as address:
        project = TestProject(tmp_path, {"connections": {"shop": connection}})
        bridge(tmp_path, "airbyte-source-shopify==4.3.0", "--as", "source-shopify")
        proxied(monkeypatch, tmp_path, address)
        counts = project.run()["shop.orders"].counts
    assert (counts.extracted, counts.quarantined) == (len(orders) + 1, 0)
    found = project.query(
        "SELECT order_id, price_total::DOUBLE, currency_code, created_at FROM order_header WHERE NOT is_deleted"
    )
    assert found == [
        (
            f"shop:{each['id']}",
            float(each["total_price"]),
            each["currency"],
            datetime.fromisoformat(each["created_at"]),
        )
        for each in orders
    ]


def test_trustpilots_manifest_reads_the_reviews_that_the_connector_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("yaml")
    module = pytest.importorskip("cxflow_trustpilot.service", reason="cxflow-trustpilot is not installed")
    service = module.TrustpilotService(
        service_reviews=[
            {
                "id": f"65a0{number:020}",
                "createdAt": f"2026-03-{number % 28 + 1:02}T10:{number % 60:02}:00Z",
                "stars": number % 5 + 1,
                "title": "A title",
                "text": "A text",
                "language": "en",
                "referenceId": str(number),
            }
            for number in range(120)
        ]
    )
    secrets = {
        "REFRESH": service.refresh_token,
        "ACCESS": "a-token-of-long-ago",
        "EXPIRY": "2026-01-01T00:00:00Z",
    }
    for name, value in {**service.environment, **secrets}.items():
        monkeypatch.setenv(name, value)
    config = {
        "__injected_declarative_manifest": {"document": "trustpilot.yaml"},
        "credentials": {
            "auth_type": "oauth2.0",
            "client_id": {"env": "TRUSTPILOT_KEY"},
            "client_secret": {"env": "TRUSTPILOT_SECRET"},
            "refresh_token": {"env": "REFRESH"},
            "access_token": {"env": "ACCESS"},
            "token_expiry_date": {"env": "EXPIRY"},
        },
        "client_id": {"env": "TRUSTPILOT_KEY"},
        "business_units": [service.domain],
        "start_date": "2026-01-01T00:00:00Z",
    }
    reviews = {
        "primary_key": "id",
        "pii": ["text", "title"],
        "to": {
            "review": {
                "review_id": "id",
                "rating_value": "stars",
                "worst_rating": "1",
                "best_rating": "5",
                "date_published": '"createdAt"',
            }
        },
    }
    connection = {
        "connector": "airbyte",
        "program": "source-declarative-manifest",
        "environment": "declared",
        "config": config,
        "streams": {"private_reviews": reviews},
    }
    (tmp_path / "own").mkdir()
    with served(service.application()) as url:
        own = TestProject(tmp_path / "own", {"connections": {"reviews": service.connection(url)}})
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
        landed = clients.landed(own, "reviews", "service_reviews", start, end)
        clients.environment(tmp_path / "trustpilot", "airbyte-source-trustpilot==0.2.13")
        written = manifest(tmp_path / "trustpilot", "source_trustpilot", "https://api.trustpilot.com", url)
        (tmp_path / "trustpilot.yaml").write_text(written)
        project = TestProject(tmp_path, {"connections": {"reviews": connection}})
        bridge(tmp_path, "airbyte-source-declarative-manifest==6.5.2", "--as", "declared")
        assert project.run()["reviews.private_reviews"].counts.inserted == 120
    found = project.query("SELECT review_id, rating_value::INTEGER FROM review ORDER BY 1")
    assert found == sorted((f"reviews:{each['id']}", each["stars"]) for each in landed)
