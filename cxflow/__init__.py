"""cxflow: customer-experience data from every system into one touchpoint warehouse, and KPIs to trust.

The face: the names that plugin authors import. Each is loaded when it is first used, so that `import cxflow`
costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxflow.cli.call import Call
    from cxflow.cli.output import table
    from cxflow.connect.connector import Connector
    from cxflow.connect.hookspecs import hookimpl
    from cxflow.errors import ConfigError, CxflowError, FatalError, SourceError, TransientError
    from cxflow.kpis.estimators import Mean, Net, Quantile, Rate, RepeatShare, Retained, Share
    from cxflow.kpis.facts import fact
    from cxflow.kpis.kpi import Kpi
    from cxflow.model.expectation import Expectation
    from cxflow.model.reading import Count, Cursor, Item, Page, Query, Reading, Reject, pages
    from cxflow.model.stream import Policies, Projection, Stream
    from cxflow.model.window import Window
    from cxflow.settings import Connection, Secret, Settings
    from cxflow.store.canonical import (
        case_status_history,
        customer_profile,
        delivery,
        interaction,
        lead,
        opportunity,
        order_header,
        order_line,
        organisation,
        payment,
        product,
        refund,
        review,
        signal,
        support_case,
        survey_response,
        touchpoint,
    )

    __version__: str

_HOMES = {
    "Call": "cxflow.cli.call",
    "ConfigError": "cxflow.errors",
    "Connection": "cxflow.settings",
    "Connector": "cxflow.connect.connector",
    "Count": "cxflow.model.reading",
    "Cursor": "cxflow.model.reading",
    "CxflowError": "cxflow.errors",
    "Expectation": "cxflow.model.expectation",
    "FatalError": "cxflow.errors",
    "Item": "cxflow.model.reading",
    "Kpi": "cxflow.kpis.kpi",
    "Mean": "cxflow.kpis.estimators",
    "Net": "cxflow.kpis.estimators",
    "Page": "cxflow.model.reading",
    "Policies": "cxflow.model.stream",
    "Projection": "cxflow.model.stream",
    "Quantile": "cxflow.kpis.estimators",
    "Query": "cxflow.model.reading",
    "Rate": "cxflow.kpis.estimators",
    "Reading": "cxflow.model.reading",
    "Reject": "cxflow.model.reading",
    "RepeatShare": "cxflow.kpis.estimators",
    "Retained": "cxflow.kpis.estimators",
    "Secret": "cxflow.settings",
    "Settings": "cxflow.settings",
    "Share": "cxflow.kpis.estimators",
    "SourceError": "cxflow.errors",
    "Stream": "cxflow.model.stream",
    "TransientError": "cxflow.errors",
    "Window": "cxflow.model.window",
    "case_status_history": "cxflow.store.canonical",
    "customer_profile": "cxflow.store.canonical",
    "delivery": "cxflow.store.canonical",
    "fact": "cxflow.kpis.facts",
    "hookimpl": "cxflow.connect.hookspecs",
    "interaction": "cxflow.store.canonical",
    "lead": "cxflow.store.canonical",
    "opportunity": "cxflow.store.canonical",
    "order_header": "cxflow.store.canonical",
    "order_line": "cxflow.store.canonical",
    "organisation": "cxflow.store.canonical",
    "pages": "cxflow.model.reading",
    "payment": "cxflow.store.canonical",
    "product": "cxflow.store.canonical",
    "refund": "cxflow.store.canonical",
    "review": "cxflow.store.canonical",
    "signal": "cxflow.store.canonical",
    "support_case": "cxflow.store.canonical",
    "survey_response": "cxflow.store.canonical",
    "table": "cxflow.cli.output",
    "touchpoint": "cxflow.store.canonical",
}

__all__ = [
    "Call",
    "ConfigError",
    "Connection",
    "Connector",
    "Count",
    "Cursor",
    "CxflowError",
    "Expectation",
    "FatalError",
    "Item",
    "Kpi",
    "Mean",
    "Net",
    "Page",
    "Policies",
    "Projection",
    "Quantile",
    "Query",
    "Rate",
    "Reading",
    "Reject",
    "RepeatShare",
    "Retained",
    "Secret",
    "Settings",
    "Share",
    "SourceError",
    "Stream",
    "TransientError",
    "Window",
    "__version__",
    "case_status_history",
    "customer_profile",
    "delivery",
    "fact",
    "hookimpl",
    "interaction",
    "lead",
    "opportunity",
    "order_header",
    "order_line",
    "organisation",
    "pages",
    "payment",
    "product",
    "refund",
    "review",
    "signal",
    "support_case",
    "survey_response",
    "table",
    "touchpoint",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("cxflow-framework")
    if name not in _HOMES:
        raise AttributeError(f"module 'cxflow' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
