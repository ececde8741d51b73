"""The imitation answers in the shape of answers that are on file, in the folder `CXFLOW_VENDOR_EXAMPLES`."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from cxflow_zendesk.service import EMAIL, TOKEN

EXAMPLES = Path(os.environ.get("CXFLOW_VENDOR_EXAMPLES", "")) / "zendesk"
pytestmark = pytest.mark.skipif(
    not os.environ.get("CXFLOW_VENDOR_EXAMPLES"), reason="no answers on file to compare with"
)


def ask(address: str, path: str) -> Any:
    basic = b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
    try:
        with urlopen(Request(address + path, headers={"Authorization": f"Basic {basic}"})) as response:
            return json.loads(response.read())
    except HTTPError as problem:
        return json.loads(problem.read())


def keys(value: Any, at: str = "") -> set[str]:
    """Dotted keys of an answer; items of lists count together."""
    if isinstance(value, dict):
        return set().union(
            *({f"{at}{name}"} | keys(inner, f"{at}{name}.") for name, inner in value.items()), set()
        )
    return set().union(*(keys(item, at) for item in value), set()) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("example", "path"),
    [
        ("tickets_cursor_page1", "/api/v2/incremental/tickets/cursor.json?start_time=1&include=metric_sets"),
        ("users_cursor", "/api/v2/incremental/users/cursor.json?start_time=1"),
        (
            "ticket_events_comments",
            "/api/v2/incremental/ticket_events.json?start_time=1&include=comment_events",
        ),
        ("ticket_metric_events", "/api/v2/incremental/ticket_metric_events.json?start_time=1"),
        ("satisfaction_ratings", "/api/v2/satisfaction_ratings.json"),
        ("survey_responses", "/api/v2/guide/survey_responses"),
        ("error_400_start_time", "/api/v2/incremental/users/cursor.json?start_time=99999999999"),
    ],
)
def test_an_answer_has_no_key_that_the_service_does_not_have(address: str, example: str, path: str) -> None:
    recorded = json.loads((EXAMPLES / f"{example}.json").read_text(encoding="utf-8"))
    made = ask(address, path)
    own = {"links", "links.next", "links.prev"} if example == "survey_responses" else set()
    accounts_own = (
        "users.user_fields.",
        "tickets.support_type",
        "ticket_events.child_events.via.source.from.",
    )
    loose = {name for name in keys(made) if name.startswith(accounts_own)}
    assert keys(made) - keys(recorded) - own - loose == set()
    assert set(made) - own == set(recorded)
