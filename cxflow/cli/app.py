"""The app: the built-in commands in the order of `cxflow --help`, then those of plugins."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from cxflow.cli.call import Shared, shared
from cxflow.cli.commands import (
    alerts,
    backfill,
    bi,
    connectors,
    doctor,
    explain,
    init,
    journeys,
    kpis,
    lifetimes,
    lint,
    load,
    migrate,
    new,
    plugins,
    publish,
    quarantine,
    read,
    remap,
    report,
    run,
    schema,
    state,
    status,
    up,
)
from cxflow.cli.plugin_commands import Commands

app = typer.Typer(
    name="cxflow",
    cls=Commands,
    help="Customer-experience data from every system into one touchpoint warehouse, and KPIs to trust.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"cxflow {version('cxflow-framework')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
]


@app.callback()
@shared
def root(context: typer.Context, version: Version = False, **options: Unpack[Shared]) -> None:  # noqa: ARG001  its callback acts
    """Customer-experience data from every system into one touchpoint warehouse, and KPIs to trust."""
    context.obj = options


for each in (
    *(init, lint, doctor, read),
    *(run, backfill, load, remap, migrate, publish, up),
    *(status, alerts, state, kpis, explain, journeys, report, bi, lifetimes, quarantine),
    *(plugins, connectors, new, schema),
):
    each.register(app)
