"""Finds plugins and opens connections. Nothing is loaded at import: `plugins()` does it, once per process."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pluggy
from pydantic import ValidationError

from cxflow import hookspecs
from cxflow.connect import commands, templates
from cxflow.connect.connector import Connector
from cxflow.errors import ConfigError
from cxflow.model.kpi import KpiDeclaration
from cxflow.model.service import ServiceDeclaration
from cxflow.model.text_model import SIGNALS, TextModel
from cxflow.settings import Settings, explain, nearest


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One loaded plugin, for `cxflow plugins`."""

    name: str
    """Of its entry point, or of the project's module."""
    distribution: str
    """The installed package that it comes with, or `(this project)`."""
    version: str
    """Of that package; empty for a module of the project."""
    hooks: tuple[str, ...]
    """The names of those that it implements."""


@functools.cache
def plugins(modules: tuple[str, ...] = (), folder: str | None = None) -> pluggy.PluginManager:
    """All plugins: those installed in the entry point group `cxflow`, then the project's own modules.

    `modules` are imported with the project's `folder` on the path. Raises ConfigError if a plugin cannot be loaded.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.load_setuptools_entrypoints(hookspecs.PROJECT)
    except Exception as problem:
        name = _broken()
        raise ConfigError(
            f"the plugin {name!r} cannot be loaded: {problem}",
            value=name,
            fix="`pip check` may show the cause",
        ) from problem
    if modules and folder and folder not in sys.path:
        sys.path.insert(0, folder)
    for name in modules:
        try:
            module = importlib.import_module(name)
            if not manager.is_registered(module):
                manager.register(module, name)
        except Exception as problem:
            raise ConfigError(
                f"the plugin module {name!r} cannot be loaded: {type(problem).__name__}: {problem}",
                value=name,
            ) from problem
    if misplaced := manager.hook.cxflow_commands.get_hookimpls():
        name = misplaced[0].plugin_name
        raise ConfigError(
            f"the plugin {name!r} has the hook cxflow_commands, which cxflow does not look for there",
            value=name,
            fix=f"move it to a separate module, in the entry point group {hookspecs.COMMANDS!r}",
        )
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as problem:
        raise ConfigError(
            f"a plugin has a hook that cxflow does not call: {problem}{_nearest_hook(str(problem))}"
        ) from problem
    return manager


def _broken() -> str:
    """The name of the installed plugin that cannot be loaded."""
    for entry in importlib.metadata.entry_points(group=hookspecs.PROJECT):
        try:
            entry.load()
        except Exception:
            return entry.name
    return "?"


def _nearest_hook(text: str) -> str:
    found = re.search(r"unknown hook '(\w+)'", text)
    return (
        nearest(found[1], [name for name in vars(hookspecs) if name.startswith("cxflow_")]) if found else ""
    )


def of_project(settings: Settings) -> pluggy.PluginManager:
    """The plugins of a project: the installed ones and its own modules."""
    return plugins(settings.plugins, str(settings.folder) if settings.plugins else None)


def plugin_infos(manager: pluggy.PluginManager) -> list[PluginInfo]:
    """Every plugin with its version and hooks, sorted by name, including those with commands."""
    by_plugin = {id(plugin): dist for plugin, dist in manager.list_plugin_distinfo()}
    infos = []
    for name, plugin in manager.list_name_plugin():
        dist = by_plugin.get(id(plugin))
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or []))
        infos.append(
            PluginInfo(
                name=name,
                distribution=dist.project_name if dist else "(this project)",
                version=dist.version if dist else "",
                hooks=hooks,
            )
        )
    found = {(info.name, info.distribution): info for info in infos}
    for each in commands.plugins():
        if each.problem is None:
            of = (each.name, each.distribution)
            hooks = found[of].hooks if of in found else ()
            found[of] = PluginInfo(*of, each.version, ("cxflow_commands", *hooks))
    return sorted(found.values(), key=lambda info: info.name)


def connector(manager: pluggy.PluginManager, name: str) -> type[Connector] | None:
    """The connector of a name, if there is one. That of the plugin of the same name is taken without asking the others:
    a project of files imports no vendor's connector. Raises what `connectors` raises."""
    own = (each for each in manager.hook.cxflow_connectors.get_hookimpls() if each.plugin_name == name)
    found = _by_name(each.function() for each in own)
    return found[name] if name in found else connectors(manager).get(name)


def connectors(manager: pluggy.PluginManager) -> dict[str, type[Connector]]:
    """Connector classes by name. Raises ConfigError for an invalid one, and if two plugins claim the same name."""
    return _by_name(manager.hook.cxflow_connectors())


