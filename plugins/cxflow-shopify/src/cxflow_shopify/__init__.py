"""The cxflow connector `shopify`: orders with their lines, refunds and deliveries, and customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_shopify.service import ShopifyService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_shopify.connector import Shopify

    return [Shopify]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., ShopifyService]]:
    """The imitation of Shopify's API."""
    return {"shopify": _imitation}


def _imitation(**records: Any) -> ShopifyService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_shopify.service import ShopifyService

    return ShopifyService(**records)
