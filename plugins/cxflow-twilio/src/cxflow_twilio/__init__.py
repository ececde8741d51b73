"""The cxflow connector `twilio`: voice calls, and the tasks of TaskRouter (Flex)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

    from cxflow_twilio.service import TwilioService

__all__ = ["cxflow_connectors", "cxflow_services"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_twilio.connector import Twilio

    return [Twilio]


@hookimpl
def cxflow_services() -> dict[str, Callable[..., TwilioService]]:
    """The imitation of Twilio's API."""
    return {"twilio": _imitation}


def _imitation(**records: Any) -> TwilioService:
    """Made when it is asked for: it needs the extra `sandbox`."""
    from cxflow_twilio.service import TwilioService

    return TwilioService(**records)
