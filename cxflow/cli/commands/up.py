"""`cxflow up`: runs a complete Airflow for the project on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(up)


def up(
    call: Call,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of its web pages, on 127.0.0.1.")] = 8080,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="CXFLOW_AIRFLOW_DATABASE",
            help="PostgreSQL database of Airflow's own, as backfills need; default: a SQLite file. A URL with a "
            "password belongs in the variable: other users see command lines.",
        ),
    ] = None,
) -> None:
    """Run Airflow for the project until Ctrl-C: scheduler, web pages, the project's DAGs."""
    from cxflow.airflow import home, standalone
    from cxflow.warehouse import revisions

    folder = call.settings.folder
    home.require_airflow()
    revisions.ensure(call.settings)
    code = standalone.up(folder, port, call.out.note, database=database)
    if code:
        raise typer.Exit(code)
