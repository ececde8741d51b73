"""The plugin contract, whole. A plugin is a module (or object) with some of these hooks, found by its entry
point in the group `cxflow`, or named in `plugins` of `cxflow.toml`; a module with commands, by its entry point in the
group `cxflow.commands`. Called by `registry` and `commands` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cxflow.model.connector import ConnectorDeclaration
    from cxflow.model.kpi import KpiDeclaration

PROJECT = "cxflow"
"""The group of entry points, and the name that pluggy knows the hooks by."""
COMMANDS = "cxflow.commands"
"""The group of modules with commands: apart, so that `cxflow --help` loads no connector."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cxflow_connectors() -> Iterable[type[ConnectorDeclaration]]:  # type: ignore[empty-body]
    """The connector classes that this plugin brings."""


@hookspec
def cxflow_kpis() -> Iterable[KpiDeclaration]:  # type: ignore[empty-body]
    """The KPIs that this plugin brings."""


@hookspec
def cxflow_commands() -> Iterable[Callable[..., None]]:  # type: ignore[empty-body]
    """The commands that this plugin adds to `cxflow`: functions of a `cxflow.Call` and of typer's options."""
