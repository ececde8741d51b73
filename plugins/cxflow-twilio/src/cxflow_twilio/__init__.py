"""The cxflow connector `twilio`: voice calls, and the tasks of TaskRouter (Flex)."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_twilio.connector import Twilio

__all__ = ["Twilio", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin."""
    return [Twilio]
