"""The cxflow connector `trustpilot`: reviews of a company and of its products, and the company's replies."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_trustpilot.connector import Trustpilot

__all__ = ["Trustpilot", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Trustpilot]
