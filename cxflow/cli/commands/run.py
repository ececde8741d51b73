"""`cxflow run`: loads what is new, or tries it with `--dry-run`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.options import Names, NoKpis
from cxflow.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(run)


def run(
    call: Call,
    streams: Names = None,
    until: Annotated[
        str | None, typer.Option(metavar="ISO", help="End of the window, exclusive; default: now.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Process the first records, show the result and change nothing."),
    ] = False,
    landed: Annotated[
        bool,
        typer.Option("--landed", help="With --dry-run: try the newest landed records, not the source."),
    ] = False,
    reveal: Annotated[
        bool,
        typer.Option("--reveal", help="With --dry-run: show refused values as they are, personal ones too."),
    ] = False,
    no_kpis: NoKpis = False,
) -> None:
    """Load what is new since the last run, then update customers and KPIs."""
    from cxflow import flow
    from cxflow.cli import faults, loading, plan, project
    from cxflow.warehouse import revisions

    settings = call.settings
    now = datetime.now(UTC)
    end = project.instant(settings, until, "--until") if until else now
    if end > now:
        raise ConfigError(
            f"--until {end.isoformat()} is in the future",
            value=until,
            fix="name a past instant: the cursors would skip records that arrive until then",
        )
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if landed and not dry_run:
        raise ConfigError("--landed goes with --dry-run", fix="`cxflow remap` maps all landed records anew")
    if reveal and not dry_run:
        raise ConfigError(
            "--reveal goes with --dry-run", fix="`cxflow quarantine show ID --reveal` shows an entry"
        )
    if dry_run:
        plan.show(call, chosen, end, landed=landed, reveal=reveal)
        return
    if chosen:
        revisions.ensure(settings)
    loading.load_streams(
        call,
        chosen,
        "scheduled",
        lambda connection, stream: flow.scheduled_window(settings, connection, stream, end),
        not no_kpis,
    )
