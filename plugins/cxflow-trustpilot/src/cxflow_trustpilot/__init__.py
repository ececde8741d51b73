"""The cxflow connector `trustpilot`: reviews of a company and of its products, and the company's replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_trustpilot.service import TrustpilotService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_trustpilot.connector import Trustpilot

    return [Trustpilot]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., TrustpilotService]]:
    """The imitation of Trustpilot's API."""
    return {"trustpilot": _imitation}


def _imitation(**records: Any) -> TrustpilotService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_trustpilot.service import TrustpilotService

    return TrustpilotService(**records)
