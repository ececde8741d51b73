"""cxflow: customer-experience data from every system into one touchpoint warehouse, and KPIs to trust.

The face: the names that plugin authors import. Each is loaded when it is first used, so that `import cxflow`
costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxflow.cli.call import Call
    from cxflow.cli.output import table
    from cxflow.connect.connector import Connector, Cursor, Sink
    from cxflow.connect.hookspecs import hookimpl
    from cxflow.errors import ConfigError, CxflowError, FatalError, RecordError, SourceError, TransientError
    from cxflow.kpis.estimators import Mean, Net, Quantile, Rate, RepeatShare, Retained, Share
    from cxflow.kpis.facts import fact
    from cxflow.kpis.kpi import Kpi
    from cxflow.model.expectation import Expectation
    from cxflow.model.stream import Policies, Projection, Stream
    from cxflow.model.window import Window
    from cxflow.settings import Connection, Secret, Settings

_HOMES = {
    "Call": "cxflow.cli.call",
    "ConfigError": "cxflow.errors",
    "Connection": "cxflow.settings",
    "Connector": "cxflow.connect.connector",
    "Cursor": "cxflow.connect.connector",
    "CxflowError": "cxflow.errors",
    "Expectation": "cxflow.model.expectation",
    "FatalError": "cxflow.errors",
    "Kpi": "cxflow.kpis.kpi",
    "Mean": "cxflow.kpis.estimators",
    "Net": "cxflow.kpis.estimators",
    "Quantile": "cxflow.kpis.estimators",
    "Rate": "cxflow.kpis.estimators",
    "RepeatShare": "cxflow.kpis.estimators",
    "Retained": "cxflow.kpis.estimators",
    "Share": "cxflow.kpis.estimators",
    "fact": "cxflow.kpis.facts",
    "Policies": "cxflow.model.stream",
    "Projection": "cxflow.model.stream",
    "RecordError": "cxflow.errors",
    "Secret": "cxflow.settings",
    "Settings": "cxflow.settings",
    "Sink": "cxflow.connect.connector",
    "SourceError": "cxflow.errors",
    "Stream": "cxflow.model.stream",
    "TransientError": "cxflow.errors",
    "Window": "cxflow.model.window",
    "hookimpl": "cxflow.connect.hookspecs",
    "table": "cxflow.cli.output",
}

__all__ = [
    "Call",
    "ConfigError",
    "Connection",
    "Connector",
    "Cursor",
    "CxflowError",
    "Expectation",
    "FatalError",
    "Kpi",
    "Mean",
    "Net",
    "Policies",
    "Projection",
    "Quantile",
    "Rate",
    "RecordError",
    "RepeatShare",
    "Retained",
    "Secret",
    "Settings",
    "Share",
    "Sink",
    "SourceError",
    "Stream",
    "TransientError",
    "Window",
    "fact",
    "hookimpl",
    "table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cxflow' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
