"""An account with a day's calls and tasks, in Twilio's own form, and how to write more of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cxflow_twilio.service import Record, TwilioService

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
ACCOUNT, WORKSPACE = "AC00000000000000000000000000000001", "WS00000000000000000000000000000001"


def call(number: int, at: datetime, /, seconds: int | None = 60, **more: Any) -> Record:
    """A call that began at a time; `seconds` None: it is in progress. A call changes last when it ends."""
    ended = None if seconds is None else at + timedelta(seconds=seconds)
    return {
        "sid": f"CA{number:032}",
        "date_created": format_datetime(at - timedelta(seconds=1)),
        "date_updated": format_datetime(ended or at),
        "parent_call_sid": None,
        "account_sid": ACCOUNT,
        "to": "+442079460999",
        "from": "+447911123101",
        "status": "in-progress" if ended is None else "completed",
        "start_time": format_datetime(at),
        "end_time": None if ended is None else format_datetime(ended),
        "duration": None if seconds is None else str(seconds),
        "price": None,
        "price_unit": "USD",
        "direction": "inbound",
        "queue_time": "0",
        **more,
    }


def event(
    task: int, kind: str, at: datetime, attributes: dict[str, Any] | None = None, **data: Any
) -> Record:
    """An event of a task."""
    task_sid = f"WT{task:032}"
    told = {"from": "+447911123101", "direction": "inbound", **(attributes or {})}
    return {
        "sid": f"EV{uuid5(NAMESPACE_URL, f'{task} {kind} {at}').hex}",
        "account_sid": ACCOUNT,
        "workspace_sid": WORKSPACE,
        "event_type": kind,
        "event_date": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "event_date_ms": int(at.timestamp() * 1000),
        "resource_sid": task_sid,
        "resource_type": kind.split(".")[0],
        "source_ip_address": None,
        "event_data": {
            "task_sid": task_sid,
            "task_channel_unique_name": "voice",
            "task_queue_name": "Care",
            "task_attributes": json.dumps(told),
            **data,
        },
    }


def after(start: datetime, seconds: float) -> datetime:
    return start + timedelta(seconds=seconds)


def of_one_morning(at: datetime = MORNING) -> TwilioService:
    """A call answered after 12 s and transferred; one given up after 40 s; a chat that timed out; a call to a
    customer; a withheld number; one in progress. An agent's event is of no task."""
    worker = {"worker_sid": "WK1", "worker_name": "Agent One"}
    second = {"worker_sid": "WK2", "worker_name": "Agent Two", "task_queue_name": "Billing"}
    mine = {"call_sid": f"CA{1:032}", "conversations": {"hold_time": 20}}
    his = {"from": "+447911123102", "call_sid": f"CA{3:032}"}
    her = {"from": "web-visitor", "customers": {"email": "Amina@example.org"}}
    chat = {"task_channel_unique_name": "chat"}
    agent = {**event(9, "worker.activity.update", at), "event_data": {"worker_name": "Agent One"}}
    return TwilioService(
        calls=[
            call(1, at, 200),
            call(
                2,
                after(at, 12),
                188,
                parent_call_sid=f"CA{1:032}",
                direction="outbound-dial",
                to="client:agent_one",
            ),
            call(3, after(at, 300), 40, **{"from": "+447911123102"}),
            call(
                4,
                after(at, 600),
                90,
                direction="outbound-api",
                **{"from": "+442079460999", "to": "+447911123103"},
            ),
            call(5, after(at, 700), 0, status="busy", direction="outbound-api", to="+447911123104"),
            call(6, after(at, 800), 30, **{"from": "+266696687"}),
            call(7, after(at, 900), None),
        ],
        events=[
            event(1, "task.created", at, mine),
            event(1, "reservation.accepted", after(at, 12), mine, **worker),
            event(1, "reservation.wrapup", after(at, 112), mine, **worker),
            event(1, "task.transfer-completed", after(at, 112), mine),
            event(1, "reservation.accepted", after(at, 120), mine, **second),
            event(1, "task.wrapup", after(at, 200), mine, **second),
            event(1, "task.completed", after(at, 230), mine, task_completed_reason="hang up"),
            event(2, "task.created", after(at, 300), his),
            event(2, "task.canceled", after(at, 340), his, task_canceled_reason="Caller hung up"),
            event(3, "task.created", after(at, 400), her, **chat),
            event(3, "task.canceled", after(at, 4000), her, task_canceled_reason="Task TTL Exceeded", **chat),
            agent,
        ],
        now=at + timedelta(days=1),
    )
