"""Streams of an HTTP service, from the first request to the landed batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from invented_desk import Desk, InventedDesk, answer, configuration, ticket

from cxflow import flow, http, sources
from cxflow.errors import ConfigError, CountError, SourceError, TransientError
from cxflow.model.window import Window
from cxflow.testing import TestProject

END = datetime(2026, 4, 1, tzinfo=UTC)
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), END)


def ids(project: TestProject) -> list[str]:
    rows = project.query("SELECT source_record_id FROM support_case WHERE NOT is_deleted ORDER BY 1")
    return [row[0] for row in rows]


def tickets(project: TestProject, window: Window = WINDOW) -> Any:
    return flow.run_stream(project.settings, "desk", "tickets", window, "backfill")


def test_every_page_is_read_and_the_window_is_in_the_request(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(number) for number in range(1, 9)]
    assert tickets(project).counts.inserted == 8
    assert ids(project) == sorted(str(number) for number in range(1, 9))
    first = "/v1/tickets?since=2026-03-01T00%3A00%3A00Z&until=2026-04-01T00%3A00%3A00Z&size=3"
    assert desk.asked == [first, f"{first}&token=3", f"{first}&token=6", "/v1/archive"]


def test_a_sweep_brings_what_the_stream_itself_leaves_out(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(1), ticket(2)]
    desk.archived = [ticket(number, 2, status="archived") for number in (2, 3, 4, 5)]
    tickets(project)
    assert ids(project) == ["1"]
    assert desk.asked[-2:] == ["/v1/archive", "/v1/archive?from=3"]


def test_children_are_read_for_the_parents_that_changed(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(1, 1), ticket(2, 9), ticket(3, 10)]
    desk.comments = {
        number: [{"id": f"{number}-{place}", "written_at": "2026-03-10T00:00:00Z"} for place in range(3)]
        for number in (1, 2, 3)
    }
    window = Window(datetime(2026, 3, 5, tzinfo=UTC), END)
    flow.run_stream(project.settings, "desk", "comments", window, "backfill")
    found = project.query("SELECT source_record_id, case_id FROM touchpoint ORDER BY source_record_id")
    assert found == [(f"{number}-{place}", f"desk:{number}") for number in (2, 3) for place in range(3)]
    assert not [path for path in desk.asked if path.startswith("/v1/tickets/1/")]
    known = project.query("SELECT count(DISTINCT identity_hash) FROM record_identity")
    assert known == [(2,)], "a child has its parent's address"


def test_what_a_service_cannot_filter_by_time_is_filtered_here(
    desk: Desk, project: TestProject, address: str
) -> None:
    desk.tickets = [ticket(1, 9)]
    times = (
        "2026-03-04T23:59:59Z",
        "2026-03-05T00:00:00Z",
        "2026-03-31T23:59:59",
        "2026-04-01T00:00:00Z",
        None,
        "soon",
    )
    desk.comments = {1: [{"id": str(place), "written_at": at} for place, at in enumerate(times)]}
    project.reconfigure(
        configuration(address, streams={"comments": {"changed": "written_at", "timezone": "UTC"}})
    )
    window = Window(datetime(2026, 3, 5, tzinfo=UTC), END)
    report = flow.run_stream(project.settings, "desk", "comments", window, "backfill")
    assert (report.counts.extracted, report.counts.inserted, report.counts.quarantined) == (4, 2, 2)
    assert project.query("SELECT source_record_id FROM touchpoint ORDER BY 1") == [("1",), ("2",)]
    pages = [path.split("?")[1] for path in desk.asked if "comments" in path]
    assert pages == ["page=1", "page=2", "page=3", "page=4"], "a page without a kept record is not the end"


def test_streams_may_depend_on_settings_and_on_what_the_service_says(
    desk: Desk, project: TestProject, address: str
) -> None:
    desk.tickets = [ticket(7, 9), ticket(8, 9)]
    desk.comments = {7: [{"id": "a", "written_at": "2026-03-10T00:00:00Z"}], 8: []}
    changes = {"connector": "oldest_ticket", "streams": {"acme_comments": {"timezone": "UTC"}}}
    project.reconfigure(configuration(address, **changes))
    assert flow.streams(project.settings, "desk") == ["acme_comments"]
    sources.doctor(project.settings, "desk", "acme_comments")
    report = flow.run_stream(project.settings, "desk", "acme_comments", WINDOW, "backfill")
    assert report.counts.inserted == 1
    assert desk.asked[-3:] == [
        "/v1/tickets?size=1",
        "/v1/tickets/7/comments?page=1",
        "/v1/tickets/7/comments?page=2",
    ]


def test_a_record_that_the_service_cuts_off_is_completed(
    desk: Desk, project: TestProject, address: str
) -> None:
    at = "2026-03-10T00:00:00Z"
    desk.tickets = [ticket(7, 9)]
    desk.comments = {7: [{"id": "a", "written_at": at, "text": "half", "rest": 8}], 8: [{"text": " an hour"}]}
    to = {"touchpoint": {"reason": "text"}}
    streams = {"acme_comments": {"to": to, "in_clear": {"touchpoint.reason": "invented"}}}
    project.reconfigure(configuration(address, connector="oldest_ticket", streams=streams))
    flow.run_stream(project.settings, "desk", "acme_comments", WINDOW, "backfill")
    assert project.query("SELECT source_record_id, reason FROM touchpoint") == [("a", "half an hour")]


def test_a_parent_that_is_gone_is_told_and_stops_nothing(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(1), ticket(2)]
    desk.comments = {2: [{"id": "2-1", "written_at": "2026-03-10T00:00:00Z"}]}
    report = flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
    assert report.counts.inserted == 1
    assert "/v1/tickets/1/comments" in str(report.notes) or "comments" in str(report.notes)


def test_records_land_as_they_came(desk: Desk, project: TestProject) -> None:
    text = (
        '{"id": 12345678901234567890, "price": 1.10, "a": "\\u00e9", "whole": "\\ud83d\\ude00", '
        '"half": "\\ud83d", "path": "c:\\\\ud83d", "t": [1, {"b": null}]}'
    )
    desk.trouble.append(answer(200, b'{"tickets": [%s], "count": 1}' % text.encode()))
    batch = flow.extract(project.settings, "desk", "tickets", WINDOW, "backfill")
    with duckdb.connect() as database:
        folder = project.folder / "landing" / batch.path
        [(landed,)] = database.execute(f"SELECT _payload FROM '{folder}/part-*.parquet'").fetchall()
    assert landed == text.replace('"half": "\\ud83d"', '"half": "\\ufffd"')


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b'{"tickets": [{"id": 1}], "count": 2}', CountError, "says that it has 2 records, and has 1"),
        (b'{"tickets": "none", "count": 0}', SourceError, "no list of records at 'tickets'"),
        (b"[" * 50_000, SourceError, "nested too deep"),
    ],
)
def test_a_page_that_is_not_as_declared_stops_the_pull(
    desk: Desk, project: TestProject, body: bytes, error: type[Exception], said: str
) -> None:
    desk.trouble.append(answer(200, body))
    with pytest.raises(error, match=said):
        tickets(project)
    assert project.query("SELECT count(*) FROM load_run") == [(0,)]


def test_what_is_no_object_goes_to_quarantine(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(number) for number in range(1, 60)]
    desk.trouble.append(answer(200, b'{"tickets": [7], "count": 1, "paging": {"next": {"token": "0"}}}'))
    report = tickets(project)
    assert (report.counts.inserted, report.counts.quarantined) == (59, 1)


def test_a_page_that_says_what_the_last_one_said_is_no_endless_reading(
    desk: Desk, project: TestProject
) -> None:
    page = {"tickets": [ticket(1)], "count": 1}
    desk.trouble += [
        answer(200, {**page, "paging": {"next": {"token": "a"}}}),
        answer(200, {**page, "paging": {"next": {"token": "b"}}}),
    ]
    with pytest.raises(SourceError, match="repeats a page"):
        tickets(project)


def test_pages_that_come_in_turns_are_no_endless_reading(desk: Desk, project: TestProject) -> None:
    desk.trouble += [
        answer(200, {"tickets": [ticket(number)], "count": 1, "paging": {"next": {"token": token}}})
        for number, token in ((1, "a"), (2, "b"), (1, "c"))
    ]
    with pytest.raises(SourceError, match="repeats a page"):
        tickets(project)


def test_a_last_page_that_repeats_hides_another(desk: Desk, project: TestProject) -> None:
    page = {"tickets": [ticket(1)], "count": 1}
    desk.trouble += [answer(200, {**page, "paging": {"next": {"token": "a"}}}), answer(200, page)]
    with pytest.raises(SourceError, match="repeats a page"):
        tickets(project)


def test_a_last_page_that_repeats_is_an_end_where_pages_go_by_seconds(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.TimeWalk.last_may_repeat
    monkeypatch.setattr(http.Token, "last_may_repeat", True)
    page = {"tickets": [ticket(1)], "count": 1}
    desk.trouble += [answer(200, {**page, "paging": {"next": {"token": "a"}}}), answer(200, page)]
    assert tickets(project).counts.inserted == 1


def test_a_list_that_is_gone_is_no_empty_page(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in ({"count": 0}, {"tickets": None, "count": 0}):
        desk.trouble.append(answer(200, body))
        with pytest.raises(SourceError, match=r"no list of records at 'tickets' .*optional_records = true"):
            tickets(project)
    project.reconfigure(configuration(project.settings.connections["desk"]["base_url"], **_OPTIONAL))
    desk.trouble.append(answer(200, {"count": 0}))
    assert tickets(project).counts.extracted == 0


_OPTIONAL = {"streams": {"tickets": {"optional_records": True}}}


def test_code_of_a_connector_that_meets_another_form_blames_the_answer(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def completed(self: InventedDesk, client: http.Client, stream: Any, records: list[bytes]) -> list[bytes]:
        return [record for record in records if {}["ada@example.org"]]

    desk.tickets = [ticket(1)]
    monkeypatch.setattr(InventedDesk, "completed", completed)
    with pytest.raises(SourceError, match=r"not as declared \(KeyError at test_http_reading.py") as caught:
        tickets(project)
    assert "ada" not in str(caught.value)


def test_a_search_that_starts_again_may_begin_with_the_page_before(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = {"tickets": [ticket(1)], "count": 1}
    desk.trouble += [answer(200, {**page, "paging": {"next": {"token": "a"}}}), answer(200, page)]
    by_token = http.Token.after

    def after(self: http.Token, page: http.Page) -> http.Request | None:
        following = by_token(self, page)
        return following and replace(following, starts_again=True)

    monkeypatch.setattr(http.Token, "after", after)
    counts = tickets(project).counts
    assert (counts.extracted, counts.inserted, counts.deduplicated) == (2, 1, 1)


def test_a_token_that_comes_again_is_no_endless_reading(desk: Desk, project: TestProject) -> None:
    desk.trouble += [
        answer(200, {"tickets": [ticket(number)], "count": 1, "paging": {"next": {"token": token}}})
        for number, token in enumerate(("a", "b", "a"))
    ]
    with pytest.raises(SourceError, match="goes round in a circle"):
        tickets(project)


def test_a_link_to_another_host_is_not_followed(desk: Desk, project: TestProject) -> None:
    desk.trouble.append(lambda _: None)  # the tickets themselves
    desk.trouble.append(answer(200, {"tickets": [], "next": "https://evil.example/v1/archive?from=3"}))
    with pytest.raises(SourceError, match=r"links to another host, evil\.example"):
        tickets(project)


def test_a_redirect_is_not_followed(desk: Desk, project: TestProject) -> None:
    desk.trouble.append(answer(302, {}, location="https://evil.example/"))
    with pytest.raises(ConfigError, match="status 302: it sends elsewhere"):
        tickets(project)


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, {"error": "unauthorised"}, ConfigError, r"status 401 \(unauthorised\)"),
        (403, {"error": "missing_right"}, ConfigError, "lacks the right tickets:read"),
        (403, {}, ConfigError, "lack a right"),
        (404, {}, SourceError, "no such endpoint or account"),
        (400, {"error": "odd", "email": "ana@example.org"}, SourceError, r"status 400 \(odd\)"),
        (429, {"error": "daily"}, TransientError, "quota is used up"),
    ],
)
def test_an_answer_that_no_retry_helps_ends_the_pull_at_once(
    desk: Desk, project: TestProject, status: int, body: dict[str, str], error: type[Exception], said: str
) -> None:
    desk.trouble.append(answer(status, body))
    with pytest.raises(error, match=said) as caught:
        tickets(project)
    assert len(desk.asked) == 1
    assert "ana@example.org" not in str(caught.value)
    assert "desk.tickets" in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        answer(500),
        answer(503),
        answer(429, retry_after="0"),
        answer(429, {}, retry_after="Sun, 01 Mar 2026 00:00:00 GMT"),
        answer(502, b"<html>bad gateway</html>"),
        answer(200, b"<html>log in</html>", content_type="text/html"),
        answer(200, b'{"tickets": [{"id": 1'),
    ],
)
def test_trouble_that_passes_costs_nothing(desk: Desk, project: TestProject, trouble: Any) -> None:
    desk.tickets = [ticket(number) for number in range(1, 5)]
    desk.trouble += [trouble, trouble]
    assert tickets(project).counts.inserted == 4


def test_trouble_that_stays_is_transient_and_says_what_came(desk: Desk, project: TestProject) -> None:
    desk.trouble += [answer(200, b"<html>log in</html>", content_type="text/html")] * 9
    with pytest.raises(TransientError, match="answered text/html, which is no JSON"):
        tickets(project)


def test_a_page_that_the_service_cannot_make_is_asked_for_by_halves(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(number) for number in range(1, 5)]
    desk.trouble.append(lambda request: answer(504)(request) if request.query_params["size"] == "3" else None)
    assert tickets(project).counts.inserted == 4
    assert "size=1" in desk.asked[1]
    desk.trouble.append(answer(504))
    sources.doctor(project.settings, "desk", "tickets")


def test_a_wrong_token_is_found_by_the_doctor(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.doctor(project.settings, "desk", "tickets")
    monkeypatch.setenv("DESK_TOKEN", "another-token-9876")
    with pytest.raises(ConfigError, match="status 401") as caught:
        sources.doctor(project.settings, "desk", "comments")
    assert "another-token" not in str(caught.value)
    assert project.query("SELECT count(*) FROM load_run") == [(0,)]


def test_a_pull_that_failed_on_a_page_asks_for_that_page_and_no_other(
    desk: Desk, project: TestProject, address: str
) -> None:
    project.reconfigure({**configuration(address), "landing": {"checkpoint_seconds": 0}})
    desk.tickets = [ticket(number) for number in range(1, 301)]
    desk.trouble += [lambda _: None] * 40 + [answer(500)] * 8
    with pytest.raises(TransientError, match="status 500"):
        tickets(project)
    asked = len(desk.asked)
    assert tickets(project).counts.inserted == 300
    assert "token=120" in desk.asked[asked], "pages of three: 40 had come"
    assert len(desk.asked) - asked == 60 + 1, "and the archive"


def test_the_children_of_a_pull_that_failed_go_on_where_they_were(
    desk: Desk, project: TestProject, address: str
) -> None:
    project.reconfigure({**configuration(address), "landing": {"checkpoint_seconds": 0}})
    desk.tickets = [ticket(number) for number in range(1, 4)]
    desk.comments = {
        number: [{"id": f"{number}-{place}", "written_at": "2026-03-10T00:00:00Z"} for place in range(3)]
        for number in (1, 2, 3)
    }
    # One page of tickets and the archive, the first ticket's two pages and an empty one, one page of the second's.
    desk.trouble += [lambda _: None] * 6 + [answer(500)] * 8
    with pytest.raises(TransientError):
        flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
    asked = len(desk.asked)
    report = flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
    assert report.counts.inserted == 9
    again = [path for path in desk.asked[asked:] if "comments" in path]
    assert again[0] == "/v1/tickets/2/comments?page=2"
    assert not [path for path in again if path.startswith("/v1/tickets/1/")]


def test_a_users_own_field_is_mapped_beside_the_connectors(
    desk: Desk, project: TestProject, address: str
) -> None:
    own = {"streams": {"tickets": {"to": {"support_case": {"reason": "custom.reason"}}}}}
    project.reconfigure(configuration(address, **own))
    desk.tickets = [ticket(1, custom={"reason": "late"})]
    tickets(project)
    found = project.query("SELECT source_record_id, reason, opened_at IS NOT NULL FROM support_case")
    assert found == [("1", "late", True)]


def test_the_doctor_asks_for_nothing_newer_than_a_stream_may(desk: Desk, project: TestProject) -> None:
    connection = {**project.settings.connections["desk"], "streams": {"tickets": {"lag": 3600}}}
    project.reconfigure({"plugins": ["invented_desk"], "connections": {"desk": connection}})
    sources.doctor(project.settings, "desk", "tickets")
    [asked] = [parse_qs(urlsplit(path).query) for path in desk.asked]
    age = datetime.now(UTC) - datetime.fromisoformat(asked["until"][0])
    assert age >= timedelta(hours=1)
    assert asked["since"] < asked["until"]


def test_an_accounts_own_rates_are_kept(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(InventedDesk):
        @property
        def allowed(self) -> tuple[http.RateLimit, ...]:
            return (http.RateLimit(1, 3600),)

    slept: list[float] = []
    monkeypatch.setattr("cxflow.connect.http.client.time.sleep", slept.append)
    connector = Slow(project.settings, sources.open_connection(project.settings, "desk").connection)
    desk.tickets = [ticket(number) for number in range(1, 5)]
    list(connector.read(connector.stream("tickets"), WINDOW, None))
    assert max(slept) == pytest.approx(2 * 3600, abs=60), "three requests in as many hours"
