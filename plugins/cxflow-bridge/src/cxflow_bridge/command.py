"""The command `cxflow bridge`: makes the environments of bridged programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer
from cxflow import Call, hookimpl


def bridge(
    call: Call,
    action: Annotated[Literal["install"], typer.Argument(help="install")],  # noqa: ARG001
    packages: Annotated[
        list[str], typer.Argument(help="The package as NAME==VERSION, then others that it needs.")
    ],
    named: Annotated[
        str | None, typer.Option("--as", help="The environment's name; default: the package's.")
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="The Python to use; default: the one that runs cxflow.")
    ] = None,
) -> None:
    """Install a Singer tap or an Airbyte connector in an environment of its own, beside the project.

    Its licence is between you and its author: nothing of it comes with cxflow.
    """
    from cxflow_bridge import environment

    programs = environment.install(call.settings, packages, named, python)
    name = named or packages[0].split("==", 1)[0].split("[", 1)[0]
    call.out.report({"environment": name, "programs": programs}, f"{name}: {', '.join(programs)}")


@hookimpl
def cxflow_commands() -> list[Callable[..., None]]:
    """`cxflow bridge`, and no other."""
    return [bridge]
