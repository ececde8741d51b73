"""The shapes of Zendesk's API: tickets with their metrics, and users. Called by `desk`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cxflow_demo.record import Row, utc_iso

REASON, ORDER = 360_001, 360_002
"""The company's own fields of a ticket."""
_AGENT = 900_001


def ticket(
    number: int,
    *,
    requester: int,
    channel: str,
    subject: str,
    priority: str,
    status: str,
    reason: str,
    order: str | None,
    created_at: datetime,
    updated_at: datetime,
    first_reply_at: datetime | None,
    first_solved_at: datetime | None,
    solved_at: datetime | None,
    reopens: int,
    replies: int,
) -> Row:
    """A ticket. Zendesk counts times to a reply and to a solution in whole minutes."""
    fields = [{"id": REASON, "value": reason}, {"id": ORDER, "value": order}]
    return {
        "id": number,
        "via": {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": utc_iso(created_at),
        "updated_at": utc_iso(updated_at),
        "generated_timestamp": round(updated_at.timestamp()),
        "subject": subject,
        "description": subject,
        "priority": priority,
        "status": status,
        "requester_id": requester,
        "submitter_id": requester,
        "assignee_id": _AGENT if first_reply_at else None,
        "custom_fields": fields,
        "fields": fields,
        "satisfaction_rating": None,
        "metric_set": {
            "reopens": reopens,
            "replies": replies,
            "solved_at": utc_iso(solved_at),
            "reply_time_in_minutes": _minutes(created_at, first_reply_at),
            "first_resolution_time_in_minutes": _minutes(created_at, first_solved_at),
        },
    }


def user(number: int, name: str, email: str | None, created_at: datetime) -> Row:
    """A customer. Of a visitor who left no address, Zendesk knows that there was one."""
    return {
        "id": number,
        "name": name if email else f"Visitor {number}",
        "email": email,
        "created_at": utc_iso(created_at),
        "updated_at": utc_iso(created_at),
        "phone": None,
        "shared_phone_number": None,
        "role": "end-user",
        "external_id": None,
        "active": True,
        "permanently_deleted": False,
    }


def _minutes(start: datetime, end: datetime | None) -> dict[str, Any]:
    passed = int((end - start).total_seconds() // 60) if end else None
    return {"calendar": passed, "business": passed}
