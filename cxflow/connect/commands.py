"""Finds the commands that plugins bring. The command line calls it where its own commands do not answer.

They have an entry point group of their own, so that `cxflow --help` imports no connector. Each plugin is loaded by
itself: a broken one takes no other down.
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
"""What a plugin brings: see the hook."""


@dataclass(frozen=True, slots=True)
class CommandPlugin:
    """A plugin that brings commands, or says why it cannot."""

    name: str
    """Of its entry point."""
    distribution: str
    """The installed package that it comes with."""
    version: str
    """Of that package."""
    functions: tuple[CommandFunction, ...] = ()
    """What its hook gave; each becomes a command."""
    problem: ConfigError | None = None
    """Set where it could not be loaded; it then brings nothing."""


@functools.cache
def plugins() -> tuple[CommandPlugin, ...]:
    """All that are installed, by name; loaded once a process."""
    entries = importlib.metadata.entry_points(group=hookspecs.COMMANDS)
    return tuple(_load(entry) for entry in sorted(entries, key=lambda entry: entry.name))


def _load(entry: importlib.metadata.EntryPoint) -> CommandPlugin:
    home = entry.dist
    origin = (entry.name, home.name if home else "", home.version if home else "")
    try:
        return CommandPlugin(*origin, functions=_functions(entry))
    except (Exception, SystemExit) as problem:
        said = problem.message if isinstance(problem, ConfigError) else f"{type(problem).__name__}: {problem}"
        broken = ConfigError(
            f"the commands of the plugin {entry.name!r} cannot be loaded: {said}",
            value=entry.name,
            fix=f"fix or uninstall {origin[1] or entry.value}",
        )
        broken.__cause__ = problem
        return CommandPlugin(*origin, problem=broken)


def _functions(entry: importlib.metadata.EntryPoint) -> tuple[CommandFunction, ...]:
    """What the plugin's hook gives. Raises whatever a faulty plugin raises."""
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
            f"{entry.value} has the hook {min(others)}, which is looked for in the entry point group "
            f"{hookspecs.PROJECT!r}, in another module"
        )
    found = tuple(function for brought in manager.hook.cxflow_commands() for function in brought)
    for function in found:
        if not hasattr(function, "__name__") or not callable(function):
            raise ConfigError(f"{function!r} is no function")
    return found
