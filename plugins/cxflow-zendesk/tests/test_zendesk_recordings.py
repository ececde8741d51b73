"""What a real account answered, read by the connector and compared with the imitation's answers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import recordings
from cxflow import Window, http
from cxflow.testing import TestProject, answers
from cxflow.testing.service import served
from invented_account import account
from recordings import Recorded
from starlette.testclient import TestClient

from cxflow_zendesk.exports import Walk
from cxflow_zendesk.service import EMAIL, TOKEN, ZendeskService, epoch

VALUES, PAGES = "{}IncrementalTest.test_get_values", "{}IncrementalTest.test_pagination"
EXPORTS = "/api/v2/incremental/"
AT: dict[str, Callable[[dict[str, Any]], int]] = {
    "tickets": lambda record: int(record["generated_timestamp"]),
    "users": lambda record: epoch(record["updated_at"]),
}
of_both = pytest.mark.parametrize("kind", ["tickets", "users"])


def by_cursor(cassette: str, kind: str, **params: str) -> list[Recorded]:
    """The recorded pages of an export by cursor that were asked for with these parameters, and no others."""
    place = {"start_time", "cursor"}
    return [
        each
        for each in recordings.of(cassette.format(kind.title()))
        if each.path == f"{EXPORTS}{kind}/cursor.json"
        and {name: each.params[name] for name in each.params.keys() - place} == params
    ]


def by_time(cassette: str) -> list[Recorded]:
    """The recorded pages of the export of tickets by time."""
    every = recordings.of(cassette.format("Tickets"))
    return [each for each in every if each.path == f"{EXPORTS}tickets.json"]


def read(project: TestProject, pages: list[Recorded], stream: str, end: datetime) -> Any:
    """The counts of a run of a stream over these pages, up to a time."""
    with served(recordings.replayed(pages)) as url:
        project.reconfigure({"connections": {"desk": ZendeskService.connection(url)}})
        start = datetime(2023, 1, 1, tzinfo=UTC)
        return project.run("desk", stream, mode="backfill", start=start, end=end)[f"desk.{stream}"].counts


def imitation(**holds: Any) -> TestClient:
    """An imitation without an empty page, to be asked by an administrator."""
    client = TestClient(ZendeskService(empty_page=False, **holds).application())
    client.auth = (f"{EMAIL}/token", TOKEN)
    return client


def test_recorded_tickets_are_read_as_they_were(project: TestProject) -> None:
    [page] = by_cursor(VALUES, "tickets")
    tickets = page.body["tickets"]
    counts = read(project, [page], "tickets", datetime(2024, 3, 1, tzinfo=UTC))
    assert (counts.extracted, counts.quarantined) == (len(tickets), 0)
    found = project.query(
        "SELECT source_record_id, epoch(occurred_at)::BIGINT, channel, direction FROM touchpoint "
        "WHERE NOT is_deleted"
    )
    of_staff = {
        each["id"]
        for each in tickets
        if each["via"]["channel"] == "web" and each["submitter_id"] != each["requester_id"]
    }
    # A channel that is not listed stays as it is.
    assert sorted(found) == sorted(
        (
            str(each["id"]),
            epoch(each["created_at"]),
            each["via"]["channel"],
            "outbound" if each["id"] in of_staff else "inbound",
        )
        for each in tickets
        if each["status"] != "deleted"
    )
    assert any(each["status"] == "deleted" for each in tickets)


@of_both
def test_recorded_cursors_are_followed_to_the_end_of_the_window(project: TestProject, kind: str) -> None:
    pages = by_cursor(PAGES, kind, per_page="1")
    times = [AT[kind](record) for page in pages for record in page.body[kind]]
    counts = read(project, pages, kind, datetime.fromtimestamp(times[-1], UTC))
    assert counts.extracted == sum(time < times[-1] for time in times) > 50


def test_recorded_pages_by_time_are_walked_as_they_were() -> None:
    walk, window = Walk(time="generated_timestamp"), Window(None, datetime(2026, 3, 1, tzinfo=UTC))
    pages = [each for each in by_time(PAGES) if "per_page" in each.params]
    assert len(pages) > 10
    for page, following in itertools.pairwise(pages):
        asked = http.Request(page.path, params=page.params)
        answer = http.Answer(json.dumps(page.body).encode(), window.end)
        found = walk.after(http.Page(asked, answer, answer.records("tickets"), window))
        assert found is not None
        assert found.params == following.params


@of_both
def test_the_imitation_gives_recorded_records_in_the_recorded_pages(kind: str) -> None:
    [everything] = by_cursor(PAGES, kind)
    client = imitation(**{kind: everything.body[kind]})
    for page in by_cursor(PAGES, kind, per_page="1"):
        made = client.get(page.path, params=page.params).json()
        for answer in (made, page.body):
            answer["after_url"] = answer["after_url"].partition("/api/v2")[2]
        assert made == page.body


def test_the_imitation_gives_recorded_times_in_the_recorded_pages() -> None:
    pages = by_time(PAGES)
    [everything] = [each.body["tickets"] for each in pages if "per_page" not in each.params]
    client = imitation(
        ticket_events=[
            {"id": each["id"], "timestamp": each["generated_timestamp"], "child_events": []}
            for each in everything
        ]
    )
    for page in pages:
        if "per_page" in page.params:
            made = client.get(f"{EXPORTS}ticket_events.json", params=page.params).json()
            for answer in (made, page.body):
                answer["next_page"] = answer["next_page"].partition("?")[2]
            for name in ("count", "end_time", "end_of_stream", "next_page"):
                assert made[name] == page.body[name], name


def test_a_walk_that_is_over_has_a_next_page() -> None:
    [over] = [each.body for each in by_time(VALUES) if each.body["end_of_stream"]]
    client = imitation(ticket_events=account().ticket_events)
    made = client.get(f"{EXPORTS}ticket_events.json?start_time=0").json()
    assert made["end_of_stream"]
    for answer in (made, over):
        assert answer["next_page"].endswith(f"?start_time={answer['end_time']}")


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("tickets", ("metric_set", "support_type", "custom_fields", "fields", "via.source.from.")),
        ("users", ("user_fields.", "permanently_deleted")),
    ],
)
def test_invented_records_have_the_keys_and_types_of_recorded_ones(kind: str, own: tuple[str, ...]) -> None:
    [page] = by_cursor(VALUES, kind)
    assert answers.differences(getattr(account(), kind), page.body[kind], *own) == []


def test_lists_are_counted_or_paged_by_cursor_as_recorded() -> None:
    client = imitation(users=account().users)
    recorded = [
        each
        for each in recordings.of("TestUsersPagination.test_pagination")
        if each.path == "/api/v2/users.json" and each.params.keys() <= {"page[size]", "page"}
    ]
    assert {"page[size]" in each.params for each in recorded} == {True, False}
    for each in recorded:
        made = client.get(each.path, params=each.params).json()
        assert answers.differences(made, each.body, "users.user_fields.", "users.permanently_deleted") == []
        assert made.keys() == each.body.keys()
