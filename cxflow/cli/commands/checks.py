"""`cxflow lint` and `cxflow doctor`: what is wrong, before anything is read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.errors import ConfigError

Names = Annotated[
    list[str] | None, typer.Argument(metavar="CONNECTION[.STREAM]", help="Which ones; all unless given.")
]
"""Which connections or streams are meant; none means all."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, rich_help_panel="Check")(lint)
    command(app, rich_help_panel="Check")(doctor)


def lint(call: Call, connections: Names = None) -> None:
    """Check cxflow.toml: settings, mappings, expectations. Reads no record, and names every fault."""
    from cxflow import flow
    from cxflow.cli import project
    from cxflow.cli.faults import faults
    from cxflow.connect import registry
    from cxflow.warehouse import transactions

    settings = call.settings
    registry.of_project(settings)  # without its plugins, everything would be a fault
    for check in (transactions.database, flow.kpis):
        try:
            check(settings)
        except ConfigError as problem:
            call.fail(problem)
    checked = []
    for connection, wanted in project.chosen(settings, connections or ()).items():
        found = [
            fault for fault in faults(settings, connection) if not wanted or fault.stream in (None, *wanted)
        ]
        for fault in found:
            call.fail(fault)
        if not found:
            streams = wanted or flow.streams(settings, connection)
            checked += [f"{connection}.{stream}" for stream in streams]
    call.out.report(
        {"ok": not call.failed, "checked": checked},
        *(f"✓ {name}" for name in checked),
    )


def doctor(call: Call) -> None:
    """Check this machine and the project: versions, extras, warehouse, landing zone, each stream."""
    from rich.text import Text

    from cxflow.cli import examination

    rows: list[dict[str, Any]] = []
    for finding in examination.findings(call):
        rows.append(finding.as_json())
        if finding.problem is not None:
            call.failed.append(finding.problem)
        if not call.out.json and (finding.problem is not None or not call.out.quiet):
            mark, style = finding.mark
            line = Text.assemble((mark, style), " ", finding.subject, ": ", finding.says)
            if finding.fix:
                line.append_text(Text.assemble("\n  ", ("fix: ", "bold green"), finding.fix))
            call.out.answer(None, line)
    if call.out.json:
        call.out.answer(rows)
