"""The streams: which documents are sent for a window, how their pages follow, and what records become."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cxflow import SourceError, http

from cxflow_shopify import queries

PATH = "/admin/api/{api_version}/graphql.json"
_CAP = 25_000
"""Objects of one search, however paged; what is behind them is left out without a word."""
_LAG = timedelta(minutes=2)
"""The index that searches use is some seconds to minutes behind; how many is not documented."""
_LOOK_BACK = timedelta(minutes=10)
"""For what the index learned later still."""
_FIRST = datetime(2004, 1, 1, tzinfo=UTC)
"""Before there was a Shopify."""
_COSTS = {"orders": 900, "customers": 500, "events": 250}
"""Points to wait for before a page is asked for: one for each object that it may have. What it did cost is in
the answer."""


class Search(http.Relay):
    """A search sorted by time, which starts again at its last record before the service stops answering."""

    size: str | None = "variables.first"
    cap: int = _CAP
    time: str
    """Where a record's time stands."""

    def after(self, page: http.Page) -> http.Request | None:
        """The next page. Raises SourceError if more records than the cap have the same time."""
        following = super().after(page)
        if following is None:
            return None
        came = page.request.notes.get("came", 0) + len(page.records)
        # Not at the cap itself: there the answer says that it has no next page.
        if not page.records or came + following.body["variables"]["first"] < self.cap:
            return replace(following, notes={"came": came}, starts_again=False)
        variables = {name: value for name, value in following.body["variables"].items() if name != "after"}
        query = re.sub(r":>='[^']*'", f":>='{page.field(-1, self.time)}'", variables["query"], count=1)
        if query == variables["query"]:
            raise SourceError(
                f"some {self.cap:,} records have the same {self.time}, and the service answers no more",
                value=self.time,
            )
        body = {**following.body, "variables": {**variables, "query": query}}
        return replace(following, body=body, notes={}, starts_again=True)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What settings say of an order's fields."""

    order_ids: str
    """id or name: what `order_id` shows."""
    returned: Sequence[str]
    """The kinds of restocking that mean goods came back."""

    @property
    def order_id(self) -> str:
        """The order, as an expression."""
        return "legacyResourceId" if self.order_ids == "id" else "ltrim(name, '#')"

    @property
    def is_return(self) -> str:
        """Whether goods came back with a refund (`item`), as an expression."""
        kinds = ", ".join("'" + kind.replace("'", "''") + "'" for kind in self.returned) or "NULL"
        lines = f"list_filter(item.refundLineItems.nodes, line -> line.restockType IN ({kinds}))"
        return f"coalesce(len({lines}) > 0, false)"


_TEST = "coalesce(test, 'false') = 'true'"
_COUNTS = f"NOT {_TEST}"
"""Orders of the shop's own tests have no rows."""
_SHIPPED = "list_filter(fulfillments, parcel -> parcel.status IS DISTINCT FROM 'CANCELLED')"
_UNDELIVERED = f"list_filter({_SHIPPED}, parcel -> parcel.deliveredAt IS NULL)"


def _tail(gid: str) -> str:
    """The number at the end of `gid://shopify/Order/123`, as an expression; "" if there is none."""
    return rf"regexp_extract({gid}, '/(\d+)(\?.*)?$', 1)"


def _real(expression: str) -> str:
    """An identifier, but of a test order's customer none."""
    return f"CASE WHEN {_COUNTS} THEN {expression} END"


def _search(document: str, query: str, first: int | str, **variables: int) -> dict[str, Any]:
    """The body of a search's first request."""
    return {"query": document, "variables": {"first": first, "query": query, **variables}}


UPDATED = "updated_at:>='{start}' AND updated_at:<'{end}'"
_CREATED = "subject_type:'ORDER' AND action:'destroy' AND created_at:>='{start}' AND created_at:<'{end}'"
_OF_ORDER: Mapping[str, Any] = {
    "name": "orders",
    "title": "Orders with their lines, refunds and parcels",
    "primary_key": ("id",),
    "version": "coalesce(deletedAt, updatedAt)",
    "deleted": "deletedAt IS NOT NULL",
    "lag": _LAG,
    "look_back": _LOOK_BACK,
    "earliest": _FIRST,
    "path": PATH,
    "body": _search(queries.ORDERS, UPDATED, "{page_size}", lines=8),
    "records": "data.orders.nodes",
    "pages": Search(connection="data.orders", time="updatedAt"),
    "cost": _COSTS["orders"],
    "sweeps": (
        http.Call(
            path=PATH,
            body=_search(queries.DELETED_ORDERS, _CREATED, 250),
            records="data.events.nodes",
            pages=Search(connection="data.events", time="deletedAt"),
            cost=_COSTS["events"],
        ),
    ),
    "pii": ("email", "phone"),
    "may_lack": (
        *("deletedAt", "email", "phone", "customer", "customer.id", "test", "name", "legacyResourceId"),
        *("createdAt", "processedAt", "updatedAt", "cancelledAt", "cancelReason", "sourceName"),
        *("displayFinancialStatus", "displayFulfillmentStatus", "refunds", "fulfillments", "lineItems.nodes"),
        *(
            f"{name}.shopMoney.{part}"
            for part in ("amount", "currencyCode")
            for name in ("totalPriceSet", "totalDiscountsSet", "totalTaxSet", "totalRefundedSet")
        ),
    ),
    "identifiers": {
        "email": _real("email"),
        "phone": _real("phone"),
        "customer": _real(_tail("customer.id")),
    },
}


