"""From Shopify's answers to the warehouse: what orders become, and the traps of reading them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import PROJECT, NewProject
from cxflow import ConfigError, SourceError, sources
from cxflow.testing import TestProject, answers, conformance
from shop import customer, deleted, line, money, order, parcel, refund
from starlette.responses import JSONResponse, Response

from cxflow_shopify import streams
from cxflow_shopify.connector import Shopify
from cxflow_shopify.service import ShopifyService


def sample() -> ShopifyService:
    """More records than a page holds, so that a reading can break off."""
    at = [f"2026-03-01T10:{number:02}:00Z" for number in range(60)]
    return ShopifyService(
        orders=[order(number, at[number]) for number in range(1, 20)],
        customers=[customer(number, at[number % 60]) for number in range(1, 121)],
        restored_per_second=1e6,  # the suite reads the shop many times, and nothing waits
    )


TestShopify = conformance(
    lambda url: {**sample().connection(url), "bulk_days": 0},
    service=lambda: sample().application(),
    project=PROJECT,
    environment=sample().environment,
)


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def run(project: TestProject, stream: str = "orders", end: datetime | None = None) -> Any:
    return project.run("shop", stream, end=end or day(10))[f"shop.{stream}"].counts


def backfill(project: TestProject, start: datetime, end: datetime, stream: str = "orders") -> Any:
    return project.run("shop", stream, mode="backfill", start=start, end=end)[f"shop.{stream}"].counts


def ids(project: TestProject) -> list[str]:
    rows = project.query("SELECT order_id FROM order_header WHERE NOT is_deleted ORDER BY 1")
    return [str(row[0]) for row in rows]


def test_orders_refunds_parcels_and_customers_arrive_as_they_were(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [
        order(
            1,
            displayFinancialStatus="PARTIALLY_REFUNDED",
            displayFulfillmentStatus="FULFILLED",
            totalPriceSet=money("120.00"),
            totalDiscountsSet=money("5.5"),
            totalRefundedSet=money("30.00"),
            lineItems=[line(1, 2, "50.25", "100.50"), line(2, 1, "25.0", "19.50")],
            refunds=[
                refund(91, "2026-03-01T09:00:00Z", "20.00", "NO_RESTOCK", "RETURN"),
                refund(92, "2026-03-01T09:30:00Z", "10.00"),
                refund(93, None, "1.00"),  # not yet made
            ],
            fulfillments=[
                parcel(51, "2026-02-28T08:00:00Z", "2026-03-01T08:00:00Z"),
                parcel(52, "2026-02-28T09:00:00Z", "2026-03-01T08:30:00Z"),
                parcel(53, "2026-02-28T07:00:00Z", None, "CANCELLED"),
            ],
        ),
        # A guest, known by telephone alone; paid at the till.
        order(2, email=None, phone="+447911123101", customer=None, sourceName="pos"),
        order(3, cancelledAt="2026-02-28T18:01:02Z", cancelReason="CUSTOMER", email="person1@example.org"),
        order(4, test=True),
    ]
    service.customers = [customer(1), customer(5, defaultEmailAddress=None, displayName="")]
    project = new_project()
    assert run(project).extracted == 4
    assert run(project, "customers").extracted == 2
    project.settle()

    # Seconds since 18:01:01 on 27 February 2026.
    rows = project.query(
        "SELECT activity, epoch(occurred_at)::BIGINT - 1772215261, channel, order_id, "
        "revenue_impact::VARCHAR, currency_code, customer_id FROM touchpoint "
        "WHERE activity <> 'became_contact' ORDER BY 4, 2, 1"
    )
    assert [row[:-1] for row in rows] == [
        ("placed_order", 0, "web", "shop:1", "120.0000", "GBP"),
        ("received_delivery", 136739, "parcel", "shop:1", None, "GBP"),
        ("received_delivery", 138539, "parcel", "shop:1", None, "GBP"),
        ("received_refund", 140339, "web", "shop:1", "-20.0000", "GBP"),
        ("received_refund", 142139, "web", "shop:1", "-10.0000", "GBP"),
        ("placed_order", 0, "store", "shop:2", "10.0000", "GBP"),
        ("placed_order", 0, "web", "shop:3", "10.0000", "GBP"),
        ("cancelled_order", 86401, "web", "shop:3", None, "GBP"),
    ]
    people = [row[-1] for row in rows]
    assert len(set(people[:5])) == 1
    assert people[6] == people[7] == people[0] != people[5]
    assert None not in people
    # Two with profiles, and the guest; nobody for the test.
    assert project.query("SELECT count(*) FROM customer WHERE merged_into_id IS NULL") == [(3,)]

    assert project.query(
        "SELECT order_id, status, price_total::VARCHAR, discount_amount::VARCHAR, tax_amount::VARCHAR, "
        "refund_total::VARCHAR, shipped_at::VARCHAR, delivered_at::VARCHAR, coalesce(is_cancelled, false), "
        "cancelled_at IS NOT NULL FROM order_header ORDER BY 1"
    ) == [
        (
            "shop:1",
            "partially_refunded",
            "120.0000",
            "5.5000",
            "1.6700",
            "30.0000",
            "2026-02-28 08:00:00+00",
            "2026-03-01 08:30:00+00",
            False,
            False,
        ),
        ("shop:2", "paid", "10.0000", "0.0000", "1.6700", "0.0000", None, None, False, False),
        ("shop:3", "paid", "10.0000", "0.0000", "1.6700", "0.0000", None, None, False, True),
    ]
    assert project.query(
        "SELECT line_no, product_id, quantity, unit_price::VARCHAR, line_total::VARCHAR FROM order_line "
        "WHERE order_id = 'shop:1' ORDER BY 1"
    ) == [("1", "shop:71", 2, "50.2500", "100.5000"), ("2", "shop:72", 1, "25.0000", "19.5000")]
    assert project.query("SELECT refund_id, is_return, refund_total::VARCHAR FROM refund ORDER BY 1") == [
        ("shop:91", True, "20.0000"),
        ("shop:92", False, "10.0000"),
    ]
    assert project.query(
        "SELECT delivery_id, order_id, carrier, delivered_at IS NOT NULL FROM delivery ORDER BY 1"
    ) == [("shop:51", "shop:1", "Royal Mail", True), ("shop:52", "shop:1", "Royal Mail", True)]
    assert project.query(
        "SELECT full_name, email, city, country, consent FROM customer_profile ORDER BY profile_id"
    ) == [("Amina Haddad", "person1@example.org", "Leeds", "GB", True), (None, None, "Leeds", "GB", None)]

    values = dict(
        project.query(
            "SELECT kpi, value FROM kpi_value WHERE grain = 'month' AND dimension = '' AND value IS NOT NULL"
        )
    )
    assert values["average_order_value"] == pytest.approx((120 + 10) / 2), (
        "neither the cancelled nor the test"
    )
    assert values["return_rate"] == pytest.approx(1 / 2)


def test_a_change_brings_the_whole_order_and_what_is_gone_from_it_goes(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(1, lineItems=[line(1), line(2)]), order(2)]
    project = new_project()
    run(project, end=day(2))
    service.orders[0] = order(1, "2026-03-02T10:00:00Z", lineItems=[line(2)])
    counts = run(project, end=day(3))
    assert (counts.extracted, counts.updated) == (1, 1)
    found = project.query("SELECT line_no FROM order_line WHERE order_id = 'shop:1' AND NOT is_deleted")
    assert found == [("2",)]


def test_a_deleted_order_leaves_a_tombstone(service: ShopifyService, new_project: NewProject) -> None:
    service.orders = [order(1), order(2)]
    project = new_project()
    run(project, end=day(2))
    service.orders = [order(1)]
    service.events = [
        deleted(2, "2026-03-02T10:00:00Z"),
        {**deleted(1, "2026-03-02T10:00:00Z"), "action": "create"},
    ]
    counts = run(project, end=day(3))
    assert (counts.extracted, counts.deleted) == (1, 1)
    assert ids(project) == ["shop:1"]
    assert run(project, end=day(4)).extracted == 0
    asked = len(service.asked)
    run(new_project(streams={"orders": {"sweeps": []}}), end=day(5))
    assert [each["root"] for each in service.asked[asked:]] == ["orders"], "without the search for deletions"


def test_orders_of_one_second_across_pages_and_windows_are_all_read(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [
        *(order(number, "2026-03-01T10:00:00Z") for number in range(1, 14)),
        order(14, "2026-03-02T00:00:00Z"),
    ]
    project = new_project()
    assert backfill(project, day(1), day(2)).inserted == 13
    assert backfill(project, day(2), day(3)).inserted == 1


def test_the_window_is_in_the_search_and_its_newest_part_is_left_for_later(
    service: ShopifyService, new_project: NewProject
) -> None:
    project = new_project()
    run(project, end=day(2))
    run(project, end=day(3))
    searches = [asked["query"] for asked in service.asked if asked["root"] == "orders"]
    assert searches == [
        "updated_at:>='2004-01-01T00:00:00Z' AND updated_at:<'2026-03-01T23:58:00Z'",
        # From ten minutes before what is loaded.
        "updated_at:>='2026-03-01T23:48:00Z' AND updated_at:<'2026-03-02T23:58:00Z'",
    ]


def test_a_page_that_costs_too_much_is_asked_for_by_halves(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(number) for number in range(1, 20)]
    assert run(new_project(page_size=50)).inserted == 19
    sources.doctor(new_project(page_size=50).settings, "shop", "orders")
    firsts = [asked["first"] for asked in service.asked if asked["root"] == "orders"]
    pull = [50, 25, 12, 12]
    assert firsts == [*pull, 50, 25, 12], "what was found out holds for the rest of the pull"


def test_lines_beyond_an_orders_first_page_are_not_cut_off(
    service: ShopifyService, new_project: NewProject
) -> None:
    many = [line(number) for number in range(1, 231)]
    back = refund(91, "2026-03-01T09:00:00Z", "1.0", *["NO_RESTOCK"] * 24, "RETURN")
    service.orders = [order(1), order(2, lineItems=many, refunds=[back])]
    project = new_project()
    assert run(project).inserted == 2
    assert project.query("SELECT order_id, count(*) FROM order_line GROUP BY 1 ORDER BY 1") == [
        ("shop:1", 1),
        ("shop:2", 230),
    ]
    assert project.query("SELECT is_return FROM refund") == [(True,)], "its 25th item came back"
    more = [(asked["id"].split("/")[3], asked["first"]) for asked in service.asked if asked["root"] == "node"]
    assert more == [("Order", 100)] * 3 + [("Refund", 100)]


def capped(service: ShopifyService, monkeypatch: pytest.MonkeyPatch, cap: int) -> None:
    """Both sides' cap."""
    service.cap = cap
    monkeypatch.setitem(
        streams._OF_ORDER, "pages", streams.Search(connection="data.orders", time="updatedAt", cap=cap)
    )


