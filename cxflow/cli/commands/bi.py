"""`cxflow bi`: writes what BI tools import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxflow.cli.call import Call, command


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
    from cxflow.cli import output_file, warehouse
    from cxflow.kpis import catalogue

    settings = call.settings
    path = output_file.require_file(output or settings.path("superset.zip"))
    bundles.require_version(version)
    warehouse.require(settings)
    output_file.write(path, bundles.of_project(settings, catalogue.of_project(settings), user))
    call.out.report(
        {"file": path, "superset": version},
        f"wrote {path}\nnext: import it in Superset under Dashboards; it asks for a server's password",
    )
