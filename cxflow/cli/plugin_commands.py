"""The group of all commands, including those of plugins.

Plugins are loaded only for help and for a command that is not built in, so they neither slow down nor break the other
commands.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import typer

from cxflow.cli import failures
from cxflow.cli.call import command
from cxflow.cli.output import Output
from cxflow.cli.typer_classes import Group
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from cxflow.connect.commands import CommandFunction, CommandPlugin

_PANEL = "Added by plugins"


class Commands(Group):
    """The built-in commands and, once they are needed, those of plugins."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._problems: list[ConfigError] | None = None

    def load_plugins(self) -> list[ConfigError]:
        """Add the commands of plugins, once. Returns the errors of those that cannot be used."""
        if self._problems is None:
            found, self._problems = discover(self.commands)
            self.commands.update(found)
        return self._problems

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        self.load_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or None."""
        if cmd_name not in self.commands:
            self.load_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was typed. If there is none, a faulty plugin may be the cause."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            problems = self.load_plugins()
            causes = [problem for problem in problems if problem.value == args[0]]
            _report(ctx, causes or problems)
            if causes:
                raise typer.Exit(failures.exit_code(causes))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help, including the commands of plugins; then the errors of plugins, on stderr."""
        super().format_help(ctx, formatter)
        _report(ctx, self.load_plugins())


def discover(reserved: Collection[str]) -> tuple[dict[str, Any], list[ConfigError]]:
    """The commands of plugins by name, and the errors of those that cannot be used. `reserved`: built-in names."""
    from cxflow.connect import commands

    problems: list[ConfigError] = []
    by_name: defaultdict[str, list[tuple[CommandPlugin, Any]]] = defaultdict(list)
    for plugin in commands.plugins():
        if plugin.problem is not None:
            problems.append(plugin.problem)
        for function in plugin.functions:
            try:
                built = _command(function)
            except Exception as problem:
                problems.append(_unusable(plugin, function, problem))
            else:
                by_name[built.name].append((plugin, built))
    found = {}
    for name, claims in by_name.items():
        owners = [plugin.distribution for plugin, _ in claims]
        if name in reserved:
            message = f"{' and '.join(owners)} adds a command {name!r}, which is built in"
        elif len(claims) > 1:
            message = f"the command {name!r} is added twice, by {' and '.join(owners)}"
        else:
            found[name] = claims[0][1]
            continue
        problems.append(ConfigError(message, value=name, fix=f"uninstall {owners[-1]}"))
    return found, problems


def _command(function: CommandFunction) -> Any:
    """Build a command from a plugin's function. Raises what typer and `inspect` raise if that is impossible."""
    if not inspect.signature(function).parameters:
        raise TypeError("its first parameter must be a cxflow.Call")
    app = typer.Typer(add_completion=False)
    command(app, rich_help_panel=_PANEL)(function)
    return typer.main.get_command(app)


def _unusable(plugin: CommandPlugin, function: CommandFunction, problem: Exception) -> ConfigError:
    name = function.__name__
    return ConfigError(
        f"the command {name!r} of the plugin {plugin.name!r} cannot be used: {type(problem).__name__}: {problem}",
        value=name,
        fix=f"fix or uninstall {plugin.distribution}",
    )


def _report(ctx: Any, problems: Sequence[ConfigError]) -> None:
    """Report errors as a command does."""
    out = Output(json=bool(ctx.params.get("json")))
    for problem in problems:
        failures.report(out, problem, verbose=bool(ctx.params.get("verbose")))
