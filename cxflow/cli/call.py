"""One invocation of a command: its project, its output and its errors.

`command` turns a function that takes a `Call` into a typer command with the options that all commands share; they may
stand before the command or after it. Errors are reported here: no command prints one itself.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypedDict

import typer

from cxflow.cli import failures, logs, output_file
from cxflow.cli.output import Output
from cxflow.cli.typer_classes import Command
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from cxflow.settings import Settings

P = ParamSpec("P")

_PANEL = "For every command"
_PROJECT = typer.Option(
    "--project", metavar="PATH", help="The project folder.", rich_help_panel=_PANEL, show_default=False
)
_JSON = typer.Option(
    "--json", help="Print results as JSON on stdout, errors as JSON on stderr.", rich_help_panel=_PANEL
)
_QUIET = typer.Option(
    "--quiet", "-q", help="Print only errors and requested results.", rich_help_panel=_PANEL
)
_VERBOSE = typer.Option("--verbose", "-v", help="Log each step; show tracebacks.", rich_help_panel=_PANEL)

SHARED = {
    "project": (Annotated[Path | None, _PROJECT], None),
    "json": (Annotated[bool, _JSON], False),
    "quiet": (Annotated[bool, _QUIET], False),
    "verbose": (Annotated[bool, _VERBOSE], False),
}
"""The options that all commands share, with their defaults."""


_STOPPED = "{}: nothing is left half done; run it again to finish"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: the machine shuts down, or the container is stopped."""


def on_terminate(*_: object) -> None:
    """Signal handler: raise Terminated."""
    raise Terminated


class Shared(TypedDict):
    """The values of the shared options."""

    project: Path | None
    json: bool
    quiet: bool
    verbose: bool


@dataclass
class Call:
    """One invocation of a command: its project, its output and its errors."""

    project: Path | None
    """The folder that `--project` names."""
    out: Output
    verbose: bool = False
    """Whether steps are logged and tracebacks shown."""
    failed: list[Exception] = field(default_factory=list)
    """The errors reported so far."""
    program: Any = None
    """Typer's group of all commands."""

    @property
    def has_project(self) -> bool:
        """Whether `--project` names a project, or the current folder or one above it is one."""
        from cxflow.cli import project

        return self.project is not None or project.is_project(project.find(None))

    @cached_property
    def settings(self) -> Settings:
        """The project's settings. Raises ConfigError if there is no project or its settings are faulty."""
        from cxflow import settings as configuration
        from cxflow.cli import project

        return configuration.load(project.find(self.project))

    @property
    def plugins(self) -> Any:
        """The plugins of the project or, without a project, the installed ones."""
        from cxflow.connect import registry

        return registry.of_project(self.settings) if self.has_project else registry.plugins()

    def fail(self, problem: Exception) -> None:
        """Report an error and go on; the command then ends with the exit code of the worst one."""
        self.failed.append(problem)
        failures.report(self.out, problem, self.verbose)

    def writing(self, folder: Path) -> AbstractContextManager[None]:
        """Turn an OSError in the block into a TransientError (disk full) or ConfigError that names the folder."""
        return output_file.writing(folder, "name another folder")


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to the signature of a callback, where typer reads them."""
    own = [
        parameter
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items()
        if name != "context" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    return _declare(function, own, function)


def command(
    app: typer.Typer, name: str | None = None, **settings: Any
) -> Callable[[Callable[Concatenate[Call, P], None]], Callable[..., None]]:
    """Add a function of a `Call` and options to the app, as a command that also has the shared options."""

    def decorate(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
        body: Callable[..., None] = function

        def run(context: typer.Context, **values: Any) -> None:
            root = context.find_root()
            call = _call(root.obj or {}, {key: values.pop(key) for key in SHARED})
            call.program = root.command
            try:
                _check_text(values)
                body(call, **values)
            except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
                raise
            except Terminated:
                call.out.note(_STOPPED.format("terminated"))
                raise typer.Exit(failures.TERMINATED) from None
            except KeyboardInterrupt:
                call.out.note(_STOPPED.format("interrupted"))
                raise typer.Exit(failures.INTERRUPTED) from None
            except Exception as problem:
                call.fail(problem)
            if call.failed:
                raise typer.Exit(failures.exit_code(call.failed))

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        return app.command(name, cls=Command, **settings)(_declare(run, own, function))

    return decorate


def _check_text(values: Mapping[str, Any]) -> None:
    """Raise ConfigError for an argument that is not UTF-8: neither a database nor a terminal accepts it."""
    for value in values.values():
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str | Path):
                try:
                    str(each).encode()
                except UnicodeEncodeError:
                    raise ConfigError(f"the argument {str(each)!a} is not UTF-8") from None


def _call(before: dict[str, Any], after: dict[str, Any]) -> Call:
    """Build the call from the options before the command and those after it; the latter win."""
    merged = {key: after[key] or before.get(key) for key in SHARED}
    out = Output(json=bool(merged["json"]), quiet=bool(merged["quiet"]))
    logs.configure(verbose=bool(merged["verbose"]), as_json=out.json)
    return Call(merged["project"], out, bool(merged["verbose"]))


def _declare(
    run: Callable[..., None], own: list[inspect.Parameter], described: Callable[..., Any]
) -> Callable[..., None]:
    """Give `run` the signature from which typer reads the options: a context, `own` and the shared ones."""

    @functools.wraps(described)
    def declared(*arguments: Any, **values: Any) -> None:
        run(*arguments, **values)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        *(
            inspect.Parameter(name, keyword, default=default, annotation=annotation)
            for name, (annotation, default) in SHARED.items()
        ),
    ]
    declared.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    declared.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    # Typer would follow it to the original function, whose annotations differ.
    del declared.__wrapped__
    return declared
