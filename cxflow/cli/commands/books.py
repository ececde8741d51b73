"""`cxflow status` and `cxflow state`: what has been loaded, how far, and where the next run begins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.outcome import HEADINGS
from cxflow.cli.output import moment, table
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from cxflow.settings import Settings

_SHOWN_LOADS = 10


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, rich_help_panel="Look")(status)
    state = typer.Typer(help="How far each stream has been read.", no_args_is_help=True)
    command(state, "list")(list_states)
    command(state)(forget)
    app.add_typer(state, name="state", rich_help_panel="Look")


def status(call: Call) -> None:
    """What has been loaded, how far, what was refused, and the latest loads."""
    from cxflow.cli import warehouse
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    zone = settings.project.timezone
    streams = _streams(settings)
    loads = [dict(row) for row in ledger.runs(settings, limit=_SHOWN_LOADS)]
    totals = table(
        "Source records loaded so far",
        ("stream", *HEADINGS),
        [(each["name"], *each["counts"].values()) for each in streams],
    )
    standing = table(
        f"How the streams stand ({zone})",
        ("stream", "read up to", "open in quarantine"),
        [(each["name"], moment(each["position"], zone), each["quarantine_open"]) for each in streams],
    )
    latest = table(
        f"Latest loads ({zone})",
        ("at", "stream", "mode", "status", "extracted", "quarantined"),
        [
            (
                moment(load["finished_at"], zone),
                f"{load['source_system']}.{load['source_object']}",
                load["mode"],
                load["status"],
                load["extracted"],
                load["quarantined"],
            )
            for load in loads
        ],
    )
    call.out.answer({"streams": streams, "loads": loads}, totals, standing, latest)


def _streams(settings: Settings) -> list[dict[str, Any]]:
    """Every stream that the warehouse has heard of, by name."""
    from cxflow.model.batch import Counts
    from cxflow.validate import quarantine
    from cxflow.warehouse import ledger

    totals = ledger.totals(settings)
    positions = {
        (row["source_system"], row["source_object"]): row["position"] for row in ledger.states(settings)
    }
    # A stream of which every batch was stopped has neither books nor position.
    stopped = {(row["source_system"], row["source_object"]) for row in ledger.runs(settings)}
    refused = quarantine.open_records(settings)
    return [
        {
            "name": ".".join(place),
            "connection": place[0],
            "stream": place[1],
            "counts": asdict(totals.get(place, Counts())),
            "quarantine_open": refused.get(place, 0),
            "position": positions.get(place),
        }
        for place in sorted({*totals, *positions, *stopped})
    ]


def list_states(call: Call) -> None:
    """Show where the next scheduled run of each stream begins."""
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
    name: Annotated[str, typer.Argument(metavar="CONNECTION[.STREAM]")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget how far a stream has been read: its next run begins anew. What was loaded stays."""
    from cxflow.cli import warehouse
    from cxflow.settings import nearest
    from cxflow.warehouse import ledger

    settings = call.settings
    warehouse.require(settings)
    connection, _, stream = name.partition(".")
    known = [f"{row['source_system']}.{row['source_object']}" for row in ledger.states(settings)]
    if not any(each == name or (not stream and each.startswith(f"{name}.")) for each in known):
        raise ConfigError(f"no cursor is kept for {name!r}{nearest(name, known)}", value=name)
    if not yes:
        typer.confirm(f"Forget how far {name} has been read?", abort=True, err=True)
    count = ledger.forget(settings, connection, stream or None)
    call.out.report({"forgotten": count}, f"{count} cursors forgotten; the next run reads from the beginning")
