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
    """Show where the next scheduled run of each stream starts, and what is known of streams that no run reads."""
    from cxflow import sources
    from cxflow.cli import warehouse
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    states = [dict(row) for row in ledger.states(settings)]
    places = [(state["source_system"], state["source_object"]) for state in states]
    left = sources.not_configured(settings, places)
    for state, place in zip(states, places, strict=True):
        state["configured"] = place not in left
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
    call.out.answer(
        states,
        table(f"Cursors ({zone})", ("stream", "read up to", "set at", "by load"), rows),
        *(
            f"{name} is not configured any more; `cxflow state forget {name}` drops its state"
            for name in (".".join(place) for place in places if place in left)
        ),
    )


def forget(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="CONNECTION[.STREAM]", autocompletion=completion.streams)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Forget how far a stream has been read: its next run reads from the beginning. Loaded data stays.

    Of a stream that is not configured any more, the pages of interrupted pulls are removed, too.
    """
    from cxflow import sources
    from cxflow.cli import warehouse
    from cxflow.landing import partial
    from cxflow.settings import nearest
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    connection, _, stream = name.partition(".")
    known = [f"{row['source_system']}.{row['source_object']}" for row in ledger.states(settings)]
    chosen = [each for each in known if each == name or (not stream and each.startswith(f"{name}."))]
    if not chosen:
        raise ConfigError(f"there is no cursor for {name!r}{nearest(name, known)}", value=name)
    if not yes:
        typer.confirm(f"Forget how far {name} has been read?", abort=True, err=True)
    places = [(connection, each.removeprefix(f"{connection}.")) for each in chosen]
    # First: what names them is the cursor.
    pulls = sum(partial.drop(settings, *place) for place in sources.not_configured(settings, places))
    count = ledger.forget(settings, connection, stream or None)
    call.out.report(
        {"forgotten": count, "dropped_pulls": pulls},
        f"{count} cursors forgotten; the next run reads from the beginning",
        *([f"the pages of {pulls} interrupted pulls removed"] if pulls else []),
    )
