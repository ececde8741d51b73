"""`cxflow migrate`: creates or upgrades the warehouse's tables."""

from __future__ import annotations

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(migrate)


def migrate(call: Call) -> None:
    """Create the warehouse's tables, or upgrade them to this version of cxflow."""
    from cxflow.warehouse import revisions

    before, after = revisions.migrate(call.settings)
    message = f"the warehouse is already at {after}" if before == after else f"{before or 'empty'} -> {after}"
    call.out.report({"before": before, "after": after}, message)
