"""`cxflow doctor`: checks the machine and the project. The checks are in `examination`."""

from __future__ import annotations

from typing import Any

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Check")(doctor)


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
            line = Text.assemble((mark, style), " ", finding.subject, ": ", finding.message)
            if finding.fix:
                line.append_text(Text.assemble("\n  ", ("fix: ", "bold green"), finding.fix))
            call.out.answer(None, line)
    if call.out.json:
        call.out.answer(rows)
