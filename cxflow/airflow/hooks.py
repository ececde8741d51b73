"""The hook classes that Airflow wants of connection types. One per type, made when it is asked for.

They open nothing: what is in the connection is read by `connections`, where `cxflow.toml` says
`{ airflow = "conn_id" }`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from cxflow.airflow import forms


class ConnectionHook(BaseHook):
    """What Airflow knows of one of cxflow's connection types."""

    conn_name_attr = "cxflow_conn_id"
    conn_type = ""
    hook_name = ""

    def get_conn(self) -> Any:
        """There is nothing to open. Raises NotImplementedError."""
        raise NotImplementedError(
            "a cxflow connection holds settings for cxflow.toml; its connector opens the service"
        )


def __getattr__(name: str) -> Any:
    """The hook class of the connector of this name."""
    for kind in forms.installed():
        if kind["hook-class-name"] == f"{__name__}.{name}":
            own = {
                "conn_type": kind["connection-type"],
                "default_conn_name": f"{kind['connection-type']}_default",
                "hook_name": kind["hook-name"],
                "__module__": __name__,
            }
            made = globals()[name] = type(name, (ConnectionHook,), own)
            return made
    raise AttributeError(name)
