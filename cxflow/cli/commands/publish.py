"""`cxflow publish`: updates the BI views and the rights on them."""

from __future__ import annotations

from typing import Annotated

import typer

from cxflow.cli.call import Call, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Load")(publish)


def publish(
    call: Call,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL statements instead of running them.")
    ] = False,
) -> None:
    """Update the BI views and the rights on them. Every run ends with this step."""
    from cxflow import flow
    from cxflow.cli import warehouse
    from cxflow.publish import snapshot

    warehouse.require(call.settings)
    if sql:
        statements = flow.publication(call.settings)
        call.out.answer(statements, *(f"{statement};" for statement in statements))
        return
    names = flow.publish(call.settings)
    role, file = call.settings.warehouse.bi_role, snapshot.path(call.settings)
    readers = f"; {role} may read them" if role else ""
    copied = f"; copied to {file.name} ({file.stat().st_size / 1e6:,.1f} MB)" if file else ""
    call.out.report(
        {"views": names, "bi_role": role, "snapshot": file},
        f"{len(names)} views are up to date{readers}{copied}",
    )
