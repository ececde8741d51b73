"""Sums up a task from its events: when it was created, accepted, wrapped up and ended, where and by whom.

TaskRouter forgets tasks minutes after they end, but keeps their events for 30 days. No single event tells a wait and a
talk time: they are the differences between several.
"""

from __future__ import annotations

import json
from typing import Any

# A task that is over may be deleted afterwards, which ends nothing.
_ENDS = ("task.completed", "task.canceled", "task.deleted", "task.system-deleted")
_WRAPUPS = ("task.wrapup", "reservation.wrapup")


def summed(record: bytes) -> bytes:
    """A record with `events`, with what they say of their task put in front. Times (`…_ms`) are milliseconds since
    1970, as in the events."""
    found = json.loads(record)
    once = {event["sid"]: event for event in found["events"]}  # one that comes twice counts once
    events = sorted(once.values(), key=lambda event: (int(event["event_date_ms"]), event["sid"]))
    of: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        of.setdefault(event["event_type"], []).append(event)
    accepted = of.get("reservation.accepted", [])
    ends = [event for kind in _ENDS for event in of.get(kind, [])]
    wrapped = [_ms(event) for kind in _WRAPUPS for event in of.get(kind, [])]
    end = ends[0] if ends else None
    created, answered, ended = _ms(*of.get("task.created", [])[:1]), _ms(*accepted[:1]), _ms(end)
    # The last wrap-up after the last answer: a transferred task is wrapped up by each agent.
    talked_until = max((at for at in wrapped if at and answered and at >= answered), default=ended)
    text = _last(events, "task_attributes")
    attributes = _attributes(text)
    is_outbound = attributes.get("direction") == "outbound"
    summary = {
        "sid": found["_parent"]["key"],
        "changed_ms": _ms(*events[-1:]),
        "channel": _last(events, "task_channel_unique_name"),
        # Those of the first answer, to which the wait belongs.
        "queue": _last(accepted[:1] or events, "task_queue_name"),
        "worker_sid": _last(accepted[:1], "worker_sid"),
        "worker_name": _last(accepted[:1], "worker_name"),
        "created_ms": created,
        "accepted_ms": answered,
        "ended_ms": ended,
        "talk_ms": talked_until - answered if talked_until and answered else None,
        "wrapup_ms": ended - talked_until if ended and talked_until and answered else None,
        "outcome": _outcome(end, answered=bool(answered)),
        "reason": _last(ends, "task_canceled_reason") or _last(ends, "task_completed_reason"),
        "transfers": len(of.get("task.transfer-completed", [])),
        "direction": "outbound" if is_outbound else "inbound",
        "customer_phone": attributes.get("outbound_to") if is_outbound else attributes.get("from"),
        "customer_email": _within(attributes, "customers", "email") or attributes.get("email"),
        "call_sid": attributes.get("call_sid"),
        # Still a text: what a company writes there may be of another kind tomorrow.
        "attributes": text if attributes else None,
        "hold_seconds": _within(attributes, "conversations", "hold_time"),
    }
    return json.dumps(summary, ensure_ascii=False)[:-1].encode() + b"," + record[1:]


def _ms(event: dict[str, Any] | None = None) -> int | None:
    return None if event is None else int(event["event_date_ms"])


def _last(events: list[dict[str, Any]], name: str) -> Any:
    """The last value that is not empty."""
    values = ((event.get("event_data") or {}).get(name) for event in reversed(events))
    return next((value for value in values if value), None)


def _attributes(text: Any) -> dict[str, Any]:
    """A task's attributes, which are JSON in a text of JSON; none if they are redacted."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _within(attributes: dict[str, Any], *path: str) -> Any:
    """The value at a path; None if there is none."""
    found: Any = attributes
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _outcome(end: dict[str, Any] | None, *, answered: bool) -> str | None:
    """How it ended; None while it has not."""
    if end is None:
        return None
    if answered:
        return "answered"
    reason = str((end.get("event_data") or {}).get("task_canceled_reason") or "").lower()
    return "timeout" if "ttl" in reason or end["event_type"] != "task.canceled" else "abandoned"
