"""The built-in connector `sql`, and the hook that registers it."""

from cxflow.connect.sql.connector import Sql, cxflow_connectors

__all__ = ["Sql", "cxflow_connectors"]
