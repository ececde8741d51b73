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

_ORDER = """
      id legacyResourceId name createdAt processedAt updatedAt cancelledAt cancelReason closedAt test
      sourceName displayFinancialStatus displayFulfillmentStatus email phone tags
      customer { id }
      totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
      currentTotalPriceSet { ...money } totalDiscountsSet { ...money } totalTaxSet { ...money }
      totalRefundedSet { ...money }
      fulfillments {
        id createdAt status displayStatus estimatedDeliveryAt deliveredAt trackingInfo { company }
      }
      {order_fields}
"""
_CUSTOMER = """
      id legacyResourceId firstName lastName displayName createdAt updatedAt state locale tags numberOfOrders
      amountSpent { amount currencyCode }
      defaultEmailAddress { emailAddress marketingState }
      defaultPhoneNumber { phoneNumber }
      defaultAddress { city province countryCodeV2 }
      {customer_fields}
"""

ORDERS = (
    """
query ($first: Int!, $after: String, $query: String!, $lines: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes {"""
    + _ORDER
    + """
      lineItems(first: $lines) { nodes { ...line } pageInfo { ...page } }
      refunds {
        id createdAt totalRefundedSet { ...money }
        refundLineItems(first: $lines) { nodes { ...refundLine } pageInfo { ...page } }
      }
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
    nodes {"""
    + _CUSTOMER
    + """
    }
    pageInfo { ...page }
  }
}
"""
    + _PAGE
)

SCOPES = "query { currentAppInstallation { accessScopes { handle } } }"

RUN_BULK = """
mutation ($query: String!) {
  bulkOperationRunQuery(query: $query) { bulkOperation { id status } userErrors { field message code } }
}
"""
BULK_STATE = """
query ($id: ID!) { bulkOperation(id: $id) { id status errorCode objectCount url } }
"""


def bulk(stream: str, search: str) -> str:
    """The document of a bulk operation: all that a search finds, with what a page of it has, in one file.

    Its connections are not paged, and their items come as lines of their own. One within a list is refused:
    the items of refunds.
    """
    fields = {
        "orders": _ORDER
        + """
      lineItems { edges { node { ...line } } }
      refunds { id createdAt totalRefundedSet { ...money } }
""",
        "customers": _CUSTOMER,
    }[stream]
    for name, fragment in (("line", _LINE), ("money", _MONEY)):
        fields = fields.replace(
            f"...{name}", fragment[fragment.index("{") + 1 : fragment.rindex("}")].strip()
        )
    return f'{{ {stream}(query: "{search}") {{ edges {{ node {{{fields}}} }} }} }}'


def rest(kind: str, connection: str) -> str:
    """The document for the further items of a connection within a record of this type."""
    fragment, definitions = NESTED[connection]
    return (
        f"query ($id: ID!, $first: Int!, $after: String) {{ node(id: $id) {{ ... on {kind} {{ "
        f"{connection}(first: $first, after: $after) {{ nodes {{ ...{fragment} }} pageInfo {{ ...page }} }}"
        f" }} }} }}" + definitions
    )
