"""`cxflow run`, `backfill`, `migrate` and `publish`: the whole trip at a prompt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cxflow.cli import outcome
from cxflow.cli.call import Call, command
from cxflow.cli.commands.checks import Names
from cxflow.errors import ConfigError, CxflowError

if TYPE_CHECKING:
    from cxflow.model.batch import Mode
    from cxflow.model.window import Window

    WindowOf = Callable[[str, str], Window]

NoKpis = Annotated[bool, typer.Option("--no-kpis", help="Leave out customers, KPIs and views.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, rich_help_panel="Load")(run)
    command(app, rich_help_panel="Load")(backfill)
    command(app, rich_help_panel="Load")(migrate)
    command(app, rich_help_panel="Load")(publish)


def run(
    call: Call,
    streams: Names = None,
    until: Annotated[
        str | None, typer.Option(metavar="ISO", help="First instant not to read; now unless given.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Try the first records, show what would become of them, and touch nothing."
        ),
    ] = False,
    no_kpis: NoKpis = False,
) -> None:
    """Read what is new since the last run, load it, and bring customers and KPIs up to date."""
    from cxflow import flow
    from cxflow.cli import faults, plan, project
    from cxflow.warehouse import revisions

    settings = call.settings
    now = datetime.now(UTC)
    end = project.instant(settings, until, "--until") if until else now
    if end > now:
        raise ConfigError(
            f"--until {end.isoformat()} lies in the future",
            value=until,
            fix="cursors would pass records to come",
        )
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if dry_run:
        plan.show(call, chosen, end)
        return
    if chosen:
        revisions.ensure(settings)
    _load(
        call,
        chosen,
        "scheduled",
        lambda connection, stream: flow.scheduled_window(settings, connection, stream, end),
        not no_kpis,
    )


def backfill(
    call: Call,
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="First instant to read.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="First instant not to read.")],
    streams: Names = None,
    no_kpis: NoKpis = False,
) -> None:
    """Read a window of the past again; cursors stay where they are."""
    from cxflow.cli import faults, project
    from cxflow.model.window import Window
    from cxflow.warehouse import revisions

    settings = call.settings
    window = Window(project.instant(settings, since, "--from"), project.instant(settings, until, "--to"))
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if chosen:
        revisions.ensure(settings)
    _load(call, chosen, "backfill", lambda *_: window, not no_kpis)


def migrate(call: Call) -> None:
    """Bring the warehouse's tables to this version of cxflow, or make them."""
    from cxflow.warehouse import revisions

    before, after = revisions.migrate(call.settings)
    says = f"the warehouse is at {after} already" if before == after else f"{before or 'empty'} -> {after}"
    call.out.report({"before": before, "after": after}, says)


def publish(
    call: Call,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements for somebody else to run, and change nothing.")
    ] = False,
) -> None:
    """Bring the views that BI reads up to date, and who may read them. A run does so at its end."""
    from cxflow import flow
    from cxflow.cli import warehouse

    warehouse.require(call.settings)
    if sql:
        statements = flow.publication(call.settings)
        call.out.answer(statements, *(f"{statement};" for statement in statements))
        return
    names = flow.publish(call.settings)
    role = call.settings.warehouse.bi_role
    readers = f"; {role} may read them" if role else ""
    call.out.report({"views": names, "bi_role": role}, f"{len(names)} views are up to date{readers}")


def _load(
    call: Call, streams: list[tuple[str, str]], mode: Mode, window_of: WindowOf, with_kpis: bool
) -> None:
    """Load each stream on its own: one that fails stops no other. Then customers, KPIs and views."""
    from cxflow import flow

    made = outcome.Outcome(mode)
    with call.out.progress(len(streams) + (3 if with_kpis else 0)) as step:
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
                made.loads.append(outcome.Load(report, report.window))
        if made.loads and with_kpis:
            outcome.finish(call, made, step)
    outcome.show(call, made)
