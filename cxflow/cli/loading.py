"""Loads several streams for a command. Called by `run` and `backfill`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cxflow.cli import outcome
from cxflow.cli.call import Call
from cxflow.errors import CxflowError

if TYPE_CHECKING:
    from cxflow.model.batch import Mode
    from cxflow.model.window import Window

    WindowOf = Callable[[str, str], Window]


def load_streams(
    call: Call, streams: list[tuple[str, str]], mode: Mode, window_of: WindowOf, with_kpis: bool
) -> None:
    """Load each stream; a failure does not stop the others. Then update customers, words, KPIs and views."""
    from cxflow import flow, sources

    made = outcome.Outcome(mode)
    with call.out.progress(len(streams) + (4 if with_kpis else 0)) as step:
        for connection, stream in streams:
            step(f"{connection}.{stream}")
            try:
                window = window_of(connection, stream)
                report = flow.run_stream(call.settings, connection, stream, window, mode)
            except Exception as problem:
                if isinstance(problem, CxflowError):
                    problem.at(connection, stream)
                call.fail(problem)
            else:
                outdated = sources.outdated(call.settings, connection, stream)
                available = None
                if mode == "backfill" and not report.counts.extracted:
                    with suppress(CxflowError):  # the backfill itself did not fail
                        available = sources.available(call.settings, connection, stream)
                made.loads.append(outcome.Load(report, report.window, outdated, available))
        if made.loads and with_kpis:
            outcome.finish(call, made, step)
    outcome.show(call, made)
