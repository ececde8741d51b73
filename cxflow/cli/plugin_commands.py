"""The group of all commands, with those that plugins bring.

Plugins are loaded when help is asked for, or a command that cxflow itself does not have: no other command is slower for
them, or fails with them.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from cxflow.cli import failures
from cxflow.cli.call import command
from cxflow.cli.output import Output
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from cxflow.connect.commands import CommandFunction, CommandPlugin

_PANEL = "Added by plugins"


class Commands(TyperGroup):
    """The commands of cxflow itself; then, once somebody asks for them, those of plugins."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._problems: list[ConfigError] | None = None

    def load_plugins(self) -> list[ConfigError]:
        """Add the commands of plugins, the first time. Returns what is wrong with some of them."""
        if self._problems is None:
            found, self._problems = brought(self.commands)
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
        """The command that was typed. Where there is none, plugins may be to blame."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            problems = self.load_plugins()
            to_blame = [problem for problem in problems if problem.value == args[0]]
            _tell(ctx, to_blame or problems)
            if to_blame:
                raise typer.Exit(failures.exit_code(to_blame))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help, with the commands of plugins; then what is wrong with some of them, on stderr."""
        super().format_help(ctx, formatter)
        _tell(ctx, self.load_plugins())


def brought(taken: Collection[str]) -> tuple[dict[str, Any], list[ConfigError]]:
    """The commands of plugins by name, and what is wrong with the others. Those `taken` are cxflow's own."""
    from cxflow.connect import commands

    problems: list[ConfigError] = []
    by_name: defaultdict[str, list[tuple[CommandPlugin, Any]]] = defaultdict(list)
    for plugin in commands.plugins():
        if plugin.problem is not None:
            problems.append(plugin.problem)
        for function in plugin.functions:
            try:
                made = _made(function)
            except Exception as problem:
                problems.append(_unusable(plugin, function, problem))
            else:
                by_name[made.name].append((plugin, made))
    found = {}
    for name, claims in by_name.items():
        owners = [plugin.distribution for plugin, _ in claims]
        if name in taken:
            says = f"{' and '.join(owners)} brings a command {name!r}, which cxflow itself has"
        elif len(claims) > 1:
            says = f"the command {name!r} is brought twice, by {' and '.join(owners)}"
        else:
            found[name] = claims[0][1]
            continue
        problems.append(ConfigError(says, value=name, fix=f"uninstall {owners[-1]}"))
    return found, problems


def _made(function: CommandFunction) -> Any:
    """The command of a plugin's function. Raises what typer and `inspect` raise where it cannot be one."""
    if not inspect.signature(function).parameters:
        raise TypeError("its first parameter must be a cxflow.Call")
    alone = typer.Typer(add_completion=False)
    command(alone, rich_help_panel=_PANEL)(function)
    return typer.main.get_command(alone)


def _unusable(plugin: CommandPlugin, function: CommandFunction, problem: Exception) -> ConfigError:
    name = function.__name__
    return ConfigError(
        f"the command {name!r} of the plugin {plugin.name!r} cannot be used: {type(problem).__name__}: {problem}",
        value=name,
        fix=f"fix or uninstall {plugin.distribution}",
    )


def _tell(ctx: Any, problems: Sequence[ConfigError]) -> None:
    """Report problems as a command would."""
    out = Output(json=bool(ctx.params.get("json")))
    for problem in problems:
        failures.report(out, problem, verbose=bool(ctx.params.get("verbose")))
