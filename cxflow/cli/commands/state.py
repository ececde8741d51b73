"""`cxflow state`: shows how far each stream has been read, and resets it."""

from __future__ import annotations

from typing import Annotated

import typer

from cxflow.cli import completion
from cxflow.cli.call import Call, command
from cxflow.cli.output import moment, table
from cxflow.cli.typer_classes import Group
from cxflow.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    state = typer.Typer(
        cls=Group, help="Show or reset how far each stream has been read.", no_args_is_help=True
    )
    command(state, "list")(list_states)
    command(state)(forget)
    app.add_typer(state, name="state", rich_help_panel="Inspect")


def list_states(call: Call) -> None:
    """Show where the next scheduled run of each stream starts."""
    from cxflow.cli import warehouse
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    states = [dict(row) for row in ledger.states(settings)]
    zone = settings.project.timezone
    rows = [
        (
            f"{state['source_system']}.{state['source_object']}",
            moment(state["position"], zone),
            moment(state["updated_at"], zone),
            state["run_id"],
        )
        for state in states
    ]
    call.out.answer(states, table(f"Cursors ({zone})", ("stream", "read up to", "set at", "by load"), rows))


def forget(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="CONNECTION[.STREAM]", autocompletion=completion.streams)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Forget how far a stream has been read: its next run reads from the beginning. Loaded data stays."""
    from cxflow.cli import warehouse
    from cxflow.settings import nearest
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    connection, _, stream = name.partition(".")
    known = [f"{row['source_system']}.{row['source_object']}" for row in ledger.states(settings)]
    if not any(each == name or (not stream and each.startswith(f"{name}.")) for each in known):
        raise ConfigError(f"there is no cursor for {name!r}{nearest(name, known)}", value=name)
    if not yes:
        typer.confirm(f"Forget how far {name} has been read?", abort=True, err=True)
    count = ledger.forget(settings, connection, stream or None)
    call.out.report({"forgotten": count}, f"{count} cursors forgotten; the next run reads from the beginning")
