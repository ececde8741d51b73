"""`cxflow bi`: writes what BI tools import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Write datasets and dashboards for BI tools to import.", no_args_is_help=True)
    command(group)(superset)
    app.add_typer(group, name="bi", rich_help_panel="Inspect")


def superset(
    call: Call,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; default: superset.zip in the project."
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who reads a server's database: a member of warehouse.bi_role."),
    ] = None,
    version: Annotated[
        int, typer.Option("--for", metavar="MAJOR", help="The major version of Superset.")
    ] = 6,
) -> None:
    """Write a dashboard with its charts and datasets as a bundle that Superset imports."""
    from cxflow.bi import superset as bundles
    from cxflow.cli import warehouse
    from cxflow.kpis import catalogue

    settings = call.settings
    path = Path(output) if output else settings.path("superset.zip")
    if path.is_dir():
        raise ConfigError(f"--output is a folder: {path}", value=str(path), fix="name a file in it")
    bundles.require_version(version)
    warehouse.require(settings)
    path.write_bytes(bundles.of_project(settings, catalogue.of_project(settings), user))
    call.out.report(
        {"file": path, "superset": version},
        f"wrote {path}\nnext: import it in Superset under Dashboards; it asks for a server's password",
    )
