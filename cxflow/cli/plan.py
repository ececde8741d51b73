"""`cxflow run --dry-run`: what would be read, and which tables filled. Nothing is made, not even a file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cxflow.cli import warehouse
from cxflow.cli.output import moment, table
from cxflow.errors import CxflowError

if TYPE_CHECKING:
    from cxflow.cli.call import Call


def show(call: Call, streams: list[tuple[str, str]], end: datetime) -> None:
    """Plan streams as a run up to `end` would find them; one that cannot be planned stops no other."""
    plans: list[dict[str, Any]] = []
    with warehouse.or_empty(call.settings) as settings:
        for connection, stream in streams:
            try:
                plans.append(_plan(settings, connection, stream, end))
            except CxflowError as problem:
                call.fail(problem)
    zone = call.settings.project.timezone
    rows = [
        (
            f"{each['connection']}.{each['stream']}",
            moment(datetime.fromisoformat(each["window"]["start"]), zone)
            if each["window"]["start"]
            else "the beginning",
            "\n".join(each["reads"]) or "nothing",
            ", ".join(each["fills"]),
        )
        for each in plans
    ]
    title = f"Would be read, up to {moment(end, zone)} ({zone})"
    call.out.answer(plans, table(title, ("stream", "from", "reads", "fills"), rows))


def _plan(settings: Any, connection: str, stream: str, end: datetime) -> dict[str, Any]:
    from cxflow import flow

    flow.doctor(settings, connection, stream)
    window = flow.scheduled_window(settings, connection, stream, end)
    return {
        "connection": connection,
        "stream": stream,
        "window": window.as_json(),
        "reads": flow.plan(settings, connection, stream, window, "scheduled"),
        "fills": list(flow.open_connection(settings, connection).stream(stream).to),
    }
