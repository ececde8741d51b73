"""The cxflow connector `zendesk`: tickets, users, comments, satisfaction and Talk calls."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_zendesk.connector import Zendesk

__all__ = ["Zendesk", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Zendesk]