def _by_name(brought_by_plugins: Iterable[Any]) -> dict[str, type[Connector]]:
    found: dict[str, type[Connector]] = {}
    for brought in brought_by_plugins:
        for connector in brought:
            if not (isinstance(connector, type) and issubclass(connector, Connector)):
                raise ConfigError(
                    f"a plugin provides {connector!r} as a connector, which is not a Connector class"
                )
            if not isinstance(getattr(connector, "name", None), str):
                raise ConfigError(
                    f"the connector {connector.__qualname__} of {connector.distribution} has no name",
                    fix='name: ClassVar[str] = "…"',
                )
            if found.setdefault(connector.name, connector) is not connector:
                raise ConfigError(
                    f"two plugins provide a connector {connector.name!r}: "
                    f"{found[connector.name].distribution} and {connector.distribution}",
                    value=connector.name,
                    fix="uninstall one of them",
                )
    return dict(sorted(found.items()))


def kpis(manager: pluggy.PluginManager) -> dict[str, KpiDeclaration]:
    """KPIs by name. Raises ConfigError if two plugins claim the same name."""
    found: dict[str, KpiDeclaration] = {}
    for brought in manager.hook.cxflow_kpis():
        for kpi in brought:
            if found.setdefault(kpi.name, kpi) is not kpi:
                raise ConfigError(f"two plugins provide a KPI {kpi.name!r}", value=kpi.name)
    return dict(sorted(found.items()))


class BroughtModel(NamedTuple):
    """A model of texts, and the plugin that brings it."""

    model: TextModel
    plugin: str


def text_models(manager: pluggy.PluginManager, settings: Settings) -> dict[str, BroughtModel]:
    """Models of texts by name, made for a project.

    Raises ConfigError for what is no model, and if two plugins claim the same name.
    """
    found: dict[str, BroughtModel] = {}
    for hook in manager.hook.cxflow_text_models.get_hookimpls():  # each by itself, to name it
        brought: Any = hook.function(**dict.fromkeys(hook.argnames, settings))
        for model in brought:
            if not isinstance(model, TextModel) or model.signal not in SIGNALS:
                raise ConfigError(
                    f"the plugin {hook.plugin_name!r} provides {model!r} as a model of texts, which is none",
                    value=hook.plugin_name,
                    fix=f"cxflow.TextModel(name, version, signal, score); its signal is one of {', '.join(SIGNALS)}",
                )
            other = found.setdefault(model.name, BroughtModel(model, hook.plugin_name))
            if other.model is not model:
                raise ConfigError(
                    f"two plugins provide a model of texts {model.name!r}: {other.plugin} and {hook.plugin_name}",
                    value=model.name,
                    fix="uninstall one of them",
                )
    return dict(sorted(found.items()))


def services(manager: pluggy.PluginManager) -> dict[str, Callable[..., ServiceDeclaration]]:
    """What makes each imitation of a vendor's API, by name. Raises ConfigError if two plugins claim the same name."""
    found: dict[str, Callable[..., ServiceDeclaration]] = {}
    for brought in manager.hook.cxflow_services():
        for name, make in brought.items():
            if found.setdefault(name, make) is not make:
                raise ConfigError(f"two plugins provide a service {name!r}", value=name)
    return dict(sorted(found.items()))


def open_connection(settings: Settings, name: str, *, offline: bool = False) -> Connector:
    """The connector of a configured connection, with its settings checked.

    Texts of its account that are found elsewhere are looked up, unless `offline`: such a connector tells what it
    declares, and cannot ask its source. Raises ConfigError with the connection, the setting and the nearest valid name.
    """
    if name not in settings.connections:
        raise ConfigError(f"there is no connection {name!r}{nearest(name, settings.connections)}", value=name)
    settings.require_variables(name)
    for template in templates.of_connection(settings, name):
        settings.require_variables(template, kind="templates")
    table = settings.connections[name]
    if "name" in table:
        raise ConfigError(
            f"connections.{name}.name: unknown setting; the table's name is the connection's", connection=name
        )
    if "connector" not in table:
        raise ConfigError(f"connections.{name}.connector: this setting is required", connection=name)
    kind = str(table["connector"])
    found = connector(of_project(settings), kind)
    if found is None:
        known = connectors(of_project(settings))
        raise ConfigError(
            f"there is no connector {kind!r}{nearest(kind, known)}",
            connection=name,
            value=kind,
            fix=f"installed: {', '.join(known)}",
        )
    try:
        connection = found.connection_model.model_validate(
            {**table, "name": name}, context={"folder": settings.folder, "offline": offline}
        )
    except ValidationError as problem:
        text = explain(problem, found.connection_model, f"connections.{name}")
        raise ConfigError(text, connection=name) from problem
    return found(settings, connection)