def orders(meaning: Meaning) -> http.RestStream:
    """Orders, whole with every change: a refund or a parcel moves the order's own time."""
    order_id = meaning.order_id
    placed_at = (
        "coalesce(processedAt, createdAt)"  # of an imported order, only the first is the time of the sale
    )
    currency = "totalPriceSet.shopMoney.currencyCode"
    channel = (
        "CASE coalesce(sourceName, 'web') WHEN 'pos' THEN 'store' WHEN 'web' THEN 'web' ELSE sourceName END"
    )
    refunded = "item.totalRefundedSet.shopMoney"
    refunds = {"for_each": "refunds", "where": f"{_COUNTS} AND item.createdAt IS NOT NULL"}
    parcels = {"for_each": "fulfillments", "where": f"{_COUNTS} AND item.status IS DISTINCT FROM 'CANCELLED'"}
    return http.RestStream(
        **_OF_ORDER,
        to={
            "touchpoint": [
                {
                    "where": _COUNTS,
                    "activity": "'placed_order'",
                    "channel": channel,
                    "occurred_at": placed_at,
                    "order_id": order_id,
                    "revenue_impact": "totalPriceSet.shopMoney.amount",
                    "currency_code": currency,
                },
                {
                    "where": f"{_COUNTS} AND cancelledAt IS NOT NULL",
                    "activity": "'cancelled_order'",
                    "channel": channel,
                    "occurred_at": "cancelledAt",
                    "order_id": order_id,
                    "reason": "cancelReason",
                },
                {
                    **refunds,
                    "activity": "'received_refund'",
                    "channel": channel,
                    "occurred_at": "item.createdAt",
                    "order_id": order_id,
                    "revenue_impact": f"-({refunded}.amount::DECIMAL(18, 4))",
                    "currency_code": f"{refunded}.currencyCode",
                },
                {
                    "for_each": "fulfillments",
                    "where": f"{parcels['where']} AND item.deliveredAt IS NOT NULL",
                    "activity": "'received_delivery'",
                    "channel": "'parcel'",
                    "occurred_at": "item.deliveredAt",
                    "order_id": order_id,
                },
            ],
            "order_header": {
                "where": _COUNTS,
                "order_id": order_id,
                "status": "lower(displayFinancialStatus)",
                "price_total": "totalPriceSet.shopMoney.amount",  # as placed: refunds stand beside it
                "discount_amount": "totalDiscountsSet.shopMoney.amount",
                "tax_amount": "totalTaxSet.shopMoney.amount",
                "refund_total": "totalRefundedSet.shopMoney.amount",
                "currency_code": currency,
                "created_at": placed_at,
                "shipped_at": f"list_min(list_transform({_SHIPPED}, parcel -> parcel.createdAt))",
                "delivered_at": f"CASE WHEN displayFulfillmentStatus = 'FULFILLED' AND len({_UNDELIVERED}) "
                "= 0 THEN list_max(list_transform(fulfillments, parcel -> parcel.deliveredAt)) END",
                "cancelled_at": "cancelledAt",
            },
            "order_line": {
                "for_each": "lineItems.nodes",
                "where": _COUNTS,
                "order_id": order_id,
                "line_no": _tail("item.id"),
                "product_id": _tail("item.product.id"),
                "quantity": "item.quantity",
                "unit_price": "item.originalUnitPriceSet.shopMoney.amount",
                "line_total": "item.discountedTotalSet.shopMoney.amount",
                "currency_code": "item.discountedTotalSet.shopMoney.currencyCode",
                "created_at": placed_at,
            },
            "refund": {
                **refunds,
                "refund_id": _tail("item.id"),
                "order_id": order_id,
                "is_return": meaning.is_return,
                "refund_total": f"{refunded}.amount",
                "currency_code": f"{refunded}.currencyCode",
                "refunded_at": "item.createdAt",
            },
            "delivery": {
                **parcels,
                "delivery_id": _tail("item.id"),
                "order_id": order_id,
                "carrier": "list_extract(list_transform(item.trackingInfo, tracked -> tracked.company), 1)",
                "shipped_at": "item.createdAt",
                "delivered_at": "item.deliveredAt",
            },
        },
    )


CUSTOMERS = http.RestStream(
    name="customers",
    title="What the shop knows of its customers",
    primary_key=("id",),
    version="updatedAt",
    lag=_LAG,
    look_back=_LOOK_BACK,
    earliest=_FIRST,
    path=PATH,
    body=_search(queries.CUSTOMERS, UPDATED, 100),
    records="data.customers.nodes",
    pages=Search(connection="data.customers", time="updatedAt"),
    cost=_COSTS["customers"],
    pii=(
        *("firstName", "lastName", "displayName", "defaultEmailAddress.emailAddress"),
        *("defaultPhoneNumber.phoneNumber", "defaultAddress.city"),
    ),
    may_lack=(
        *("defaultEmailAddress.emailAddress", "defaultEmailAddress.marketingState"),
        *("defaultPhoneNumber.phoneNumber", "displayName", "firstName", "lastName"),
        *("defaultAddress.city", "defaultAddress.province", "defaultAddress.countryCodeV2"),
    ),
    identifiers={
        "email": "defaultEmailAddress.emailAddress",
        "phone": "defaultPhoneNumber.phoneNumber",
        "customer": _tail("id"),
    },
    to={
        "touchpoint": {
            "activity": "'became_contact'",
            "channel": "'web'",
            "occurred_at": "createdAt",
        },
        "customer_profile": {
            "profile_id": _tail("id"),
            "full_name": "nullif(displayName, '')",
            "email": "defaultEmailAddress.emailAddress",
            "phone": "defaultPhoneNumber.phoneNumber",
            "city": "defaultAddress.city",
            "region": "defaultAddress.province",
            "country": "defaultAddress.countryCodeV2",
            "consent": "defaultEmailAddress.marketingState = 'SUBSCRIBED'",
            "created_at": "createdAt",
        },
    },
)
