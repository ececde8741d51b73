"""A Zendesk account of two customers, a deleted and an erased one, and two agents."""

from __future__ import annotations

from typing import Any

from cxflow_zendesk.service import ZendeskService, epoch

ANA, BEN, DELETED, ERASED, AGENT, ADMIN = 101, 102, 103, 104, 901, 902


def user(number: int, name: str, role: str = "end-user", **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "email": f"{name.lower()}@example.org",
        "created_at": "2024-05-01T10:00:00Z",
        "updated_at": "2026-03-01T08:00:00Z",
        "phone": None,
        "shared_phone_number": None,
        "role": role,
        "external_id": None,
        "active": True,
        "user_fields": {"loyalty_tier": "gold"},
        "permanently_deleted": False,
        **more,
    }


def minutes(calendar: int | None) -> dict[str, int | None]:
    return {"calendar": calendar, "business": calendar}


def ticket(
    number: int,
    requester: int,
    created: str = "2026-03-01T08:00:00Z",
    changed: str = "2026-03-02T08:00:00Z",
    *,
    channel: str = "email",
    reply: int | None = None,
    first_solved: int | None = None,
    solved: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": number,
        "via": {"channel": channel, "source": {"from": {"address": "x@example.org"}, "to": {}, "rel": None}},
        "created_at": created,
        "updated_at": changed,
        "generated_timestamp": epoch(changed),
        "subject": "Order 1001 damaged",
        "description": "Parcel arrived open",
        "priority": "high",
        "status": "open",
        "requester_id": requester,
        "submitter_id": requester,
        "assignee_id": AGENT,
        "custom_fields": [{"id": 27642, "value": "delivery"}, {"id": 27648, "value": None}],
        "fields": [{"id": 27642, "value": "delivery"}, {"id": 27648, "value": None}],
        "satisfaction_rating": None,
        "metric_set": {
            "reopens": 0,
            "replies": 1,
            "solved_at": solved,
            "reply_time_in_minutes": minutes(reply),
            "first_resolution_time_in_minutes": minutes(first_solved),
        },
        **more,
    }


def comment(number: int, author: int, at: str, *, public: bool = True) -> dict[str, Any]:
    return {
        "id": number,
        "type": "Comment",
        "event_type": "Comment",
        "author_id": author,
        "body": "So sorry, a refund is on its way",
        "public": public,
        "via": {"channel": "email", "source": {"from": {"address": "x@example.org"}}},
        "created_at": at,
    }


def event(number: int, of: int, at: str, *children: dict[str, Any], updater: int = AGENT) -> dict[str, Any]:
    return {
        "id": number,
        "ticket_id": of,
        "timestamp": epoch(at),
        "created_at": at,
        "updater_id": updater,
        "via": "Web form",
        "event_type": "Audit",
        "child_events": list(children),
    }


def change(number: int, status: str) -> dict[str, Any]:
    return {"id": number, "event_type": "Change", "status": status, "previous_value": "new"}


def metric_event(number: int, of: int, kind: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "ticket_id": of,
        "metric": "reply_time",
        "instance_id": 1,
        "type": kind,
        "time": at,
        **more,
    }


def rating(number: int, of: int, requester: int, score: str, created: str, changed: str) -> dict[str, Any]:
    return {
        "id": number,
        "assignee_id": AGENT,
        "requester_id": requester,
        "ticket_id": of,
        "score": score,
        "comment": "Took too long" if score == "bad" else None,
        "reason": "No reason provided",
        "created_at": created,
        "updated_at": changed,
    }


def survey(ulid: str, of: int, responder: int, created: str, *answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ulid,
        "created_at": created,
        "expires_at": "2026-04-01T00:00:00.000Z",
        "responder_id": responder,
        "subject_zrns": [f"zen:ticket:{of}"],
        "subjects": [{"id": str(of), "type": "ticket", "zrn": f"zen:ticket:{of}"}],
        "survey": {"id": "01J58KJ9RAE0D2EK7HRVM7Z8F2", "state": "enabled", "version": 3},
        "answers": [{"created_at": created, "updated_at": created, **each} for each in answers],
    }


def rated(points: int) -> dict[str, Any]:
    question = {"id": "01RATING", "type": "rating_scale_numeric", "sub_type": "customer_satisfaction"}
    return {"type": "rating_scale", "rating": points, "rating_category": "bad", "question": question}


def written(text: str) -> dict[str, Any]:
    return {"type": "open_ended", "value": text, "question": {"id": "01COMMENT", "type": "open_ended"}}


SKIPPED = {"type": "skipped", "question": {"id": "01COMMENT", "type": "open_ended"}}


def call(number: int, at: str, customer: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "created_at": at,
        "updated_at": at,
        "direction": "inbound",
        "customer_id": customer,
        "agent_id": None,
        "ticket_id": None,
        "call_group_id": 5,
        "completion_status": status,
        "duration": 200,
        "wait_time": 0,
        "time_to_answer": None,
        "talk_time": 0,
        "hold_time": 0,
        "wrap_up_time": 0,
        "ivr_time_spent": None,
        "voicemail": False,
        "phone_number": "+34900000000",
        **more,
    }


