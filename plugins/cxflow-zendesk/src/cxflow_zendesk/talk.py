"""The streams of Zendesk Talk: calls, and their legs."""

from __future__ import annotations

from typing import Any

from cxflow import http

from cxflow_zendesk.exports import EXPORT, Walk
from cxflow_zendesk.expressions import after

_OFFERED = after("created_at", "coalesce(ivr_time_spent, '0')", "seconds")
_WAS_ANSWERED = "completion_status IN ('completed', 'abandoned_on_hold') AND time_to_answer IS NOT NULL"

_OF_TALK: dict[str, Any] = {
    "primary_key": ("id",),
    "version": "updated_at",
    "params": {"start_time": "{start:epoch}"},
    # Talk never says that it is over: its last page comes again, with the second at which it started.
    "pages": Walk(time="updated_at", over=None),
    "changed": "updated_at",
    "says": "count",
    **EXPORT,
}

CALLS = http.RestStream(
    name="calls",
    title="Talk calls",
    path="/api/v2/channels/voice/stats/incremental/calls.json",
    records="calls",
    **_OF_TALK,
    to={
        "touchpoint": {
            # A call with a ticket is one contact, and the ticket is it.
            "activity": "CASE WHEN direction = 'outbound' THEN 'received_call' "
            "WHEN ticket_id IS NOT NULL THEN 'entered_queue' ELSE 'called_support' END",
            "channel": "'phone'",
            "direction": "direction",
            "occurred_at": "created_at",
            "ended_at": after("created_at", "duration", "seconds"),
            "case_id": "ticket_id",
            "agent_id": "agent_id",
        },
        "interaction": {
            "where": "direction = 'inbound' AND coalesce(completion_status, '') <> 'abandoned_in_ivr'",
            "interaction_id": "id",
            "queue_id": "call_group_id",
            "agent_id": "agent_id",
            "offered_at": _OFFERED,
            "answered_at": f"CASE WHEN {_WAS_ANSWERED} THEN "
            f"{after(_OFFERED, 'time_to_answer', 'seconds')} END",
            # A caller whom the queue sent to voicemail has not given up.
            "abandoned_at": "CASE WHEN completion_status = 'abandoned_in_queue' THEN "
            f"{after(_OFFERED, 'wait_time', 'seconds')} END",
            "talk_seconds": "talk_time",
            "hold_seconds": "hold_time",
            "acw_seconds": "wrap_up_time",
            "outcome": f"CASE WHEN {_WAS_ANSWERED} THEN 'answered' "
            "WHEN completion_status = 'abandoned_in_queue' THEN 'abandoned' "
            "WHEN voicemail = 'true' THEN 'voicemail' ELSE completion_status END",
        },
    },
    identifiers={"user": "customer_id"},
    pii=("phone_number", "line"),
    may_lack=(
        "customer_id",
        "agent_id",
        "ticket_id",
        "completion_status",
        "duration",
        "wait_time",
        "time_to_answer",
        "talk_time",
        "hold_time",
        "wrap_up_time",
        "ivr_time_spent",
        "call_group_id",
        "voicemail",
    ),
)

LEGS = http.RestStream(
    name="legs",
    title="Legs of Talk calls: each person's part in a call",
    path="/api/v2/channels/voice/stats/incremental/legs.json",
    records="legs",
    **_OF_TALK,
    # The call is the contact, with all of its times: a leg would count it again. Legs land, and make no row.
    to={"interaction": {"where": "false", "interaction_id": "id", "offered_at": "created_at"}},
    pii=("forwarded_to",),
    may_lack=(
        "call_id",
        "agent_id",
        "user_id",
        "completion_status",
        "forwarded_to",
        "talk_time",
        "hold_time",
    ),
)
