"""The cxflow connector `hubspot`: HubSpot's CRM objects, with their contacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_hubspot.service import HubSpotService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_hubspot.connector import HubSpot

    return [HubSpot]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., HubSpotService]]:
    """The imitation of HubSpot's API."""
    return {"hubspot": _imitation}


def _imitation(**records: Any) -> HubSpotService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_hubspot.service import HubSpotService

    return HubSpotService(**records)
