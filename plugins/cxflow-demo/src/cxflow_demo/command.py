"""`cxflow demo`: runs an invented company's exports and services through the real DAGs, and compares the result with
the truth."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from cxflow import Call, ConfigError, FatalError, hookimpl

from cxflow_demo.sandbox import sandbox

if TYPE_CHECKING:
    from cxflow import Settings

    from cxflow_demo.check import Fact
    from cxflow_demo.company import Company
    from cxflow_demo.simulation import Simulated

Step = Callable[[str], None]
"""Called with the step that begins."""

_SMALLEST = 0.3
"""The number of defects hardly depends on the size: in a smaller company they would close the gate."""


@hookimpl
def cxflow_commands() -> list[Callable[..., None]]:
    """The two commands of this plugin."""
    return [demo, sandbox]


def demo(
    call: Call,
    folder: Annotated[Path, typer.Argument(help="Its folder; an earlier demo there is replaced.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed makes another company.")] = 7,
    scale: Annotated[
        float, typer.Option(min=_SMALLEST, help="Its size; 1 is some 6,000 people and 35,000 source records.")
    ] = 1.0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Run an earlier demo again, as it is: nothing may change.")
    ] = False,
) -> None:
    """Run three months of an invented company through Airflow's DAGs, and compare the result with the
    truth."""
    from cxflow import settings as configuration
    from cxflow.airflow import home
    from cxflow.warehouse import transactions

    from cxflow_demo import comparison
    from cxflow_demo.company import Company

    home.require_airflow()
    with call.out.progress(_runs()) as step:
        with call.writing(folder):
            company = Company(_prepare(folder, seed, scale, keep, step).deliveries)
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        # Airflow sometimes writes to stdout, which is reserved for the result.
        with contextlib.redirect_stdout(sys.stderr), company.served() as urls:
            os.environ.update(company.environment(urls))
            settings = configuration.load(folder)
            early, late = _run(call, settings, company, truth, keep, step)
    agrees = all(fact.agrees for fact in (*early, *late))
    database = transactions.warehouse_url(settings).database
    call.out.report(
        {
            "folder": str(settings.folder),
            "warehouse": database,
            "agrees": agrees,
            "compared": len(early) + len(late),
            "differences": [fact for fact in (*early, *late) if not fact.agrees],
        },
        *comparison.parts(settings, early, late),
        f"The warehouse is {database}; cxflow --project {folder} kpis reads it.",
    )
    if not agrees:
        raise typer.Exit(1)


def _runs() -> int:
    """The number of steps: one to generate, one to start Airflow, and one per DAG run."""
    from cxflow_demo.clock import DAILY

    connections = 9
    return 2 + (connections + 1) * (1 + len(DAILY))


def _prepare(folder: Path, seed: int, scale: float, keep: bool, step: Step) -> Simulated:
    """Write exports, truth and configuration, or keep those of an earlier demo. Raises ConfigError."""
    from cxflow_demo import folders
    from cxflow_demo.simulation import generate, simulate

    if keep and not folders.has_company(folder):
        raise ConfigError(f"there is no earlier demo in {folder}", value=str(folder), fix="omit --keep")
    folders.refuse_others(folder)
    step("inventing a company with nine systems")
    if keep:
        known = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        return simulate(known["seed"], known["scale"])
    folders.clear(folder)
    simulated = generate(folder, seed, scale)
    folders.configure(folder, folders.project())
    return simulated


def _run(
    call: Call, settings: Settings, company: Company, truth: dict[str, Any], keep: bool, step: Step
) -> tuple[list[Fact], list[Fact]]:
    """Run the history as one backfill, then each day as a scheduled run, with what the services know then; compare
    with the truth after both."""
    from cxflow.airflow.local_run import LocalAirflow
    from cxflow.warehouse import revisions

    from cxflow_demo.check import facts
    from cxflow_demo.clock import LATER

    revisions.ensure(settings)
    step("starting Airflow")
    airflow = LocalAirflow(settings.folder)
    zone = ZoneInfo(truth["reporting_timezone"])
    project = settings.project.name

    def run(name: str, period: str, **when: Any) -> None:
        step(f"{period}: {name}")
        done = airflow.run(f"{project}__{name}", **when)
        if not done.succeeded:
            why = "\n".join(f"{task}: {message}" for task, message in done.failures.items())
            raise FatalError(f"the DAG {done.dag} failed\n{why}", value=done.dag)

    def end_of(day: str, connection: str) -> datetime:
        """Until when a connection is read of a day and all before it."""
        is_late = "schedule" in settings.connections[connection]
        return _at(day, LATER if is_late else time.min, zone, days=1)

    start, last = truth["history"]["start"], truth["after_history"]["until"]
    company.show(date.fromisoformat(last))
    for connection in settings.connections:
        window = {"start": _at(start, time.min, zone), "end": end_of(last, connection)}
        run(connection, "history", conf={edge: at.isoformat() for edge, at in window.items()})
    run("kpis", "history")
    call.out.remark(f"the history up to {truth['history']['end']} is loaded")
    # If a demo is run again, the days after the history are already loaded.
    early = (
        [] if keep else facts(settings, truth["after_history"], truth["deliveries"]["history"]["quarantine"])
    )
    for day in truth["days"]:
        company.show(date.fromisoformat(day))
        for connection in settings.connections:
            run(connection, day, logical_date=end_of(day, connection))
        run("kpis", day, logical_date=datetime.now(UTC))
        call.out.remark(f"{day} is loaded")
    return early, facts(settings, truth, truth["quarantine"])


def _at(day: str, clock: time, zone: ZoneInfo, days: int = 0) -> datetime:
    """A local time of the day that is `days` after another."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=days), clock, zone)
