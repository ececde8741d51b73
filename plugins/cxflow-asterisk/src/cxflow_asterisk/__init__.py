"""The cxflow connector `asterisk`: Asterisk's queue log and call detail records."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_asterisk.connector import Asterisk

__all__ = ["Asterisk", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Asterisk]