def test_a_search_starts_again_before_the_service_stops_answering(
    service: ShopifyService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped(service, monkeypatch, 30)
    service.orders = [order(number, f"2026-03-01T10:00:{number // 2:02}Z") for number in range(1, 101)]
    assert run(new_project()).inserted == 100
    assert len({asked["query"] for asked in service.asked if asked["root"] == "orders"}) > 3


def test_a_page_of_one_second_before_a_new_start_may_come_twice(
    service: ShopifyService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped(service, monkeypatch, 30)
    seconds = [*range(10), *[10] * 12, *range(11, 30)]
    service.orders = [
        order(100 + place, f"2026-03-01T10:00:{second:02}Z") for place, second in enumerate(seconds)
    ]
    assert run(new_project()).inserted == 41
    pages = [(asked["query"], asked.get("after") is None) for asked in service.asked if "lines" in asked]
    # Twice ten, the second ten of one second, which are also the first page of the next search.
    assert [is_first for _, is_first in pages[:4]] == [True, False, True, False]
    assert "updated_at:>='2026-03-01T10:00:10Z'" in pages[2][0]


def test_more_orders_of_one_second_than_the_cap_are_not_cut_silently(
    service: ShopifyService, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped(service, monkeypatch, 30)
    service.orders = [order(number) for number in range(1, 60)]
    with pytest.raises(SourceError, match="have the same updatedAt"):
        run(new_project())


def test_a_throttled_query_waits_as_long_as_its_points_take(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(number) for number in range(1, 8)]
    service.available, service.restored_per_second = 100, 5000
    assert run(new_project()).inserted == 7
    answer = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {
            "cost": {
                "requestedQueryCost": 452,
                "actualQueryCost": None,
                "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 202, "restoreRate": 100},
            }
        },
    }
    from cxflow import http

    told = http.Answer(json.dumps(answer).encode(), datetime.now(UTC))
    connector = sources.open_connection(new_project().settings, "shop")
    assert isinstance(connector, Shopify)
    assert connector.wait(told) == 2.5
    assert connector.points(told) == (202, 100, 2000)


def test_a_missing_scope_is_named(service: ShopifyService, new_project: NewProject) -> None:
    service.orders = [order(1)]
    service.scopes = {"read_orders", "read_all_orders"}
    project = new_project()
    assert run(project).inserted == 1
    with pytest.raises(
        ConfigError, match=r"may not read a field of this stream \(read_customers\)"
    ) as caught:
        run(project, "customers")
    assert "shop.customers" in str(caught.value)


def test_data_that_are_there_in_part_are_not_taken_for_whole(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(1)]
    service.is_approved = False
    project = new_project()
    with pytest.raises(ConfigError, match=r"\(orders\.nodes\.customer\)") as caught:
        run(project)
    assert "protected customer data" in str(caught.value)
    assert project.query("SELECT count(*) FROM load_run") == [(0,)]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"errors": "[API] Invalid API key or access token"}, "does not know the token"),
        (200, {"errors": "[API] Invalid API key or access token"}, "with an error instead of data"),
        (
            200,
            {"data": {"orders": None}, "errors": [{"message": "Ana's order"}]},
            "with an error instead of data",
        ),
        (402, {"errors": "Unavailable Shop"}, "frozen"),
        (403, {"errors": "[API] Non-expiring tokens are no longer accepted"}, "set client_id, client_secret"),
        (404, {"errors": "Not Found"}, "check shop and api_version"),
        (423, {"errors": "Locked"}, "locked"),
    ],
)
def test_an_error_in_words_says_what_to_do_and_quotes_nothing(
    service: ShopifyService, new_project: NewProject, status: int, body: dict[str, Any], said: str
) -> None:
    service.trouble.append(lambda _: JSONResponse(body, status))
    with pytest.raises(ConfigError, match=said) as caught:
        run(new_project())
    assert "Ana" not in str(caught.value)
    assert not service.asked


