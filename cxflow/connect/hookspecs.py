"""The plugin contract, whole. A plugin is a module (or object) with some of these hooks, found by its entry
point in the group `cxflow`, or named in `plugins` of `cxflow.toml`. Called by `registry` alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cxflow.connect.connector import Connector
    from cxflow.model.kpi import KpiDeclaration

PROJECT = "cxflow"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cxflow_connectors() -> Iterable[type[Connector]]:  # type: ignore[empty-body]
    """The connector classes that this plugin brings."""


@hookspec
def cxflow_kpis() -> Iterable[KpiDeclaration]:  # type: ignore[empty-body]
    """The KPIs that this plugin brings."""
