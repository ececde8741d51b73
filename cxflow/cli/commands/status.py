"""`cxflow status`: shows what has been loaded, and how far."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.outcome import HEADINGS, outdated
from cxflow.cli.output import moment, table

if TYPE_CHECKING:
    from cxflow.cli.warehouse import Reading
    from cxflow.settings import Settings

_SHOWN_LOADS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(status)


def status(call: Call) -> None:
    """Show what was loaded and how far, what was refused, and the latest loads."""
    from cxflow.cli import warehouse
    from cxflow.warehouse import ledger

    settings = call.settings
    zone = settings.project.timezone
    with warehouse.reading(call) as read:
        streams = _streams(settings, read)
        loads = [dict(row) for row in ledger.runs(read.connection, limit=_SHOWN_LOADS)]
    totals = table(
        "Source records loaded so far",
        ("stream", *HEADINGS),
        [(each["name"], *each["counts"].values()) for each in streams],
    )
    progress = table(
        f"State of the streams ({zone})",
        ("stream", "read up to", "open in quarantine", "earlier mapping"),
        [
            (each["name"], moment(each["position"], zone), each["quarantine_open"], each["outdated"])
            for each in streams
        ],
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
    notes = [
        f"{each['name']}: {outdated(each['name'], each['outdated'])}" for each in streams if each["outdated"]
    ]
    notes += [
        f"{each['name']}: {each['vanished']:,} records have vanished from its snapshots and count as deleted"
        for each in streams
        if each["vanished"]
    ]
    call.out.answer(
        {"streams": streams, "loads": loads, "snapshot": read.taken_at}, totals, progress, latest, *notes
    )


def _streams(settings: Settings, read: Reading) -> list[dict[str, Any]]:
    """All streams that the warehouse knows, by name."""
    from cxflow.model.batch import Counts
    from cxflow.validate import quarantine
    from cxflow.warehouse import ledger

    totals = ledger.totals_in(read.connection)
    positions = {
        (row["source_system"], row["source_object"]): row["position"]
        for row in ledger.states_in(read.connection)
    }
    # A stream whose batches were all stopped has neither counts nor position.
    stopped = {(row["source_system"], row["source_object"]) for row in ledger.runs(read.connection)}
    refused, vanished = quarantine.open_records(read.connection), ledger.vanished(read.connection)
    return [
        {
            "name": ".".join(place),
            "connection": place[0],
            "stream": place[1],
            "counts": asdict(totals.get(place, Counts())),
            "quarantine_open": refused.get(place, 0),
            "position": positions.get(place),
            # The registry of records is in no snapshot.
            "outdated": None if read.taken_at else _outdated(read, settings, *place),
            "vanished": None if read.taken_at else vanished.get(place, 0),
        }
        for place in sorted({*totals, *positions, *stopped})
    ]


def _outdated(read: Reading, settings: Settings, connection: str, stream: str) -> int:
    """Records that an earlier mapping made; 0 for a stream that is not configured any more, or has a fault."""
    from cxflow import sources
    from cxflow.errors import ConfigError

    try:
        return sources.outdated_in(read.connection, settings, connection, stream)
    except ConfigError:
        return 0
