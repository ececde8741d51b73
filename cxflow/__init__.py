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
    from cxflow.connect import http
    from cxflow.connect.connector import Connector
    from cxflow.errors import (
        ConfigError,
        CxflowError,
        FatalError,
        SourceError,
        StaleCheckpointError,
        TransientError,
    )
    from cxflow.hookspecs import hookimpl
    from cxflow.kpis.estimators import Mean, Net, Rate, RepeatShare, Share
    from cxflow.kpis.facts import fact
    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.quantile import Quantile
    from cxflow.kpis.ratio import Ratio
    from cxflow.kpis.retained import Retained
    from cxflow.kpis.survival import SurvivalMedian
    from cxflow.kpis.totals import Total, Volume
    from cxflow.model.dataset import Dataset
    from cxflow.model.expectation import Expectation
    from cxflow.model.reading import (
        Checkpoint,
        Count,
        Cursor,
        Item,
        KnownUntil,
        Page,
        Query,
        Reading,
        Reject,
        Snapshot,
        pages,
    )
    from cxflow.model.secret import Secret
    from cxflow.model.stream import Policies, Projection, Stream
    from cxflow.model.text_model import Scores, TextModel, Texts
    from cxflow.model.window import Window
    from cxflow.settings import Connection, Settings
    from cxflow.warehouse.canonical import (
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
        survey_invitation,
        survey_response,
        touchpoint,
    )

    __version__: str

_HOMES = {
    "Call": "cxflow.cli.call",
    "Checkpoint": "cxflow.model.reading",
    "ConfigError": "cxflow.errors",
    "Connection": "cxflow.settings",
    "Connector": "cxflow.connect.connector",
    "Count": "cxflow.model.reading",
    "Cursor": "cxflow.model.reading",
    "CxflowError": "cxflow.errors",
    "Dataset": "cxflow.model.dataset",
    "Expectation": "cxflow.model.expectation",
    "FatalError": "cxflow.errors",
    "Item": "cxflow.model.reading",
    "KnownUntil": "cxflow.model.reading",
    "Kpi": "cxflow.kpis.kpi",
    "Mean": "cxflow.kpis.estimators",
    "Net": "cxflow.kpis.estimators",
    "Page": "cxflow.model.reading",
    "Policies": "cxflow.model.stream",
    "Projection": "cxflow.model.stream",
    "Quantile": "cxflow.kpis.quantile",
    "Query": "cxflow.model.reading",
    "Rate": "cxflow.kpis.estimators",
    "Ratio": "cxflow.kpis.ratio",
    "Reading": "cxflow.model.reading",
    "Reject": "cxflow.model.reading",
    "RepeatShare": "cxflow.kpis.estimators",
    "Retained": "cxflow.kpis.retained",
    "Scores": "cxflow.model.text_model",
    "Secret": "cxflow.model.secret",
    "Settings": "cxflow.settings",
    "Share": "cxflow.kpis.estimators",
    "Snapshot": "cxflow.model.reading",
    "SourceError": "cxflow.errors",
    "StaleCheckpointError": "cxflow.errors",
    "Stream": "cxflow.model.stream",
    "SurvivalMedian": "cxflow.kpis.survival",
    "TextModel": "cxflow.model.text_model",
    "Texts": "cxflow.model.text_model",
    "Total": "cxflow.kpis.totals",
    "TransientError": "cxflow.errors",
    "Volume": "cxflow.kpis.totals",
    "Window": "cxflow.model.window",
    "case_status_history": "cxflow.warehouse.canonical",
    "customer_profile": "cxflow.warehouse.canonical",
    "delivery": "cxflow.warehouse.canonical",
    "fact": "cxflow.kpis.facts",
    "hookimpl": "cxflow.hookspecs",
    "interaction": "cxflow.warehouse.canonical",
    "lead": "cxflow.warehouse.canonical",
    "opportunity": "cxflow.warehouse.canonical",
    "order_header": "cxflow.warehouse.canonical",
    "order_line": "cxflow.warehouse.canonical",
    "organisation": "cxflow.warehouse.canonical",
    "pages": "cxflow.model.reading",
    "payment": "cxflow.warehouse.canonical",
    "product": "cxflow.warehouse.canonical",
    "refund": "cxflow.warehouse.canonical",
    "review": "cxflow.warehouse.canonical",
    "signal": "cxflow.warehouse.canonical",
    "support_case": "cxflow.warehouse.canonical",
    "survey_invitation": "cxflow.warehouse.canonical",
    "survey_response": "cxflow.warehouse.canonical",
    "table": "cxflow.cli.output",
    "touchpoint": "cxflow.warehouse.canonical",
}

__all__ = [
    "Call",
    "Checkpoint",
    "ConfigError",
    "Connection",
    "Connector",
    "Count",
    "Cursor",
    "CxflowError",
    "Dataset",
    "Expectation",
    "FatalError",
    "Item",
    "KnownUntil",
    "Kpi",
    "Mean",
    "Net",
    "Page",
    "Policies",
    "Projection",
    "Quantile",
    "Query",
    "Rate",
    "Ratio",
    "Reading",
    "Reject",
    "RepeatShare",
    "Retained",
    "Scores",
    "Secret",
    "Settings",
    "Share",
    "Snapshot",
    "SourceError",
    "StaleCheckpointError",
    "Stream",
    "SurvivalMedian",
    "TextModel",
    "Texts",
    "Total",
    "TransientError",
    "Volume",
    "Window",
    "__version__",
    "case_status_history",
    "customer_profile",
    "delivery",
    "fact",
    "hookimpl",
    "http",
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
    "survey_invitation",
    "survey_response",
    "table",
    "touchpoint",
]


if not TYPE_CHECKING:  # which would take every name for one of ours, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return importlib.metadata.version("cxflow-framework")
        if name == "http":
            return importlib.import_module("cxflow.connect.http")
        if name not in _HOMES:
            raise AttributeError(f"module 'cxflow' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
