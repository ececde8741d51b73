"""The cxflow connector `asterisk`: Asterisk's queue log and call detail records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxflow import hookimpl

if TYPE_CHECKING:
    from cxflow import Connector

__all__ = ["cxflow_connectors"]


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The one connector of this plugin; imported by the commands that open one."""
    from cxflow_asterisk.connector import Asterisk

    return [Asterisk]