def leg(number: int, call: int, part: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "call_id": call,
        "type": part,
        "created_at": at,
        "updated_at": at,
        "agent_id": None,
        "user_id": None,
        "completion_status": "completed",
        "duration": 0,
        "talk_time": 0,
        "hold_time": 0,
        "forwarded_to": None,
        **more,
    }


def account(**more: Any) -> ZendeskService:
    """The account. Pages of two: every export has several, one of them empty."""
    found: dict[str, Any] = {
        "users": [
            user(ANA, "Ana", phone="+34911234567", external_id="cust-1"),
            user(BEN, "Ben"),
            user(DELETED, "Cleo", active=False, updated_at="2026-03-01T08:30:00Z"),
            user(
                ERASED,
                "Permanently Deleted User",
                email=None,
                active=False,
                permanently_deleted=True,
                updated_at="2026-03-01T09:00:00Z",
            ),
            user(AGENT, "Agnes", "agent"),
            user(ADMIN, "Adam", "admin"),
        ],
        "tickets": [
            ticket(1, ANA, reply=135, first_solved=600, solved="2026-03-02T08:00:00Z", status="solved"),
            ticket(2, BEN, "2026-03-01T09:00:00Z", channel="web", reply=15),
            # Archived: closed long ago.
            ticket(3, ANA, "2025-06-01T08:00:00Z", "2025-09-01T00:00:00Z", channel="chat", status="closed"),
            ticket(4, ANA, subject="SCRUBBED", description="SCRUBBED", status="deleted"),
            ticket(5, BEN, channel="web", submitter_id=AGENT),
            ticket(6, BEN, "2026-03-01T10:00:00Z", channel="voice", reply=0),
            ticket(7, BEN, "2026-03-01T10:30:00Z", support_type="ai_agent", channel="native_messaging"),
        ],
        "ticket_events": [
            event(11, 1, "2026-03-01T08:00:00Z", comment(110, ANA, "2026-03-01T08:00:00Z"), updater=ANA),
            event(
                12,
                1,
                "2026-03-01T10:15:00Z",
                comment(120, AGENT, "2026-03-01T10:15:00Z"),
                change(121, "pending"),
            ),
            event(13, 1, "2026-03-01T10:15:00Z", comment(130, ADMIN, "2026-03-01T10:15:00Z", public=False)),
            event(14, 1, "2026-03-01T10:15:00Z", change(140, "solved")),
            event(15, 2, "2026-03-01T10:15:01Z", comment(150, BEN, "2026-03-01T10:15:01Z"), updater=BEN),
        ],
        "ticket_metric_events": [
            metric_event(21, 1, "activate", "2026-03-01T08:00:00Z"),
            metric_event(22, 1, "breach", "2026-03-01T09:00:00Z"),
            metric_event(23, 2, "breach", "2026-03-01T09:00:00Z", deleted=True),
            metric_event(24, 1, "fulfill", "2026-03-01T10:15:00Z"),
        ],
        "satisfaction_ratings": [
            rating(62, 1, ANA, "bad", "2026-02-20T09:00:00Z", "2026-03-01T11:00:00Z"),
            rating(63, 2, BEN, "offered", "2026-03-01T11:30:00Z", "2026-03-01T11:30:00Z"),
            rating(64, 3, BEN, "good", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ],
        "survey_responses": [
            survey("01A", 1, ANA, "2026-03-01T11:00:00Z", rated(1), written("Took too long"), SKIPPED),
            survey("01B", 2, BEN, "2026-03-01T12:00:00Z", rated(5), SKIPPED),
            survey("01C", 3, BEN, "2026-03-01T13:00:00Z", SKIPPED),
        ],
        "calls": [
            call(
                71,
                "2026-03-01T10:00:00Z",
                BEN,
                "completed",
                agent_id=AGENT,
                ticket_id=6,
                time_to_answer=20,
                talk_time=100,
                hold_time=10,
                wrap_up_time=5,
                ivr_time_spent=7,
            ),
            call(72, "2026-03-01T11:00:00Z", ANA, "abandoned_in_queue", wait_time=60),
            call(73, "2026-03-01T12:00:00Z", ANA, "completed", direction="outbound", agent_id=AGENT),
            call(74, "2026-03-01T13:00:00Z", ANA, "abandoned_in_ivr"),
            call(75, "2026-03-01T14:00:00Z", ANA, "completed_voicemail", voicemail=True),
        ],
        "legs": [
            leg(81, 71, "customer", "2026-03-01T10:02:20Z", user_id=BEN, duration=142),
            leg(82, 71, "agent", "2026-03-01T10:00:27Z", agent_id=ADMIN, completion_status="agent_missed"),
            leg(83, 71, "agent", "2026-03-01T10:02:20Z", agent_id=AGENT, talk_time=100, hold_time=10),
        ],
        "page_size": 2,
        **more,
    }
    return ZendeskService(**found)
