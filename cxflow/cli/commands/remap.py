"""`cxflow remap`: maps loaded records anew, from the landing zone."""

from __future__ import annotations

from functools import partial

import typer

from cxflow.cli import outcome
from cxflow.cli.call import Call, command
from cxflow.cli.options import Names, NoKpis


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(remap)


def remap(call: Call, streams: Names = None, no_kpis: NoKpis = False) -> None:
    """Map loaded records anew after a mapping was changed; does not read the source.

    Without names: the streams with records that an earlier mapping made.
    """
    from cxflow import flow, sources
    from cxflow.cli import faults, loading, project, warehouse

    settings = call.settings
    warehouse.require(settings)
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if not streams:
        chosen = list(sources.outdated(settings, chosen))

    def job(connection: str, stream: str) -> list[outcome.Load]:
        return [outcome.Load(report) for report in flow.remap(settings, connection, stream)]

    loading.load(call, "remap", {place: partial(job, *place) for place in chosen}, with_kpis=not no_kpis)
