"""The cxflow connector `zendesk`: tickets, users, comments, satisfaction and Talk calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_zendesk.service import ZendeskService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_zendesk.connector import Zendesk

    return [Zendesk]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., ZendeskService]]:
    """The imitation of Zendesk's API."""
    return {"zendesk": _imitation}


def _imitation(**records: Any) -> ZendeskService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_zendesk.service import ZendeskService

    return ZendeskService(**records)
