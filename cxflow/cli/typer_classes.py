"""Typer's commands, with two habits changed: a flag shows no type, and `--json` holds for a wrong command line, too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cxflow.cli.output import Output

USAGE = 2
"""The exit code of a wrong command line."""


class _PlainFlags:
    """`--list`, not `--list <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters for the help, flags without a type."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for each in found:
            if getattr(each, "is_flag", False) and each.metavar is None:
                each.metavar = ""
        return found


class Command(_PlainFlags, TyperCommand):
    """A command whose flags are plain."""


class Group(_PlainFlags, TyperGroup):
    """A group of commands that tells a wrong command line as the caller wants to read it."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **more: Any,
    ) -> Any:
        """Run the command line."""
        words = sys.argv[1:] if args is None else args
        if not standalone_mode or "--json" not in words:
            return super().main(args, prog_name, complete_var, standalone_mode, windows_expand_args, **more)
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **more)
        except typer.TyperException as problem:
            said = {"error": "UsageError", "message": problem.format_message(), "exit_code": USAGE}
            Output(json=True).error_line(said)
            code = USAGE
        sys.exit(code or 0)
