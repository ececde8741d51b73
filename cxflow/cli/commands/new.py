"""`cxflow new`: creates the package of a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Reference")(new)


def new(
    call: Call,
    kind: Annotated[Literal["connector"], typer.Argument(help="connector")],  # noqa: ARG001  there is one kind
    name: Annotated[str, typer.Argument(help="What `connector = …` will say, in snake_case: help_desk.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to create it; default: cxflow-NAME here.")
    ] = None,
) -> None:
    """Create a package with a connector for an HTTP service, and its tests, which pass.

    It reads an invented service: change its address, its streams and the imitation of the service. Never overwrites a
    file.
    """
    from cxflow.cli import package

    target = folder or Path(package.distribution(name))
    with call.writing(target):
        files = package.create(name, target)
    call.out.report(
        {"folder": str(target.resolve()), "files": files},
        *(f"wrote {target / file}" for file in files),
        f"next: cd {target}, then what README.md says",
    )
