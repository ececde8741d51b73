"""`cxflow alerts`: what somebody should look at."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from cxflow.cli.call import Call, command

_FOUND = 65


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(alerts)


def alerts(
    call: Call,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with exit code 65 if there is any, for schedulers.")
    ] = False,
) -> None:
    """Show what somebody should look at: stopped gates, late streams, odd volumes, changed KPIs."""
    from cxflow.alerts.find import find
    from cxflow.cli import warehouse
    from cxflow.cli.output import table

    with warehouse.reading(call) as read:
        found = find(read.connection, call.settings, datetime.now(UTC))
    rows = [(each.kind, each.place, each.text, each.look) for each in found]
    shown = table("Alerts", ("kind", "of", "what", "look"), rows) if rows else "nothing to look at"
    call.out.answer([asdict(each) for each in found], shown)
    if found and exit_code:
        raise typer.Exit(_FOUND)
