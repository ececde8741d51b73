"""`cxflow migrate`: creates the warehouse's tables or brings them up to date."""

from __future__ import annotations

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(migrate)


def migrate(call: Call) -> None:
    """Bring the warehouse's tables to this version of cxflow, or make them."""
    from cxflow.warehouse import revisions

    before, after = revisions.migrate(call.settings)
    says = f"the warehouse is at {after} already" if before == after else f"{before or 'empty'} -> {after}"
    call.out.report({"before": before, "after": after}, says)
