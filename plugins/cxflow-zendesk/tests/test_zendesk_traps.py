"""What Zendesk does that a connector may get wrong, one test each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cxflow import ConfigError, Window, sources
from cxflow.testing import TestProject
from invented_account import AGENT, ANA, BEN, call, change, comment, event, rating, ticket, user

from cxflow_zendesk.exports import Export
from cxflow_zendesk.service import ZendeskService, answer

MARCH_10 = datetime(2026, 3, 10, tzinfo=UTC)
LAG = timedelta(minutes=2)


def run(project: TestProject, stream: str, end: datetime = MARCH_10) -> Any:
    return project.run("desk", stream, end=end)[f"desk.{stream}"].counts


def changed(number: int, at: datetime, requester: int = ANA, **more: Any) -> dict[str, Any]:
    return ticket(number, requester, changed=f"{at:%Y-%m-%dT%H:%M:%SZ}", **more)


def test_what_changes_after_the_window_is_left_for_the_next_run(
    project: TestProject, zendesk: ZendeskService
) -> None:
    end = MARCH_10 - LAG
    zendesk.tickets = [changed(number, end + timedelta(seconds=number - 3)) for number in range(1, 9)]
    assert run(project, "tickets").inserted == 2
    assert len(zendesk.asked) == 3, "a page of two, an empty one, and the first that goes past the window"
    later = run(project, "tickets", MARCH_10 + timedelta(days=1))
    assert (later.inserted, later.unchanged) == (6, 1), "the second before the window's start comes again"


def test_a_second_change_in_the_same_second_counts(project: TestProject, zendesk: ZendeskService) -> None:
    at = MARCH_10 - LAG - timedelta(seconds=1)
    zendesk.tickets = [changed(1, at, status="open")]
    run(project, "tickets")
    zendesk.tickets = [changed(1, at, status="solved")]
    assert run(project, "tickets", MARCH_10 + timedelta(hours=1)).updated == 1
    assert project.rows("support_case", "status") == [("solved",)]


def test_tickets_tied_in_one_second_are_all_read(project: TestProject, zendesk: ZendeskService) -> None:
    zendesk.tickets = [ticket(number, ANA) for number in range(1, 8)]
    assert run(project, "tickets").inserted == 7


def test_more_events_of_one_second_than_a_page_holds_are_all_read(
    project: TestProject, zendesk: ZendeskService
) -> None:
    tied = [event(number, 1, "2026-03-01T10:00:00Z", change(number, "open")) for number in range(1, 8)]
    zendesk.ticket_events = [
        *tied,
        event(9, 1, "2026-03-01T10:00:01Z", comment(90, ANA, "2026-03-01T10:00:01Z")),
    ]
    assert run(project, "comments").inserted == 8


def test_calls_of_one_second_do_not_hide_the_next(project: TestProject, zendesk: ZendeskService) -> None:
    # Talk says of no page that more follow.
    times = ["2026-03-01T10:00:00Z", *["2026-03-01T10:00:01Z"] * 3, "2026-03-01T10:00:02Z"]
    zendesk.calls = [call(number, at, ANA, "completed") for number, at in enumerate(times, start=1)]
    assert run(project, "calls").inserted == 5


@pytest.mark.parametrize(
    ("record", "is_later"),
    [
        (b'{"id": 1}', False),
        (b'{"time": null}', False),
        (b'{"time": 1773100799}', False),
        (b'{"time": 1773100800}', True),  # 10 March, the window's end
        (b'{"time": "2026-03-09T23:59:59Z"}', False),
        (b'{"time": "2026-03-10T00:00:00Z"}', True),
    ],
)
def test_a_record_without_a_time_belongs_to_the_window(record: bytes, is_later: bool) -> None:
    window = Window(None, MARCH_10)
    assert Export(token="after_cursor", time="time").is_later(record, window) is is_later


def test_a_change_by_the_system_alone_is_a_change(project: TestProject, zendesk: ZendeskService) -> None:
    # A merged customer's ticket moves to the other one; only generated_timestamp tells.
    zendesk.tickets = [ticket(1, BEN), ticket(2, ANA)]
    project.run("desk", "users")
    run(project, "tickets")
    before = zendesk.tickets[0]
    later = int(datetime(2026, 3, 15, tzinfo=UTC).timestamp())
    zendesk.tickets[0] = {**before, "requester_id": ANA, "generated_timestamp": later}
    assert run(project, "tickets", MARCH_10 + timedelta(days=10)).updated == 1
    project.settle()
    assert project.query("SELECT count(DISTINCT customer_id) FROM touchpoint") == [(1,)]


def test_a_ticket_deleted_later_is_deleted_and_its_comments_stay(
    project: TestProject, zendesk: ZendeskService
) -> None:
    zendesk.tickets = [ticket(1, ANA)]
    run(project, "tickets")
    run(project, "comments")
    gone = {"status": "deleted", "subject": "SCRUBBED", "description": "SCRUBBED"}
    at = datetime(2026, 3, 15, tzinfo=UTC)
    zendesk.tickets = [{**changed(1, at), **gone}]
    for tombstone in zendesk.tickets:
        del tombstone["metric_set"]
    assert run(project, "tickets", MARCH_10 + timedelta(days=10)).deleted == 1
    assert project.query("SELECT count(*) FROM support_case WHERE is_deleted") == [(1,)]
    kept = "SELECT count(*) FROM touchpoint WHERE source_object = 'comments' AND NOT is_deleted"
    assert project.query(kept) == [(3,)]


def test_an_erased_user_leaves_no_name_and_no_address(project: TestProject, zendesk: ZendeskService) -> None:
    run(project, "users")
    profiles = "SELECT full_name, email, is_deleted FROM customer_profile WHERE profile_id = 'desk:101'"
    assert project.query(profiles) == [("Ana", "ana@example.org", False)]
    erased = {"name": "Permanently Deleted User", "email": None, "phone": None, "external_id": None}
    zendesk.users[0] |= erased | {"active": False, "permanently_deleted": True}
    zendesk.users[0] |= {"updated_at": "2026-04-01T00:00:00Z"}
    run(project, "users", datetime(2026, 5, 1, tzinfo=UTC))
    assert project.query(profiles) == [(None, None, True)]
    of_ana = "SELECT namespace FROM record_identity WHERE source_record_id = '101'"
    assert project.query(of_ana) == [("desk.user",)], "neither her address nor her number, not even as a hash"


def test_an_agent_is_no_customer(project: TestProject, zendesk: ZendeskService) -> None:
    zendesk.users = [user(1, "Agnes", "agent"), user(2, "Adam", "admin"), user(3, "Ana")]
    project.run("desk", "users")
    project.settle()
    assert project.rows("customer_profile", "profile_id") == [("desk:3",)]
    assert len(project.rows("customer", "customer_id")) == 1


def test_a_shared_number_names_nobody(project: TestProject, zendesk: ZendeskService) -> None:
    number = {"phone": "+34911234567", "shared_phone_number": True}
    zendesk.users = [user(1, "Ana", **number), user(2, "Ben", **number)]
    project.run("desk", "users")
    project.settle()
    assert len(project.rows("customer", "customer_id")) == 2


def test_two_customers_in_one_update_are_not_one_person(
    project: TestProject, zendesk: ZendeskService
) -> None:
    at = "2026-03-01T10:00:00Z"
    zendesk.ticket_events = [
        event(1, 1, at, comment(1, ANA, at), comment(2, BEN, at)),
        event(2, 1, at, comment(3, ANA, at), comment(4, AGENT, at)),
    ]
    run(project, "comments")
    assert project.rows("record_identity", "source_record_id", "namespace") == [("2", "desk.user")]
    assert project.rows("touchpoint", "source_record_id", "activity") == [
        ("1", "wrote_message"),
        ("1", "wrote_message"),
        ("2", "received_message"),
        ("2", "wrote_message"),
    ]


def test_a_first_batch_without_a_comment_is_no_fault(project: TestProject, zendesk: ZendeskService) -> None:
    zendesk.ticket_events = [event(1, 1, "2026-03-01T10:00:00Z", change(1, "open"))]
    assert run(project, "comments").inserted == 1
    assert project.rows("touchpoint", "activity") == []


def test_a_rating_offered_long_ago_and_given_now_is_seen(
    project: TestProject, zendesk: ZendeskService
) -> None:
    offered = "2026-02-20T09:00:00Z"
    zendesk.satisfaction_ratings = [rating(1, 1, ANA, "offered", offered, offered)]
    run(project, "satisfaction_ratings")
    assert project.rows("survey_response", "rating_value") == []
    assert project.rows("survey_invitation", "responded_at") == [(None,)]
    given = "2026-03-20T09:00:00Z"
    zendesk.satisfaction_ratings = [rating(1, 1, ANA, "good", offered, given)]
    run(project, "satisfaction_ratings", MARCH_10 + timedelta(days=20))
    assert project.rows("survey_response", "rating_value") == [(1,)]
    assert project.rows("survey_invitation", "invited_at", "responded_at") == [
        (datetime(2026, 2, 20, 9, tzinfo=UTC), datetime(2026, 3, 20, 9, tzinfo=UTC))
    ]


def test_a_custom_field_can_be_mapped_and_may_change_its_type(
    project: TestProject, zendesk: ZendeskService, address: str
) -> None:
    reason = "list_filter(custom_fields, f -> f.id = '27642')[1].value::VARCHAR"
    streams = {"tickets": {"to": {"support_case": {"reason": reason}}}}
    project.reconfigure({"connections": {"desk": zendesk.connection(address, streams=streams)}})
    zendesk.tickets = [ticket(1, ANA)]
    run(project, "tickets")
    later = datetime(2026, 3, 15, tzinfo=UTC)
    zendesk.tickets.append(changed(2, later, custom_fields=[{"id": 27642, "value": ["late", "broken"]}]))
    assert run(project, "tickets", MARCH_10 + timedelta(days=10)).inserted == 1
    assert project.rows("support_case", "case_id", "reason", "priority") == [
        ("desk:1", "delivery", "high"),
        ("desk:2", "[late, broken]", "high"),
    ]


def test_only_agents_tickets_can_be_asked_for(
    project: TestProject, zendesk: ZendeskService, address: str
) -> None:
    connection = zendesk.connection(address, support_type_scope="agent")
    project.reconfigure({"connections": {"desk": connection}})
    run(project, "tickets")
    assert "desk:7" not in [case for (case,) in project.rows("support_case", "case_id")]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            answer(403, {"error": {"title": "Forbidden", "message": "ana@example.org may not"}}),
            "need an administrator",
        ),
        (answer(404, b"<html>no help desk here</html>", content_type="text/html"), "check subdomain"),
        (answer(400, {"error": "StartTimeTooRecent", "description": ""}), "check this machine's clock"),
    ],
)
def test_an_error_says_what_is_missing(
    project: TestProject, zendesk: ZendeskService, trouble: Any, said: str
) -> None:
    zendesk.trouble.append(trouble)
    with pytest.raises(ConfigError, match=said) as caught:
        run(project, "tickets")
    assert "ana@example.org" not in str(caught.value)


def test_an_account_without_talk_says_to_leave_calls_out(
    project: TestProject, zendesk: ZendeskService
) -> None:
    zendesk.missing = frozenset({"/api/v2/channels/voice/stats/incremental/calls.json"})
    with pytest.raises(ConfigError, match=r"without Talk.*leave the stream out"):
        run(project, "calls")


def test_a_refusal_for_the_rate_is_waited_for(project: TestProject, zendesk: ZendeskService) -> None:
    zendesk.trouble += [answer(429, {"error": "TooManyRequests"}, retry_after="0")] * 3
    assert run(project, "tickets").inserted == 6
    assert zendesk.asked[0] == zendesk.asked[3]


def test_refresh_tokens_are_replaced_and_kept(
    project: TestProject, zendesk: ZendeskService, address: str
) -> None:
    project.reconfigure({"connections": {"desk": zendesk.oauth(address)}})
    run(project, "tickets")
    run(project, "users")
    assert zendesk.tokens_granted == 1, "the token is kept from run to run"
    zendesk.expire()
    run(project, "calls")
    assert zendesk.tokens_granted == 2, "by the second refresh token: the first is refused by now"


@pytest.mark.parametrize(
    "left_out", [("token",), ("email",), ("email", "token")], ids=["no token", "no email", "nothing"]
)
def test_half_a_way_in_is_refused(
    project: TestProject, zendesk: ZendeskService, address: str, left_out: tuple[str, ...]
) -> None:
    whole = zendesk.connection(address)
    half = {name: value for name, value in whole.items() if name not in left_out}
    project.reconfigure({"connections": {"desk": half}})
    with pytest.raises(ConfigError, match="needs email and token"):
        run(project, "tickets")


def test_the_limits_are_the_accounts(project: TestProject, zendesk: ZendeskService, address: str) -> None:
    basic = zendesk.connection(address)
    plain = {name: value for name, value in basic.items() if not name.endswith("_per_minute")}
    project.reconfigure({"connections": {"desk": plain}})
    plan, exports = sources.open_connection(project.settings, "desk").allowed  # type: ignore[attr-defined]
    assert (plan.requests, plan.seconds, plan.of) == (200, 60, "")
    assert (exports.requests, exports.seconds, exports.of) == (10, 60, "/incremental/")
    project.reconfigure({"connections": {"desk": {**plain, "requests_per_minute": 700}}})
    assert sources.open_connection(project.settings, "desk").allowed[0].requests == 700  # type: ignore[attr-defined]
