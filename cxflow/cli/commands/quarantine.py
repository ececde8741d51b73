"""`cxflow quarantine`: shows what was refused and why; replays or discards it.

An *entry* is the refusal of one record by one rule, for one column or pair: a record may have several.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cxflow.cli import outcome
from cxflow.cli.call import Call, command
from cxflow.cli.output import moment, table
from cxflow.cli.typer_classes import Group
from cxflow.errors import ConfigError

if TYPE_CHECKING:
    from cxflow.validate.quarantine import Filter

Connection = Annotated[str | None, typer.Option(metavar="NAME", help="Only this connection.")]
Stream = Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")]
Rule = Annotated[str | None, typer.Option(metavar="NAME", help="Only this rule.")]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="Only this entry (id or prefix of it); repeatable."),
]
Status = Literal["open", "replayed", "superseded", "discarded", "all"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Show, replay or discard the entries of refused records.", no_args_is_help=True
    )
    command(group, "list")(list_reasons)
    command(group)(show)
    command(group)(replay)
    command(group)(discard)
    app.add_typer(group, name="quarantine", rich_help_panel="Inspect")


def list_reasons(
    call: Call,
    connection: Connection = None,
    stream: Stream = None,
    rule: Rule = None,
    status: Annotated[Status, typer.Option(help="Only entries with this status.")] = "open",
    entries: Annotated[
        bool, typer.Option("--entries", help="List single entries with their ids, newest first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of entries.")] = 50,
) -> None:
    """Count the entries by reason, or list them."""
    from cxflow.cli import reasons
    from cxflow.validate import quarantine

    chosen = _filter(call, connection, stream, rule, None, status)
    zone = call.settings.project.timezone
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    if entries:
        found = [_without_content(row) for row in quarantine.entries(call.settings, chosen, limit)]
        columns = ("id", "stream", "rule", "column", "record", "status", "first seen")
        rows = [
            (
                entry["quarantine_id"][:12],
                f"{entry['source_system']}.{entry['source_object']}",
                entry["rule"],
                entry["column_name"],
                entry["source_record_id"],
                entry["status"],
                moment(entry["first_seen_at"], zone),
            )
            for entry in found
        ]
    else:
        found = [dict(row) for row in quarantine.reasons(call.settings, chosen)]
        columns = ("stream", "rule", "column", "status", "entries", "last seen")
        rows = [
            (
                f"{reason['source_system']}.{reason['source_object']}",
                reason["rule"],
                reason["column_name"],
                reason["status"],
                reason["entries"],
                moment(reason["last_seen_at"], zone),
            )
            for reason in found
        ]
    means = {row["rule"]: reasons.meaning(call.settings, row) for row in found}
    shown = table(f"Quarantine ({zone})", columns, rows)
    notes = [f"{rule}: {meaning}" for rule, meaning in means.items() if meaning]
    call.out.answer(found, *([shown, *notes] if found else ["nothing is in quarantine"]))


def show(
    call: Call,
    entry: Annotated[str, typer.Argument(metavar="ID", help="The id of the entry, or a prefix of it.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the content of the record, which is personal data.")
    ] = False,
) -> None:
    """Show one entry: the rule that was broken, the record's place in the landing zone and, on request, its content."""
    from cxflow.cli import reasons, warehouse
    from cxflow.validate import quarantine

    warehouse.require(call.settings)
    found = quarantine.entries(call.settings, quarantine.Filter(status=None, ids=(entry,)), limit=2)
    if len(found) != 1:
        how = "several entries begin" if found else "no entry begins"
        raise ConfigError(
            f"{how} with {entry!r}", value=entry, fix="`cxflow quarantine list --entries` lists them"
        )
    one = dict(found[0]) if reveal else _without_content(found[0], mask=True)
    means = {
        "means": reasons.meaning(call.settings, one),
        "expression": reasons.expression(call.settings, one),
    }
    zone = call.settings.project.timezone
    rows = [
        (name, moment(value, zone) if isinstance(value, datetime) else value) for name, value in one.items()
    ]
    call.out.answer(one | means, table(f"Entry ({zone})", ("", ""), [*rows, *means.items()]))


def replay(
    call: Call,
    connection: Connection = None,
    stream: Stream = None,
    rule: Rule = None,
    ids: Ids = None,
) -> None:
    """Process open entries again, after a mapping or rule was fixed. Does not read the source."""
    from cxflow import flow
    from cxflow.cli import loading

    chosen = _filter(call, connection, stream, rule, ids)

    def job(connection: str, stream: str) -> list[outcome.Load]:
        only = dataclasses.replace(chosen, connection=connection, stream=stream)
        return [outcome.Load(report) for report in flow.replay(call.settings, only)]

    loading.load(call, "replay", {place: partial(job, *place) for place in _places(call, chosen)})


def discard(
    call: Call,
    reason: Annotated[str, typer.Option(help="Stored with each entry.")],
    connection: Connection = None,
    stream: Stream = None,
    rule: Rule = None,
    ids: Ids = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Close open entries permanently, with a reason."""
    from cxflow import flow
    from cxflow.validate import quarantine

    chosen = _filter(call, connection, stream, rule, ids)
    meant = sum(row["entries"] for row in quarantine.reasons(call.settings, chosen))
    if meant and not yes:
        typer.confirm(f"Discard {meant:,} entries permanently?", abort=True, err=True)
    count = flow.discard(call.settings, chosen, reason)
    call.out.report({"discarded": count}, f"{count:,} entries discarded")


def _filter(
    call: Call,
    connection: str | None,
    stream: str | None,
    rule: str | None,
    ids: list[str] | None,
    status: Status = "open",
) -> Filter:
    from cxflow.cli import warehouse
    from cxflow.validate.quarantine import Filter

    warehouse.require(call.settings)
    return Filter(connection, stream, rule, None if status == "all" else status, tuple(ids or ()))


def _places(call: Call, chosen: Filter) -> list[tuple[str, str]]:
    """The streams of the chosen entries."""
    from cxflow.validate import quarantine

    rows = quarantine.reasons(call.settings, chosen)
    return list(dict.fromkeys((row["source_system"], row["source_object"]) for row in rows))


def _without_content(row: Any, *, mask: bool = False) -> dict[str, Any]:
    """An entry without the content of its record: left out or, with `mask`, replaced by its length."""
    entry = dict(row)
    for name in ("raw_value", "payload"):
        value = entry.pop(name)
        if mask:
            entry[name] = None if value is None else f"masked, {len(value):,} characters; --reveal shows it"
    return entry
