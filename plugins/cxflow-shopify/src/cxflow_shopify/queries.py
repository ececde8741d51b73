"""The GraphQL documents. `{order_fields}` and `{customer_fields}` are what a connection adds.

Lists without `first` (`refunds`, `fulfillments`) come whole; nested connections may have a next page, which
the connector asks for. A refund's note is not asked for: it is free text about a person.
"""

from __future__ import annotations

_PAGE = """
fragment page on PageInfo { hasNextPage endCursor }
"""
_MONEY = """
fragment money on MoneyBag { shopMoney { amount currencyCode } }
"""
_LINE = """
fragment line on LineItem {
  id title sku quantity currentQuantity product { id }
  originalUnitPriceSet { ...money } discountedTotalSet { ...money }
}
"""
_REFUND_LINE = """
fragment refundLine on RefundLineItem { quantity restockType lineItem { id } }
"""
NESTED = {
    "lineItems": ("line", _LINE + _MONEY + _PAGE),
    "refundLineItems": ("refundLine", _REFUND_LINE + _PAGE),
}
"""Connection within a record to the fragment of its items, and what that needs."""

ORDERS = (
    """
query ($first: Int!, $after: String, $query: String!, $lines: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id legacyResourceId name createdAt processedAt updatedAt cancelledAt cancelReason closedAt test
      sourceName displayFinancialStatus displayFulfillmentStatus email phone tags
      customer { id }
      totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
      currentTotalPriceSet { ...money } totalDiscountsSet { ...money } totalTaxSet { ...money }
      totalRefundedSet { ...money }
      lineItems(first: $lines) { nodes { ...line } pageInfo { ...page } }
      refunds {
        id createdAt totalRefundedSet { ...money }
        refundLineItems(first: $lines) { nodes { ...refundLine } pageInfo { ...page } }
      }
      fulfillments {
        id createdAt status displayStatus estimatedDeliveryAt deliveredAt trackingInfo { company }
      }
      {order_fields}
    }
    pageInfo { ...page }
  }
}
"""
    + _PAGE
    + _LINE
    + _REFUND_LINE
    + _MONEY
)

# An order's tombstone has its id where an order has it.
DELETED_ORDERS = (
    """
query ($first: Int!, $after: String, $query: String!) {
  events(first: $first, after: $after, query: $query, sortKey: CREATED_AT) {
    nodes { ... on BasicEvent { id: subjectId deletedAt: createdAt } }
    pageInfo { ...page }
  }
}
"""
    + _PAGE
)

CUSTOMERS = (
    """
query ($first: Int!, $after: String, $query: String!) {
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {
      id legacyResourceId firstName lastName displayName createdAt updatedAt state locale tags numberOfOrders
      amountSpent { amount currencyCode }
      defaultEmailAddress { emailAddress marketingState }
      defaultPhoneNumber { phoneNumber }
      defaultAddress { city province countryCodeV2 }
      {customer_fields}
    }
    pageInfo { ...page }
  }
}
"""
    + _PAGE
)

SCOPES = "query { currentAppInstallation { accessScopes { handle } } }"


def rest(kind: str, connection: str) -> str:
    """The document for the further items of a connection within a record of this type."""
    fragment, definitions = NESTED[connection]
    return (
        f"query ($id: ID!, $first: Int!, $after: String) {{ node(id: $id) {{ ... on {kind} {{ "
        f"{connection}(first: $first, after: $after) {{ nodes {{ ...{fragment} }} pageInfo {{ ...page }} }}"
        f" }} }} }}" + definitions
    )
