"""The built-in connector `files`: exports and drop folders, declared in `cxflow.toml` without Python."""

from __future__ import annotations

from cxflow.connect.connector import Connector
from cxflow.hookspecs import hookimpl


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The connector for files."""
    from cxflow.connect.files.connector import Files

    return [Files]
