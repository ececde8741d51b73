"""`cxflow backfill`: loads a past window again."""

from __future__ import annotations

from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.options import Names, NoKpis


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(backfill)


def backfill(
    call: Call,
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="Start of the window.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="End of the window, exclusive.")],
    streams: Names = None,
    no_kpis: NoKpis = False,
) -> None:
    """Load what was delivered (or changed) in a past window again; cursors do not move."""
    from cxflow.cli import faults, loading, project
    from cxflow.model.window import Window
    from cxflow.warehouse import revisions

    settings = call.settings
    window = Window(project.instant(settings, since, "--from"), project.instant(settings, until, "--to"))
    chosen = faults.ready(call, project.chosen(settings, streams or ()))
    if chosen:
        revisions.ensure(settings)
    loading.load_streams(call, chosen, "backfill", lambda *_: window, not no_kpis)
