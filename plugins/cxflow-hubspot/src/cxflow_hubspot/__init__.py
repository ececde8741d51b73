"""The cxflow connector `hubspot`: HubSpot's CRM objects, with their contacts."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_hubspot.connector import HubSpot

__all__ = ["HubSpot", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [HubSpot]