@pytest.mark.parametrize(
    "trouble",
    [
        lambda _: JSONResponse({"errors": [{"extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}),
        lambda _: Response("<html>bad gateway</html>", 502),
        lambda _: Response("", 429, {"retry-after": "0.0"}),
    ],
)
def test_trouble_that_passes_costs_nothing(
    service: ShopifyService, new_project: NewProject, trouble: Any
) -> None:
    service.orders = [order(1)]
    service.trouble += [trouble, trouble]
    assert run(new_project()).inserted == 1


def test_a_refresh_token_that_changes_with_every_use_is_kept(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.expiring = True
    service.orders = [order(1)]
    project = new_project()
    run(project)
    first = service.refresh_token
    assert service.granted == 1
    service.token = "shpat_revoked_by_shopify"
    run(project, end=day(11))
    assert (service.granted, service.refresh_token == first) == (2, False)
    assert run(project, end=day(12)).extracted == 0
    assert service.granted == 2, "a token that is good is used by the next run"


def test_an_app_of_ones_own_organisation_gets_its_token_by_id_and_secret(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.expiring = True
    service.orders = [order(1)]
    first = service.refresh_token
    project = new_project(refresh_token=None)
    assert run(project).inserted == 1
    assert (service.granted, service.refresh_token) == (1, first)


def test_a_connection_without_credentials_says_what_it_needs(new_project: NewProject) -> None:
    with pytest.raises(ConfigError, match="it needs a token, or client_id and client_secret"):
        run(new_project(token=None))


def test_the_doctor_tells_of_orders_and_versions_that_are_left_out(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.scopes = {"read_orders", "read_customers"}
    service.version = "2026-10"
    connector = sources.open_connection(new_project().settings, "shop")
    old, version = connector.remarks(connector.stream("orders"))
    assert "older than 60 days" in old
    assert "2026-10 answers instead" in version
    assert connector.remarks(connector.stream("customers")) == [version]


def test_a_field_of_ones_own_is_read_and_mapped_beside_ours(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(1, metafield={"value": "2026-03-05T00:00:00Z"})]
    project = new_project(
        order_fields='promised: metafield(namespace: "custom", key: "delivery_date") { value }',
        order_ids="name",
        streams={"orders": {"to": {"order_header": {"promised_at": "promised.value"}}}},
    )
    run(project)
    found = project.query("SELECT order_id, promised_at::VARCHAR, price_total::VARCHAR FROM order_header")
    assert found == [("shop:1001", "2026-03-05 00:00:00+00", "10.0000")]


def test_a_field_that_there_is_not_is_an_error_of_the_settings(
    service: ShopifyService, new_project: NewProject
) -> None:
    service.orders = [order(1)]
    with pytest.raises(ConfigError, match="check the token, api_version, order_fields"):
        run(new_project(order_fields="noSuchField"))


def test_both_databases_hold_the_same(
    service: ShopifyService, new_project: NewProject, postgresql: str
) -> None:
    sampled = sample()
    service.orders, service.customers = sampled.orders, sampled.customers
    service.orders[0]["refunds"] = [refund(91, "2026-03-01T09:00:00Z", "1.0", "RETURN")]
    found = []
    for warehouse in ({"url": "duckdb:///warehouse.duckdb"}, {"url": postgresql}):
        project = new_project(warehouse=warehouse)
        project.run(end=day(10))
        project.settle()
        assert project.query("SELECT count(*) FROM order_header") == [(19,)]
        found.append(project.digest())
    assert found[0] == found[1]


def plain(value: Any) -> Any:
    """A record of an answer, with each connection as the list of its nodes."""
    if isinstance(value, dict):
        return (
            plain(value["nodes"]) if "nodes" in value else {name: plain(each) for name, each in value.items()}
        )
    return [plain(each) for each in value] if isinstance(value, list) else value


def test_invented_records_have_the_fields_of_real_ones() -> None:
    sold = order(1, refunds=[refund(91, "2026-03-01T09:00:00Z", "1.0", "RETURN")])
    reached = {"emailAddress": "a@example.org", "marketingState": "SUBSCRIBED"}
    known = customer(1, defaultEmailAddress=reached, defaultPhoneNumber={"phoneNumber": "+447911123101"})
    for name, made in (("orders_page1", sold), ("orders_page2", sold), ("customers", known)):
        real = answers.example("shopify", f"{name}.json")["data"][name.split("_")[0]]["nodes"]
        assert answers.differences(plain(real), [made]) == []
