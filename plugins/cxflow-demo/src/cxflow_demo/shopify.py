"""The shapes of Shopify's Admin API: what a shop's records look like there. Called by `shop`.

Nested connections are plain lists, as the imitation of Shopify takes them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from cxflow_demo.record import Row, utc_iso


def gid(kind: str, number: int | str) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def money(amount: float) -> dict[str, Any]:
    """An amount in euros, in the shop's currency and in the customer's."""
    euros = {"amount": f"{amount:.2f}", "currencyCode": "EUR"}
    return {"shopMoney": euros, "presentmentMoney": euros}


def line(number: int, sku: str, quantity: int, unit_price: float, total: float) -> Row:
    """A line of an order. The number of its product is that of its SKU."""
    return {
        "id": gid("LineItem", number),
        "title": f"Article {sku}",
        "sku": sku,
        "quantity": quantity,
        "currentQuantity": quantity,
        "product": {"id": gid("Product", sku.rpartition("-")[2])},
        "originalUnitPriceSet": money(unit_price),
        "discountedTotalSet": money(total),
    }


def refund(number: int, at: datetime, amount: float, lines: list[Row], restock_type: str) -> Row:
    """Money given back for some lines: RETURN if the goods came back, CANCEL if they never left."""
    return {
        "id": gid("Refund", number),
        "createdAt": utc_iso(at),
        "note": None,
        "totalRefundedSet": money(amount),
        "refundLineItems": [
            {"quantity": each["quantity"], "restockType": restock_type, "lineItem": {"id": each["id"]}}
            for each in lines
        ],
    }


def parcel(number: int, shipped_at: datetime, delivered_at: datetime | None) -> Row:
    """A fulfilment."""
    return {
        "id": gid("Fulfillment", number),
        "createdAt": utc_iso(shipped_at),
        "status": "SUCCESS",
        "displayStatus": "DELIVERED" if delivered_at else "IN_TRANSIT",
        "estimatedDeliveryAt": None,
        "deliveredAt": utc_iso(delivered_at),
        "trackingInfo": [{"company": "Correos", "number": f"PK{number}", "url": None}],
    }


def order(
    number: int,
    name: str,
    *,
    created_at: datetime,
    updated_at: datetime,
    cancelled_at: datetime | None,
    promised_on: date,
    email: str | None,
    phone: str | None,
    customer: str | None,
    price: float,
    discount: float,
    lines: list[Row],
    refunds: list[Row],
    parcels: list[Row],
) -> Row:
    """An order. The promised day is the metafield of a delivery app."""
    refunded = sum(float(each["totalRefundedSet"]["shopMoney"]["amount"]) for each in refunds)
    paid = "PAID" if not refunded else "REFUNDED" if refunded >= price else "PARTIALLY_REFUNDED"
    return {
        "id": gid("Order", number),
        "legacyResourceId": str(number),
        "name": name,
        "createdAt": utc_iso(created_at),
        "processedAt": utc_iso(created_at),
        "updatedAt": utc_iso(updated_at),
        "cancelledAt": utc_iso(cancelled_at),
        "cancelReason": "CUSTOMER" if cancelled_at else None,
        "closedAt": None,
        "test": False,
        "sourceName": "web",
        "displayFinancialStatus": paid,
        "displayFulfillmentStatus": "FULFILLED" if parcels else "UNFULFILLED",
        "email": email,
        "phone": phone,
        "tags": [],
        "customer": {"id": gid("Customer", customer)} if customer else None,
        "totalPriceSet": money(price),
        "currentTotalPriceSet": money(price - refunded),
        "totalDiscountsSet": money(discount),
        "totalTaxSet": money(price * 21 / 121),
        "totalRefundedSet": money(refunded),
        "lineItems": lines,
        "refunds": refunds,
        "fulfillments": parcels,
        "metafield": {"value": promised_on.isoformat()},
    }


def deleted(number: int, at: datetime) -> Row:
    """The event of an order's deletion, which is all that is left of it."""
    return {
        "id": gid("BasicEvent", number),
        "subjectId": gid("Order", number),
        "subjectType": "ORDER",
        "action": "destroy",
        "createdAt": utc_iso(at),
    }


def customer(
    number: str,
    full_name: str,
    *,
    created_at: datetime,
    updated_at: datetime,
    email: str | None,
    phone: str | None,
    orders: int,
    spent: float,
) -> Row:
    """An account of the shop."""
    first, _, last = full_name.partition(" ")
    return {
        "id": gid("Customer", number),
        "legacyResourceId": number,
        "firstName": first,
        "lastName": last,
        "displayName": full_name,
        "createdAt": utc_iso(created_at),
        "updatedAt": utc_iso(updated_at),
        "state": "ENABLED",
        "locale": "es",
        "tags": [],
        "numberOfOrders": str(orders),
        "amountSpent": {"amount": f"{spent:.2f}", "currencyCode": "EUR"},
        "defaultEmailAddress": {"emailAddress": email, "marketingState": "SUBSCRIBED"} if email else None,
        "defaultPhoneNumber": {"phoneNumber": phone} if phone else None,
        "defaultAddress": {"city": "Madrid", "province": "Madrid", "countryCodeV2": "ES"},
    }
