"""The imitation's answers, beside examples of real ones."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import pytest
from cxflow.testing import answers

from cxflow_zendesk.service import EMAIL, TOKEN, ZendeskService


def ask(address: str, path: str) -> Any:
    basic = b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
    try:
        with urlopen(Request(address + path, headers={"Authorization": f"Basic {basic}"})) as response:
            return json.loads(response.read())
    except HTTPError as problem:
        return json.loads(problem.read())


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
        ("satisfaction_ratings", "/api/v2/satisfaction_ratings.json?page[size]=100"),
        ("survey_responses", "/api/v2/guide/survey_responses?page[size]=100"),
        ("error_400_start_time", "/api/v2/incremental/users/cursor.json?start_time=99999999999"),
    ],
)
def test_an_answer_has_no_key_that_the_service_does_not_have(address: str, example: str, path: str) -> None:
    real, made = answers.example("zendesk", f"{example}.json"), ask(address, path)
    accounts_own = (
        "users.user_fields.",
        "tickets.support_type",
        "ticket_events.child_events.via.source.from.",
        *(("links",) if example == "survey_responses" else ()),
    )
    assert answers.differences(made, real, *accounts_own) == []
    assert set(made) - {"links"} == set(real) - {"links"}


@pytest.mark.parametrize(
    ("seconds", "pages"),
    [
        # One that is too small for its first second has all of it, and the next begins a second later.
        ([7, 7, 7, 8], [(3, 8, False), (1, 8, True)]),
        # One of several seconds may cut the last, and the next begins there.
        ([7, 8, 8, 9], [(2, 8, False), (2, 9, False), (1, 9, True)]),
        ([], [(0, 1, True)]),
    ],
)
def test_pages_by_time_follow_each_other_as_recorded_ones_do(
    zendesk: ZendeskService, address: str, seconds: list[int], pages: list[tuple[int, int, bool]]
) -> None:
    zendesk.ticket_events = [
        {"id": number, "timestamp": second, "child_events": []} for number, second in enumerate(seconds)
    ]
    path = "/api/v2/incremental/ticket_events.json?start_time=1"
    for expected in pages:
        answer = ask(address, path)
        assert (answer["count"], answer["end_time"], answer["end_of_stream"]) == expected
        path = answer["next_page"].removeprefix(address)
        assert path.endswith(f"?start_time={answer['end_time']}"), "also the last one has a next page"


def test_the_link_to_the_next_page_of_an_export_has_what_was_asked_for(address: str) -> None:
    answer = ask(address, "/api/v2/incremental/users/cursor.json?start_time=1&per_page=1")
    query = dict(parse_qsl(urlsplit(answer["after_url"]).query))
    assert query == {"cursor": answer["after_cursor"], "per_page": "1"}


def test_what_real_clients_ask_is_answered(address: str) -> None:
    # zenpy leaves .json out; tap-zendesk writes a start with a fraction.
    assert ask(address, "/api/v2/satisfaction_ratings?page[size]=1")["meta"]["has_more"]
    tickets = ask(address, "/api/v2/incremental/tickets/cursor.json?start_time=1700000000.0")["tickets"]
    assert [each["id"] for each in tickets] == [3, 1]
    # tap-zendesk asks from now on, to see whether it may.
    now = int(time.time())
    assert ask(address, f"/api/v2/incremental/ticket_metric_events.json?start_time={now}")["count"] == 0
    recent = ask(address, f"/api/v2/incremental/ticket_events.json?start_time={now}")
    assert recent["error"] == "StartTimeTooRecent"


def test_lists_without_a_cursor_are_counted(zendesk: ZendeskService, address: str) -> None:
    listed = []
    path: str | None = "/api/v2/users.json?per_page=3"
    while path:
        answer = ask(address, path)
        assert answer["count"] == len([each for each in zendesk.users if each["active"]])
        listed.append([each["id"] for each in answer["users"]])
        path = answer["next_page"] and answer["next_page"].removeprefix(address)
    assert listed == [[101, 102, 901], [902]]
    assert answer["previous_page"].endswith("page=1")
