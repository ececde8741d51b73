"""`cxflow load`: loads what is landed and not loaded."""

from __future__ import annotations

from functools import reduce
from operator import add

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.options import Names, NoKpis


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(load)


def load(call: Call, streams: Names = None, no_kpis: NoKpis = False) -> None:
    """Load batches of the landing zone that the warehouse does not have; does not read the source.

    After a warehouse was lost, that is everything in the landing zone; otherwise, what a load left that failed.
    """
    from cxflow import flow
    from cxflow.cli import faults, outcome, project
    from cxflow.errors import CxflowError
    from cxflow.warehouse import revisions

    settings = call.settings
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    revisions.ensure(settings)
    waiting = {place: flow.unloaded(settings, *place) for place in chosen}
    made = outcome.Outcome("load")
    total = sum(len(batches) for batches in waiting.values())
    with call.out.progress(total + (0 if no_kpis else 4)) as step:
        for (connection, stream), batches in waiting.items():
            reports = []
            for batch in batches:
                step(f"{connection}.{stream}: {batch.batch_id}")
                try:
                    flow.prepare(settings, batch)
                    reports.append(flow.load(settings, batch))
                except CxflowError as problem:  # the batches after it do not wait for it
                    call.fail(problem.at(connection, stream))
            if reports:
                made.loads.append(outcome.Load(reduce(add, reports)))
        if made.loads and not no_kpis:
            outcome.finish(call, made, step)
    outcome.show(call, made)
