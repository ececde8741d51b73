"""`cxflow report`: writes the report, one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.options import Language


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(report)


def report(
    call: Call,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; default: report.html in the project."
        ),
    ] = None,
    language: Language = None,
    period: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD", help="2026-03, 2026-Q1, 2026-W10, …; default: the newest month that is over."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="ISO", help="Values as published at that instant.")
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report: one HTML page of KPIs, the journey, channels, reasons, customers' words and data quality."""
    from cxflow.cli import output_file, project, warehouse
    from cxflow.kpis.periods import parse_period
    from cxflow.report import extra

    settings = call.settings
    extra.require()
    from cxflow.report import contents, page

    asked = parse_period(period) if period else None
    moment = project.instant(settings, as_of, "--as-of") if as_of else None
    path = output_file.require_file(output or settings.path("report.html"))
    with call.out.progress() as step:
        step("reading")
        with warehouse.reading(call) as read:
            if read.taken_at:
                call.out.remark("a snapshot has no texts of customers: the report is without them")
            found = contents.read_all(
                read.connection,
                settings,
                language=language.value if language else None,
                as_of=moment,
                asked=asked,
                with_texts=read.taken_at is None,
            )
        step("drawing")
        html = page.render(found)
    output_file.write(path, html.encode())
    about = found.edition.period
    call.out.report(
        {
            "path": path,
            "bytes": len(html.encode()),
            "snapshot": read.taken_at,
            "period": about and {"grain": about.grain, "start": about.start},
        },
        f"wrote {path}",
    )
    if opened:
        typer.launch(path.resolve().as_uri())
