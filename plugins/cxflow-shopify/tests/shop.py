"""Invented orders and customers in the shape of Shopify's answers, nested connections as plain lists."""

from __future__ import annotations

from typing import Any


def money(amount: str, currency: str = "GBP") -> dict[str, Any]:
    """An amount in the shop's currency, and what the customer saw."""
    return {
        "shopMoney": {"amount": amount, "currencyCode": currency},
        "presentmentMoney": {"amount": amount, "currencyCode": "EUR"},
    }


def line(number: int, quantity: int = 1, price: str = "10.0", total: str = "10.0") -> dict[str, Any]:
    """A line of an order."""
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "title": "A mug",
        "sku": f"MUG-{number}",
        "quantity": quantity,
        "currentQuantity": quantity,
        "product": {"id": f"gid://shopify/Product/{70 + number}"},
        "originalUnitPriceSet": money(price),
        "discountedTotalSet": money(total),
    }


def refund(number: int, at: str | None, amount: str, *kinds: str) -> dict[str, Any]:
    """A refund; for each of its items, what became of it."""
    lines = [
        {"quantity": 1, "restockType": kind, "lineItem": {"id": "gid://shopify/LineItem/1"}} for kind in kinds
    ]
    return {
        "id": f"gid://shopify/Refund/{number}",
        "createdAt": at,
        "note": "for Amina",
        "totalRefundedSet": money(amount),
        "refundLineItems": lines,
    }


def parcel(number: int, at: str, delivered: str | None, status: str = "SUCCESS") -> dict[str, Any]:
    """A fulfilment."""
    return {
        "id": f"gid://shopify/Fulfillment/{number}",
        "createdAt": at,
        "status": status,
        "displayStatus": "DELIVERED" if delivered else "IN_TRANSIT",
        "estimatedDeliveryAt": None,
        "deliveredAt": delivered,
        "trackingInfo": [{"company": "Royal Mail", "number": "X", "url": None}],
    }


def order(number: int, updated: str = "2026-03-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    """An order of one mug, paid and not yet sent."""
    return {
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": f"#{1000 + number}",
        "createdAt": "2026-02-27T18:01:02Z",
        "processedAt": "2026-02-27T18:01:01Z",
        "updatedAt": updated,
        "cancelledAt": None,
        "cancelReason": None,
        "closedAt": None,
        "test": False,
        "sourceName": "web",
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": "GBP",
        "email": f"person{number}@example.org",
        "phone": None,
        "tags": [],
        "customer": {"id": f"gid://shopify/Customer/{7000 + number}"},
        "totalPriceSet": money("10.0"),
        "currentTotalPriceSet": money("10.0"),
        "totalDiscountsSet": money("0.0"),
        "totalTaxSet": money("1.67"),
        "totalRefundedSet": money("0.0"),
        "lineItems": [line(1)],
        "refunds": [],
        "fulfillments": [],
        **more,
    }


def customer(number: int, updated: str = "2026-03-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    """A customer with an address."""
    return {
        "id": f"gid://shopify/Customer/{7000 + number}",
        "legacyResourceId": str(7000 + number),
        "firstName": "Amina",
        "lastName": "Haddad",
        "displayName": "Amina Haddad",
        "createdAt": "2024-05-01T10:00:00Z",
        "updatedAt": updated,
        "state": "ENABLED",
        "locale": "en",
        "tags": [],
        "numberOfOrders": "3",
        "amountSpent": {"amount": "275.5", "currencyCode": "GBP"},
        "defaultEmailAddress": {
            "emailAddress": f"person{number}@example.org",
            "marketingState": "SUBSCRIBED",
        },
        "defaultPhoneNumber": None,
        "defaultAddress": {"city": "Leeds", "province": "England", "countryCodeV2": "GB"},
        **more,
    }


def deleted(number: int, at: str) -> dict[str, Any]:
    """The event of an order's deletion."""
    return {
        "id": f"gid://shopify/BasicEvent/{number}",
        "subjectId": f"gid://shopify/Order/{number}",
        "subjectType": "ORDER",
        "action": "destroy",
        "createdAt": at,
    }
