"""The complete plugin contract. A plugin is a module (or object) with some of these hooks, found by its entry point in
the group `cxflow`, or listed in `plugins` of `cxflow.toml`; a module with commands, by its entry point in the group
`cxflow.commands`. Called only by `registry` and `commands`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cxflow.model.connector import ConnectorDeclaration
    from cxflow.model.kpi import KpiDeclaration
    from cxflow.model.service import ServiceDeclaration
    from cxflow.model.text_model import TextModel
    from cxflow.settings import Settings

PROJECT = "cxflow"
"""The group of entry points, and pluggy's name for the hooks."""
COMMANDS = "cxflow.commands"
"""The group of modules with commands: separate, so that `cxflow --help` loads no connector."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cxflow_connectors() -> Iterable[type[ConnectorDeclaration]]:  # type: ignore[empty-body]
    """The connector classes of this plugin."""


@hookspec
def cxflow_kpis() -> Iterable[KpiDeclaration]:  # type: ignore[empty-body]
    """The KPIs of this plugin."""


@hookspec
def cxflow_text_models(settings: Settings) -> Iterable[TextModel]:  # type: ignore[empty-body]
    """The models of texts of this plugin: of languages, sentiments or topics."""


@hookspec
def cxflow_services() -> Mapping[str, Callable[..., ServiceDeclaration]]:  # type: ignore[empty-body]
    """The imitations of vendors' APIs, by name: functions of the records, which import an imitation when called."""


@hookspec
def cxflow_commands() -> Iterable[Callable[..., None]]:  # type: ignore[empty-body]
    """The commands of this plugin: functions of a `cxflow.Call` and of typer's arguments and options."""
