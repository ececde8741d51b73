"""The cxflow connector `shopify`: orders with their lines, refunds and deliveries, and customers."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_shopify.connector import Shopify

__all__ = ["Shopify", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Shopify]
