"""`cxflow up`: a whole Airflow over the project, on this machine."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, rich_help_panel="Load")(up)


def up(
    call: Call,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where its web pages are, on 127.0.0.1.")
    ] = 8080,
) -> None:
    """Run Airflow over the project until Ctrl-C: scheduler, web pages, the project's DAGs."""
    folder = call.settings.folder
    require_airflow()
    from cxflow.airflow import standalone
    from cxflow.store import schema

    schema.ensure(call.settings)
    code = standalone.up(folder, port, call.out.note)
    if code:
        raise typer.Exit(code)


def require_airflow() -> None:
    """Raises ConfigError where Airflow, an extra, is not installed."""
    if importlib.util.find_spec("airflow") is None:
        raise ConfigError("Airflow is not installed", fix="pip install 'cxflow-framework[airflow]'")
