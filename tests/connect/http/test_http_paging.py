"""Each paging makes the next request from an answer, and none ends early without a word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cxflow.connect.http.answer import Answer
from cxflow.connect.http.paging import (
    Export,
    Keyset,
    Link,
    NewestFirst,
    Page,
    PageNumber,
    Paging,
    Relay,
    TimeWalk,
    Token,
)
from cxflow.connect.http.request import Request
from cxflow.errors import SourceError
from cxflow.model.window import Window

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def after(
    paging: Paging, request: Request, answer: Any, records: list[Any] | None = None, window: Window = MARCH
) -> Request | None:
    made = Answer(json.dumps(answer).encode(), datetime.now(UTC))
    raw = [json.dumps(record).encode() for record in records or []]
    return paging.after(Page(request, made, raw, window))


def test_a_token_replaces_what_the_service_refuses_beside_it() -> None:
    paging = Token(token="paging.next.after", param="after", drops=("since",))
    request = Request("/x", {"since": "1", "limit": "5"})
    found = after(paging, request, {"paging": {"next": {"after": 7}}})
    assert found == Request("/x", {"limit": "5", "after": "7"})
    assert after(paging, request, {"results": []}) is None
    assert after(paging, request, {"paging": None}) is None


def test_a_token_counts_only_as_long_as_there_is_more() -> None:
    paging = Token(token="meta.after_cursor", param="page[after]", more="meta.has_more")
    assert after(paging, Request("/x"), {"meta": {"after_cursor": "a", "has_more": False}}) is None
    found = after(paging, Request("/x"), {"meta": {"after_cursor": "a", "has_more": True}})
    assert found == Request("/x", {"page[after]": "a"})


def test_a_link_brings_its_own_query_string() -> None:
    paging = Link(link="next_page_uri")
    request = Request("/calls", {"PageSize": "50"})
    assert after(paging, request, {"next_page_uri": "/calls?Page=1"}) == Request("/calls?Page=1")
    assert after(paging, request, {"next_page_uri": None}) is None


def test_an_export_goes_on_after_an_empty_page_and_never_ends_by_itself() -> None:
    paging = Export(token="after_cursor")
    request = Request("/tickets", {"start_time": "1", "per_page": "9"})
    going_on = after(paging, request, {"after_cursor": "c", "end_of_stream": False})
    assert going_on == Request("/tickets", {"per_page": "9", "cursor": "c"})
    assert after(paging, request, {"after_cursor": "c", "end_of_stream": True}) is None
    with pytest.raises(SourceError, match="does not say that it is over"):
        after(paging, request, {"after_cursor": None, "end_of_stream": False})


@pytest.mark.parametrize(
    ("answer", "records", "expected"),
    [
        ({"end_time": 1772400000, "end_of_stream": False}, 2, "1772400000"),
        ({"end_time": 1772400000, "end_of_stream": True}, 2, None),
        ({"end_time": 1772323200}, 2, None),  # it does not move
        ({"end_time": 1775001600}, 2, None),  # the end of the window, 1 April
        ({"end_time": 1775001599}, 2, "1775001599"),
        ({"end_time": None}, 0, None),
    ],
)
def test_a_walk_through_time_ends_where_it_does_not_move_or_leaves_the_window(
    answer: Any, records: int, expected: str | None
) -> None:
    found = after(TimeWalk(), Request("/e", {"start_time": "1772323200"}), answer, [{}] * records)
    assert (found and found.params["start_time"]) == expected


def test_a_second_that_fills_a_page_is_no_end() -> None:
    paging = TimeWalk(full=2)
    request = Request("/e", {"start_time": "1772323200"})
    with pytest.raises(SourceError, match="share one second"):
        after(paging, request, {"end_time": 1772323200}, [{}, {}])
    assert after(paging, request, {"end_time": 1772323200}, [{}]) is None


def test_pages_are_counted_up_to_the_number_that_the_service_says() -> None:
    paging = PageNumber(pages="page_count")
    assert after(paging, Request("/f", {"page": "1"}), {"page_count": 2}, [{}]) == Request(
        "/f", {"page": "2"}
    )
    assert after(paging, Request("/f", {"page": "2"}), {"page_count": 2}, [{}]) is None


def test_pages_are_counted_until_one_is_empty_and_the_cap_is_no_end() -> None:
    paging = PageNumber(size="perPage", cap=300)
    request = Request("/r", {"perPage": "100"})
    assert after(paging, request, {}, [{}] * 7) == Request("/r", {"perPage": "100", "page": "2"})
    assert after(paging, request, {}, []) is None
    with pytest.raises(SourceError, match="no more than 300 records"):
        after(paging, Request("/r", {"perPage": "100", "page": "3"}), {}, [{}] * 100)


def test_a_walk_that_stands_still_and_says_that_it_is_not_over_is_no_end() -> None:
    request = Request("/events", {"start_time": "1772323200"})
    with pytest.raises(SourceError, match="share one second"):
        after(TimeWalk(), request, {"end_time": 1772323200, "end_of_stream": False}, [{"id": 1}])


def test_newest_first_ends_at_the_first_page_that_is_older_than_the_window() -> None:
    paging = NewestFirst(token="token", time="submitted_at")
    request = Request("/r", {"since": "a", "until": "b", "page_size": "2"})
    inside = [{"token": "t1", "submitted_at": "2026-03-09T00:00:00Z"}]
    assert after(paging, request, {}, inside) == Request("/r", {"page_size": "2", "before": "t1"})
    at_the_edge = [{"token": "t2", "submitted_at": "2026-03-01T00:00:00Z"}]
    assert after(paging, request, {}, at_the_edge) is not None
    older = [{"token": "t3", "submitted_at": "2026-02-28T23:59:59Z"}]
    assert after(paging, request, {}, older) is None
    assert after(paging, request, {}, []) is None
    assert after(paging, request, {}, older, Window(None, MARCH.end)) is not None


def test_a_relay_goes_on_by_its_end_cursor() -> None:
    paging = Relay(connection="data.orders")
    request = Request("/graphql", {}, {"query": "…", "variables": {"first": 2}})
    page = {"data": {"orders": {"pageInfo": {"hasNextPage": True, "endCursor": "z"}}}}
    found = after(paging, request, page)
    assert found is not None
    assert found.body["variables"] == {"first": 2, "after": "z"}
    page["data"]["orders"]["pageInfo"]["hasNextPage"] = False
    assert after(paging, request, page) is None
    with pytest.raises(SourceError, match="no pageInfo"):
        after(paging, request, {"data": None})


def test_a_search_starts_again_behind_the_last_id_at_its_cap() -> None:
    paging = Keyset(cap=4, anchor="filters.1.value")
    body = {"filters": [{"value": "100"}, {"property": "id", "value": "0"}], "limit": 2}
    request = Request("/search", {}, body)
    found = after(paging, request, {"paging": {"next": {"after": "2"}}}, [{"id": "a"}, {"id": "b"}])
    assert found is not None
    assert found.body == {**body, "after": "2"}
    found = after(paging, found, {"paging": {"next": {"after": "4"}}}, [{"id": "c"}, {"id": "d"}])
    assert found is not None
    assert found.body == {"filters": [{"value": "100"}, {"property": "id", "value": "d"}], "limit": 2}
    assert body["filters"][1] == {"property": "id", "value": "0"}, "the first request stays as it was"
    assert after(paging, found, {"total": 4}, [{"id": "e"}]) is None


def test_a_page_is_made_smaller_where_its_size_stands_until_it_is_one_record() -> None:
    by_param, by_key = Token(token="t", param="c", size="limit"), Keyset(anchor="x", size="limit")
    assert by_param.smaller(Request("/x", {"limit": "3"})) == Request("/x", {"limit": "1"})
    assert by_param.smaller(Request("/x", {"limit": "1"})) is None
    assert by_key.smaller(Request("/x", {}, {"limit": 200})) == Request("/x", {}, {"limit": 100})
    assert Token(token="t", param="c").smaller(Request("/x", {"limit": "9"})) is None


@pytest.mark.parametrize("request_", [Request("/x"), Request("/x", {"a": "1"}, {"b": [1, None]})])
def test_a_request_outlives_its_checkpoint(request_: Request) -> None:
    assert Request.from_json(json.loads(json.dumps(request_.as_json()))) == request_
