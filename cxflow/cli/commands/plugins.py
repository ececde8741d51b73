"""`cxflow plugins`: lists the plugins."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Reference")(plugins)


def plugins(call: Call) -> None:
    """List the plugins: installed ones and the project's own."""
    from cxflow.connect import registry

    infos = registry.plugin_infos(call.plugins)
    for problem in call.program.load_plugins():
        call.fail(problem)
    rows = [(info.name, info.distribution, info.version, ", ".join(info.hooks)) for info in infos]
    call.out.answer(
        [asdict(info) for info in infos], table("Plugins", ("plugin", "package", "version", "hooks"), rows)
    )
