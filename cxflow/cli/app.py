"""The app: all commands, in the order in which somebody meets them."""

from __future__ import annotations

from typing import Unpack

import typer

from cxflow.cli import books, catalogue, checks, demo, kpis, quarantine, setup, trip, up
from cxflow.cli.call import Shared, shared

app = typer.Typer(
    name="cxflow",
    help="Customer-experience data from every system into one touchpoint warehouse, and KPIs to trust.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
@shared
def everywhere(context: typer.Context, **before: Unpack[Shared]) -> None:
    """Customer-experience data from every system into one touchpoint warehouse, and KPIs to trust."""
    context.obj = before


for family in (setup, checks, trip, books, quarantine, kpis, catalogue, demo, up):
    family.register(app)
