"""Loads several streams for a command: from their sources, or again from the landing zone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from cxflow.cli import outcome
from cxflow.cli.call import Call
from cxflow.errors import CxflowError

if TYPE_CHECKING:
    from cxflow.model.batch import Mode
    from cxflow.model.window import Window

    WindowOf = Callable[[str, str], Window]

Place = tuple[str, str]
"""Connection and stream."""
Job = Callable[[], Iterable[outcome.Load]]
"""Loads a stream."""


def load(call: Call, mode: str, jobs: Mapping[Place, Job], *, with_kpis: bool = True) -> None:
    """Load each stream; a failure does not stop the others. Then update customers, words, KPIs and views, and show
    what was done."""
    made = outcome.Outcome(mode)
    with call.out.progress(len(jobs) + (outcome.STEPS if with_kpis else 0)) as step:
        for (connection, stream), job in jobs.items():
            step(f"{connection}.{stream}")
            try:
                made.loads += job()
            except Exception as problem:
                if isinstance(problem, CxflowError):
                    problem.at(connection, stream)
                call.fail(problem)
        if made.loads and with_kpis:
            outcome.finish(call, made, step)
    outcome.show(call, made)


def load_streams(
    call: Call, streams: Iterable[Place], mode: Mode, window_of: WindowOf, with_kpis: bool
) -> None:
    """Load a window of each stream from its source."""
    from cxflow import flow, sources

    def job(connection: str, stream: str) -> list[outcome.Load]:
        window = window_of(connection, stream)
        report = flow.run_stream(call.settings, connection, stream, window, mode)
        outdated = sum(sources.outdated(call.settings, [(connection, stream)]).values())
        available = None
        if mode == "backfill" and not report.counts.extracted:
            with suppress(CxflowError):  # the backfill itself did not fail
                available = sources.available(call.settings, connection, stream)
        return [outcome.Load(report, report.window, outdated, available)]

    load(call, mode, {place: partial(job, *place) for place in streams}, with_kpis=with_kpis)
