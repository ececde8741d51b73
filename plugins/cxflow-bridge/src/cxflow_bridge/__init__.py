"""The cxflow connectors `singer` and `airbyte`: programs in environments of their own that write JSON lines."""

from __future__ import annotations

from cxflow import Connector, hookimpl

from cxflow_bridge.airbyte import Airbyte
from cxflow_bridge.singer import Singer

__all__ = ["Airbyte", "Singer", "cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """One connector for each protocol."""
    return [Singer, Airbyte]
