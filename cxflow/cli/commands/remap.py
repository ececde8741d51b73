"""`cxflow remap`: maps loaded records anew, from the landing zone."""

from __future__ import annotations

import typer

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
    from cxflow.cli import faults, outcome, project, warehouse
    from cxflow.errors import CxflowError

    settings = call.settings
    warehouse.require(settings)
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if not streams:
        chosen = [place for place in chosen if sources.outdated(settings, *place)]
    made = outcome.Outcome("remap")
    with call.out.progress(len(chosen) + (0 if no_kpis else 3)) as step:
        for connection, stream in chosen:
            step(f"{connection}.{stream}")
            try:
                made.loads += [outcome.Load(report) for report in flow.remap(settings, connection, stream)]
            except CxflowError as problem:
                call.fail(problem.at(connection, stream))
        if made.loads and not no_kpis:
            outcome.finish(call, made, step)
    outcome.show(call, made)
