"""`cxflow.toml` as one frozen tree, each field with its unit.

`load` is called by the command line and by Airflow tasks. Paths and database files are relative to the project's
folder. `${NAME}` in any text is replaced from the environment. Secrets are never written in the file:
`{ env = "NAME" }`, `{ file = "path" }` or `{ airflow = "conn_id" }` tells where to find one when it is needed.
"""

from __future__ import annotations

from cxflow.model.names import nearest
from cxflow.model.secret import Secret
from cxflow.settings.file import DEEPEST_TABLE, FILE_NAME, LARGEST_FILE_BYTES, load
from cxflow.settings.groups import (
    Airflow,
    Alerts,
    Connection,
    Identity,
    Kpis,
    Landing,
    Project,
    Quality,
    Report,
    Seeds,
    Sla,
    Target,
    Warehouse,
    Words,
)
from cxflow.settings.mistakes import explain
from cxflow.settings.tree import Settings

__all__ = [
    "DEEPEST_TABLE",
    "FILE_NAME",
    "LARGEST_FILE_BYTES",
    "Airflow",
    "Alerts",
    "Connection",
    "Identity",
    "Kpis",
    "Landing",
    "Project",
    "Quality",
    "Report",
    "Secret",
    "Seeds",
    "Settings",
    "Sla",
    "Target",
    "Warehouse",
    "Words",
    "explain",
    "load",
    "nearest",
]
