"""The built-in connector `sql`, and the hook that registers it."""

from __future__ import annotations

from cxflow.connect.connector import Connector
from cxflow.hookspecs import hookimpl


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The connector for SQL databases."""
    from cxflow.connect.sql.connector import Sql

    return [Sql]
