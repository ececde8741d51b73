"""Finds the commands of plugins. The command line calls it for commands it does not know itself.

They have a separate entry point group, so that `cxflow --help` imports no connector. Plugins load independently: a
broken one does not affect the others.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import pluggy

from cxflow import hookspecs
from cxflow.errors import ConfigError

_HOOK = "cxflow_commands"

CommandFunction = Callable[..., None]
"""A command of a plugin: see the hook `cxflow_commands`."""


@dataclass(frozen=True, slots=True)
class CommandPlugin:
    """A plugin with commands, or the reason why it cannot be loaded."""

    name: str
    """The name of its entry point."""
    distribution: str
    """The installed package that it comes with."""
    version: str
    """Of that package."""
    functions: tuple[CommandFunction, ...] = ()
    """What its hook gave; each becomes a command."""
    problem: ConfigError | None = None
    """Set if it could not be loaded; it then has no functions."""


@functools.cache
def plugins() -> tuple[CommandPlugin, ...]:
    """All installed plugins with commands, sorted by name; loaded once per process."""
    entries = importlib.metadata.entry_points(group=hookspecs.COMMANDS)
    return tuple(_load(entry) for entry in sorted(entries, key=lambda entry: entry.name))


def _load(entry: importlib.metadata.EntryPoint) -> CommandPlugin:
    home = entry.dist
    origin = (entry.name, home.name if home else "", home.version if home else "")
    try:
        return CommandPlugin(*origin, functions=_functions(entry))
    except (Exception, SystemExit) as problem:
        reason = (
            problem.message if isinstance(problem, ConfigError) else f"{type(problem).__name__}: {problem}"
        )
        broken = ConfigError(
            f"the commands of the plugin {entry.name!r} cannot be loaded: {reason}",
            value=entry.name,
            fix=f"fix or uninstall {origin[1] or entry.value}",
        )
        broken.__cause__ = problem
        return CommandPlugin(*origin, problem=broken)


def _functions(entry: importlib.metadata.EntryPoint) -> tuple[CommandFunction, ...]:
    """The functions that the plugin's hook returns. Raises whatever a faulty plugin raises."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    module = entry.load()
    manager.register(module, entry.name)
    manager.check_pending()
    hooks = {caller.name for caller in manager.get_hookcallers(module) or ()}
    if _HOOK not in hooks:
        raise ConfigError(f"{entry.value} has no hook {_HOOK}")
    if others := hooks - {_HOOK}:
        raise ConfigError(
            f"{entry.value} has the hook {min(others)}, which belongs in another module, in the entry point group "
            f"{hookspecs.PROJECT!r}"
        )
    found = tuple(function for brought in manager.hook.cxflow_commands() for function in brought)
    for function in found:
        if not hasattr(function, "__name__") or not callable(function):
            raise ConfigError(f"{function!r} is not a function")
    return found
