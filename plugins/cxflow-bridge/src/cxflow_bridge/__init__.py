"""The cxflow connectors `singer` and `airbyte`: programs in environments of their own that write JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """One connector for each protocol. Imported here: the command's module is imported to show cxflow's help."""
    from cxflow_bridge.airbyte import Airbyte
    from cxflow_bridge.singer import Singer

    return [Singer, Airbyte]
