"""`cxflow load`: loads what is landed and not loaded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING

import typer

from cxflow.cli import outcome
from cxflow.cli.call import Call, command
from cxflow.cli.options import Names, NoKpis
from cxflow.errors import CxflowError

if TYPE_CHECKING:
    from cxflow.model.batch import BatchRef


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(load)


def load(call: Call, streams: Names = None, no_kpis: NoKpis = False) -> None:
    """Load batches of the landing zone that the warehouse does not have; does not read the source.

    After a warehouse was lost, that is everything in the landing zone; otherwise, what a load left that failed.
    """
    from cxflow import flow
    from cxflow.cli import faults, loading, project
    from cxflow.warehouse import revisions

    settings = call.settings
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    revisions.ensure(settings)
    jobs = {place: partial(_load, call, flow.unloaded(settings, *place)) for place in chosen}
    loading.load(call, "load", jobs, with_kpis=not no_kpis)


def _load(call: Call, batches: Iterable[BatchRef]) -> list[outcome.Load]:
    """Load batches of one stream; those after a failed one do not wait for it."""
    from cxflow import flow

    reports = []
    for batch in batches:
        try:
            flow.prepare(call.settings, batch)
            reports.append(flow.load(call.settings, batch))
        except CxflowError as problem:
            call.fail(problem)
    return [outcome.Load(reduce(add, reports))] if reports else []
