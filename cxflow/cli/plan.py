"""`cxflow run --dry-run`: shows what would be read, and the result for its first records. Creates nothing, not even a
file."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cxflow.cli import warehouse
from cxflow.cli.output import first_of, moment, table
from cxflow.errors import CxflowError

if TYPE_CHECKING:
    from cxflow.cli.call import Call


def show(call: Call, streams: list[tuple[str, str]], end: datetime, *, landed: bool, reveal: bool) -> None:
    """Plan a run of streams up to `end`; a stream that cannot be planned does not stop the others. `landed`: try the
    newest landed records instead of the source's; `reveal`: show refused values as they are, personal ones too."""
    from cxflow.landing import prepared

    plans: list[dict[str, Any]] = []
    with warehouse.or_empty(call.settings) as settings:
        for connection, stream in streams:
            try:
                plans.append(_plan(settings, connection, stream, end, landed=landed, reveal=reveal))
            except CxflowError as problem:
                call.fail(problem)
    zone = call.settings.project.timezone
    rows = [
        (
            f"{each['connection']}.{each['stream']}",
            moment(datetime.fromisoformat(each["window"]["start"]), zone)
            if each["window"]["start"]
            else "the beginning",
            first_of(each["reads"]) or "nothing",
            *_tried(each["tried"]),
        )
        for each in plans
    ]
    title = f"Would be read, up to {moment(end, zone)} ({zone})"
    names = ("stream", "from", "reads", "records tried", "rows", "refused")
    call.out.answer(plans, *([table(title, names, rows)] if rows else []))
    for each in plans:
        if why := each["tried"]["stopped"]:
            call.out.note(f"{each['connection']}.{each['stream']}: the gate would stop such a batch: {why}")
        for line in (*prepared.example_lines(each["tried"]["examples"]), *each["tried"]["suggestions"]):
            call.out.note(f"  {line}")


def _tried(tried: dict[str, Any]) -> tuple[int, list[str], list[str]]:
    """The cells of a stream: records tried, rows by table, refused records by reason."""
    rows, reasons = tried["rows"].items(), tried["reasons"].items()
    return (
        tried["records"],
        [f"{name} {count:,}" for name, count in rows],
        [f"{tried['refused']:,}", *(f"{reason} {count:,}" for reason, count in reasons)],
    )


def _plan(
    settings: Any, connection: str, stream: str, end: datetime, *, landed: bool, reveal: bool
) -> dict[str, Any]:
    from cxflow import flow, sources

    window = flow.scheduled_window(settings, connection, stream, end)
    if landed:
        tried = sources.try_landed(settings, connection, stream, reveal=reveal)
        reads = ["the newest landed batch"]
    else:
        tried = sources.try_first(settings, connection, stream, window, "scheduled", reveal=reveal)
        reads = sources.plan(settings, connection, stream, window, "scheduled")
    return {
        "connection": connection,
        "stream": stream,
        "window": window.as_json(),
        "reads": reads,
        "fills": list(sources.open_connection(settings, connection, offline=True).stream(stream).to),
        "tried": asdict(tried),
    }
