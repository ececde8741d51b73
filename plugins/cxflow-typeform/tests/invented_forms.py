"""Three forms: an NPS survey, one of satisfaction and effort, one without responses."""

from __future__ import annotations

from typing import Any

from cxflow_typeform.service import TypeformService


def question(ref: str, kind: str, title: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"id_{ref}", "ref": ref, "title": title, "type": kind, "properties": properties}


def form(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "title": f"Form {name}",
        "hidden": ["customer_id", "mail"],
        "fields": list(fields),
        "last_updated_at": "2026-02-01T12:00:00Z",
    }


def answered(ref: str, kind: str, value: Any) -> dict[str, Any]:
    """An answer to a question of that type."""
    of = {"email": "email", "phone_number": "phone_number", "long_text": "text", "short_text": "text"}
    name = of.get(kind, "number")
    return {"field": {"id": f"id_{ref}", "ref": ref, "type": kind}, "type": name, name: value}


def response(
    token: str, at: str, *answers: dict[str, Any], hidden: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "landing_id": token,
        "token": token,
        "response_id": token,
        "response_type": "completed",
        "landed_at": at,
        "submitted_at": at,
        "metadata": {
            "user_agent": "Mozilla/5.0 of somebody",
            "platform": "mobile",
            "network_id": "fb37f4bd8f",
        },
        "hidden": hidden or {},
        "calculated": {"score": 0},
        "answers": list(answers),
        **more,
    }


def partial(token: str, at: str, *answers: dict[str, Any], kind: str = "partial") -> dict[str, Any]:
    found = response(token, at, *answers, response_type=kind, staged_at=at)
    if kind == "started":
        return found | {"submitted_at": "0001-01-01T00:00:00Z"}
    del found["submitted_at"]
    return found


def account(**more: Any) -> TypeformService:
    """The account. Pages of two responses."""
    found: dict[str, Any] = {
        "forms": [
            form(
                "nps",
                question("main", "nps", "How likely are you to recommend us?", steps=11),
                question("why", "long_text", "Why?"),
                question("name", "short_text", "Your name"),
            ),
            form(
                "care",
                question("ease", "opinion_scale", "It was easy to get help", steps=7, start_at_one=True),
                {
                    **question("group", "group", "More"),
                    "properties": {
                        "fields": [question("happy", "rating", "How satisfied are you?", steps=5)]
                    },
                },
                question("colour", "rating", "Do you like our colours?", steps=3),
            ),
            form("empty"),
        ],
        "responses": {
            "nps": [
                response(
                    "n1",
                    "2026-03-01T10:15:30Z",
                    answered("main", "nps", 3),
                    answered("why", "long_text", "Delivery damaged"),
                    answered("name", "short_text", "Ana Lopez"),
                    answered("mail", "email", "ana@example.org"),
                    hidden={"customer_id": "cust-1", "mail": "ana@example.org"},
                ),
                response("n2", "2026-03-01T10:15:30Z", answered("main", "nps", 10)),
                response("n3", "2026-03-02T09:00:00Z", answered("main", "nps", 9)),
                response("n4", "2026-03-02T09:30:00Z", answers=None),
                response(
                    "n5", "2026-03-03T09:00:00Z", answered("main", "nps", 8), hidden={"customer_id": "cust-1"}
                ),
                partial("p1", "2026-03-01T11:00:00Z", answered("main", "nps", 7)),
                partial("s1", "2026-03-01T11:30:00Z", kind="started"),
            ],
            "care": [
                response(
                    "c1",
                    "2026-03-01T12:00:00Z",
                    answered("ease", "opinion_scale", 6),
                    answered("happy", "rating", 5),
                    answered("colour", "rating", 1),
                    answered("removed", "opinion_scale", 0),
                    answered("tel", "phone_number", "+34911234567"),
                ),
            ],
        },
        "page_size": 2,
        **more,
    }
    return TypeformService(**found)
