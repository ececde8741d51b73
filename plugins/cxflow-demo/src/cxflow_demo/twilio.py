"""The shapes of Twilio's API: calls with the legs to agents, and TaskRouter's events of tasks. Called by `voice`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from cxflow_demo.record import Row, utc_iso

_ACCOUNT, _WORKSPACE = "AC00000000000000000000000000000001", "WS00000000000000000000000000000001"
_COMPANY = "+34910000000"
_WITHHELD = "+266696687"
"""What Twilio writes for a number that is withheld: it spells anonymous."""


def call_sid(number: int, leg: int = 0) -> str:
    """The SID of a call (leg 0), or of a leg of it."""
    return f"CA{number:024d}{leg:08d}"


def task_sid(number: int) -> str:
    """The SID of a call's task."""
    return f"WT{number:032d}"


def call(
    number: int,
    leg: int,
    *,
    caller: str | None,
    agent: str,
    started_at: datetime,
    ended_at: datetime,
    updated_at: datetime,
    price: str | None,
) -> Row:
    """A call that is over: of a customer, or a leg of it to an agent. Its price comes later."""
    outside = caller or _WITHHELD
    return {
        "sid": call_sid(number, leg),
        "date_created": format_datetime(started_at),
        "date_updated": format_datetime(updated_at),
        "parent_call_sid": call_sid(number) if leg else None,
        "account_sid": _ACCOUNT,
        "to": f"client:{agent}" if leg else _COMPANY,
        "from": outside,
        "status": "completed",
        "start_time": format_datetime(started_at),
        "end_time": format_datetime(ended_at),
        "duration": str(round((ended_at - started_at).total_seconds())),
        "price": price,
        "price_unit": "USD",
        "direction": "outbound-dial" if leg else "inbound",
        "queue_time": "0",
    }


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a task, and when."""

    kind: str
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)
    """What the event says besides what each one says."""
    closes: bool = False
    """Whether the agents' desktop has written by then what it notes of a conversation."""


def task(number: int, *, caller: str | None, queue: str, topic: str, noted: Row, steps: list[Step]) -> Row:
    """A call's task, from which `events` are made. `noted` is what the agents' desktop writes of the conversation;
    TaskRouter takes any JSON as a task's attributes."""
    return {
        "sid": task_sid(number),
        "queue": queue,
        "attributes": {
            "call_sid": call_sid(number),
            "from": caller or _WITHHELD,
            "to": _COMPANY,
            "direction": "inbound",
            "topic": topic,
            "conversations": noted,
        },
        "events": [{"sid": f"EV{number:024d}{place:08d}", "step": step} for place, step in enumerate(steps)],
    }


def events(task: Row) -> list[Row]:
    """The events of a task, as TaskRouter keeps them."""
    return [_event(task, each["sid"], each["step"]) for each in task["events"]]


def _event(task: Row, sid: str, step: Step) -> Row:
    attributes = dict(task["attributes"])
    if not step.closes:
        del attributes["conversations"]
    return {
        "sid": sid,
        "account_sid": _ACCOUNT,
        "workspace_sid": _WORKSPACE,
        "event_type": step.kind,
        "event_date": utc_iso(step.at),
        "event_date_ms": round(step.at.timestamp() * 1000),
        "resource_sid": task["sid"],
        "resource_type": step.kind.partition(".")[0],
        "source_ip_address": None,
        "event_data": {
            "task_sid": task["sid"],
            "task_channel_unique_name": "voice",
            "task_queue_name": task["queue"],
            "task_attributes": json.dumps(attributes),
            **step.data,
        },
    }
