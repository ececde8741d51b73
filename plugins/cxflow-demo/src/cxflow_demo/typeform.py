"""The shapes of Typeform's API: forms, and what people answered. Called by `surveys`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cxflow_demo.record import Row, utc_iso

_QUESTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nps": ("nps", "How likely are you to recommend us to a friend?", {"steps": 11}),
    "csat": ("rating", "How satisfied are you with us?", {"steps": 5, "shape": "star"}),
    "ces": ("opinion_scale", "How easy was it to get what you needed?", {"steps": 7, "start_at_one": True}),
}
"""Metric to the type, the title and the properties of its question."""


def form(identifier: str, title: str, metrics: tuple[str, ...]) -> Row:
    """A form that asks for some metrics, each with a reason. It knows the address it was sent to."""
    fields = []
    for metric in metrics:
        kind, asks, properties = _QUESTIONS[metric]
        fields += [
            {**_field(identifier, metric, kind), "title": asks, "properties": properties},
            {**_field(identifier, f"{metric}_why", "long_text"), "title": "Why?", "properties": {}},
        ]
    return {
        "id": identifier,
        "title": title,
        "hidden": ["email"],
        "fields": fields,
        "last_updated_at": "2025-11-03T09:00:00Z",
    }


def response(
    form: str,
    token: str,
    *,
    landed_at: datetime,
    submitted_at: datetime,
    email: str,
    answers: list[tuple[str, int, str]],
) -> Row:
    """A completed response: metric, score and reason of each answer; without a reason that question is not answered."""
    given: list[Row] = []
    for metric, score, why in answers:
        given.append(
            {"field": _field(form, metric, _QUESTIONS[metric][0]), "type": "number", "number": score}
        )
        if why:
            given.append({"field": _field(form, f"{metric}_why", "long_text"), "type": "text", "text": why})
    return {
        "landing_id": token,
        "token": token,
        "response_id": token,
        "response_type": "completed",
        "landed_at": utc_iso(landed_at),
        "submitted_at": utc_iso(submitted_at),
        "metadata": {"user_agent": "Mozilla/5.0", "platform": "other", "network_id": token.lower()},
        "hidden": {"email": email},
        "calculated": {"score": 0},
        "answers": given,
    }


def _field(form: str, ref: str, kind: str) -> Row:
    return {"id": f"{form}_{ref}", "ref": ref, "type": kind}
