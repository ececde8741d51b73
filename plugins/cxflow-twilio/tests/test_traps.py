"""What goes wrong with Twilio's API, one test each: days, legs, late changes, events that are not paged."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from account import MORNING, after, call, event
from conftest import settings
from cxflow import ConfigError, SourceError, TransientError, sources
from cxflow.testing import TestProject
from starlette.responses import Response

from cxflow_twilio.service import TwilioService, refusal

END = after(MORNING, 80_000)


def run(project: TestProject, stream: str, end: Any = END) -> Any:
    return project.run("voice", stream, end=end)[f"voice.{stream}"].counts


def calls(project: TestProject) -> set[int]:
    rows = project.query("SELECT source_record_id FROM source_record WHERE source_object = 'calls'")
    return {int(row[0][2:]) for row in rows}


def test_the_rate_is_the_connections(twilio: TwilioService, project: TestProject, address: str) -> None:
    configuration = settings(twilio.connection(address))
    own = configuration["connections"]["voice"]

    def rate() -> float:
        project.reconfigure(configuration)
        [limit] = sources.open_connection(project.settings, "voice").allowed  # type: ignore[attr-defined]
        return float(limit.requests / limit.seconds)

    own["requests_per_second"] = 2
    assert rate() == 2
    del own["requests_per_second"]
    assert rate() == 10


def test_calls_are_read_page_by_page_although_new_ones_come_in(
    twilio: TwilioService, project: TestProject, address: str
) -> None:
    configuration = settings(twilio.connection(address))
    configuration["connections"]["voice"]["streams"]["calls"] = {"params": {"PageSize": "2"}}
    project.reconfigure(configuration)

    class Asked(list[str]):
        """A call comes in between the first two pages."""

        def append(self, line: str) -> None:
            if len(self) == 1:
                twilio.calls.append(call(8, after(MORNING, 1000)))
            super().append(line)

    twilio.asked = Asked()
    run(project, "calls")
    assert calls(project) >= {1, 2, 3, 4, 5, 6, 7}
    assert len(twilio.asked) == 4
    run(project, "calls", after(END, 600))
    assert calls(project) == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_call_in_progress_is_complete_with_a_later_run(twilio: TwilioService, project: TestProject) -> None:
    running = call(1, MORNING, None)
    twilio.calls = [running]
    run(project, "calls", after(MORNING, 60))
    assert project.query("SELECT ended_at FROM touchpoint") == [(None,)]
    twilio.calls = [call(1, MORNING, 300)]
    assert run(project, "calls", after(MORNING, 3600)).updated == 1
    assert project.query("SELECT ended_at FROM touchpoint") == [(after(MORNING, 300),)]


def test_a_price_that_comes_a_day_later_is_seen(twilio: TwilioService, project: TestProject) -> None:
    twilio.calls = [call(1, MORNING)]
    run(project, "calls")
    later = after(MORNING, 90_000)
    twilio.calls = [{**call(1, MORNING), "price": "-0.0085", "date_updated": format_datetime(later)}]
    counts = run(project, "calls", after(later, 3600))
    assert (counts.extracted, counts.unchanged) == (1, 1)  # a price is in no row
    [(version,)] = project.query("SELECT version_at FROM source_record")
    assert version == later


def test_what_the_days_filter_gives_too_much_is_left_out(twilio: TwilioService, project: TestProject) -> None:
    start = MORNING + timedelta(days=1)
    twilio.calls = [call(number, MORNING + timedelta(days=number)) for number in range(-1, 4)]
    project.run("voice", "calls", mode="backfill", start=start, end=start + timedelta(days=1))
    assert calls(project) == {0, 1}  # the day before is the overlap
    assert "StartTime%3E=2026-03-02" in twilio.asked[0]


def test_a_call_that_does_not_say_when_it_changed_is_kept(
    twilio: TwilioService, project: TestProject
) -> None:
    twilio.calls = [{**call(1, MORNING), "date_updated": None}]
    assert run(project, "calls").inserted == 1


def test_a_task_that_goes_on_after_a_run_is_summed_up_anew(
    twilio: TwilioService, project: TestProject
) -> None:
    worker = {"worker_sid": "WK1", "task_queue_name": "Care"}
    twilio.events = [event(1, "task.created", MORNING)]
    twilio.now = after(MORNING, 100)
    run(project, "tasks", after(MORNING, 100))
    query = "SELECT wait_seconds, talk_seconds, outcome FROM interaction"
    assert project.query(query) == [(None, None, None)]
    twilio.events += [event(1, "reservation.accepted", after(MORNING, 200), **worker)]
    twilio.events += [event(1, "task.completed", after(MORNING, 500), **worker)]
    twilio.now = after(MORNING, 700)
    run(project, "tasks", after(MORNING, 700))
    assert project.query(query) == [(200, 300, "answered")]


def test_a_deletion_of_a_task_that_is_over_ends_nothing(twilio: TwilioService, project: TestProject) -> None:
    twilio.events = [
        event(1, "task.created", MORNING),
        event(1, "reservation.accepted", after(MORNING, 20), worker_sid="WK1"),
        event(1, "task.wrapup", after(MORNING, 120)),
        event(1, "task.completed", after(MORNING, 150)),
        event(1, "task.deleted", after(MORNING, 300)),
        event(2, "task.created", MORNING),
        event(2, "task.canceled", after(MORNING, 40), task_canceled_reason="hangup"),
        event(2, "task.system-deleted", after(MORNING, 340)),
        event(3, "task.created", MORNING),
        event(3, "task.system-deleted", after(MORNING, 900)),
    ]
    run(project, "tasks")
    query = "SELECT wait_seconds, talk_seconds, acw_seconds, outcome FROM interaction ORDER BY interaction_id"
    assert project.query(query) == [
        (20, 100, 30, "answered"),
        (40, None, None, "abandoned"),
        (None, None, None, "timeout"),
    ]


def test_only_tasks_with_a_new_event_are_asked_for(twilio: TwilioService, project: TestProject) -> None:
    run(project, "tasks")
    twilio.asked.clear()
    twilio.events.append(event(5, "task.created", after(END, 60)))
    run(project, "tasks", after(END, 600))
    assert [line.split("TaskSid=WT")[1].split("&")[0] for line in twilio.asked if "TaskSid" in line] == [
        f"{5:032}"
    ]


@pytest.mark.parametrize("attributes", ["", "{}", "not JSON", "[1]", None])
def test_redacted_attributes_cost_the_customer_and_nothing_else(
    twilio: TwilioService, project: TestProject, attributes: str | None
) -> None:
    twilio.events = [event(1, "task.created", MORNING), event(1, "task.canceled", after(MORNING, 9))]
    for each in twilio.events:
        each["event_data"]["task_attributes"] = attributes
    assert run(project, "tasks").inserted == 1
    assert project.query("SELECT wait_seconds FROM interaction") == [(9,)]
    assert project.query("SELECT count(*) FROM record_identity") == [(0,)]


def test_an_attribute_of_ones_own_is_mapped_and_may_change_its_kind(
    twilio: TwilioService, project: TestProject, address: str
) -> None:
    configuration = settings(twilio.connection(address))
    reason = {"reason": "json_extract_string(attributes, '$.topic')"}
    own = {"to": {"touchpoint": reason}, "in_clear": {"touchpoint.reason": "a topic of our list"}}
    configuration["connections"]["voice"]["streams"]["tasks"].update(own)
    project.reconfigure(configuration)
    twilio.events = [event(1, "task.created", MORNING, {"topic": "refund"}, extra="a")]
    run(project, "tasks")
    twilio.events = [event(2, "task.created", after(END, 60), {"topic": {"deep": 1}}, extra={"b": 1})]
    twilio.now = after(END, 3600)
    assert run(project, "tasks", after(END, 3600)).inserted == 1
    rows = project.query("SELECT activity, reason FROM touchpoint ORDER BY occurred_at")
    assert rows == [("entered_queue", "refund"), ("entered_queue", '{"deep":1}')]


def test_events_are_asked_for_in_slices_with_their_own_start(
    twilio: TwilioService, project: TestProject, address: str
) -> None:
    project.reconfigure(settings(twilio.connection(address), slices=24 * 3600))
    assert run(project, "events").inserted == 12
    assert len(twilio.asked) == 30  # the days that TaskRouter keeps
    assert all("StartDate=" in line and "EndDate=" in line for line in twilio.asked)


def test_more_events_than_one_request_gives_are_an_error_that_names_the_setting(
    twilio: TwilioService, project: TestProject, address: str
) -> None:
    twilio.events = [event(number, "task.created", after(MORNING, number)) for number in range(1, 1301)]
    with pytest.raises(SourceError, match=r"voice\.events.*1,000 events or more") as caught:
        run(project, "events")
    assert "slices = 300" in str(caught.value)
    project.reconfigure(settings(twilio.connection(address), slices=900))
    project.run("voice", "events", mode="backfill", start=MORNING, end=after(MORNING, 1800))
    assert project.query("SELECT count(*) FROM source_record") == [(1300,)]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (refusal(401, 20003), ConfigError, "status 401: the key or its secret is wrong"),
        (refusal(403, 20003), ConfigError, "status 403: the key lacks a right"),
        (refusal(404, 20404), ConfigError, "no such account or workspace"),
        (Response("", 503, {"Retry-After": "3600"}), TransientError, "asks to wait 3,600 s"),
    ],
)
def test_a_refusal_says_what_is_missing(
    twilio: TwilioService, project: TestProject, answer: Response, error: type[Exception], said: str
) -> None:
    twilio.trouble.append(lambda _: answer)
    with pytest.raises(error, match=f"(?s)voice.calls.*{said}") as caught:
        run(project, "calls")
    assert twilio.secret not in str(caught.value)
    assert len(twilio.asked) == 1, "nobody asks again"


def test_too_many_requests_cost_nothing(twilio: TwilioService, project: TestProject) -> None:
    twilio.trouble += [lambda _: refusal(429, 20429, "Too Many Requests")] * 3
    assert run(project, "calls").inserted == 7


def test_tasks_without_a_workspace_are_refused_before_anything_is_asked(
    twilio: TwilioService, project: TestProject, address: str
) -> None:
    project.reconfigure(settings({**twilio.connection(address), "workspace": ""}))
    with pytest.raises(ConfigError, match="none is set"):
        run(project, "tasks")
    assert twilio.asked == []
    sources.doctor(project.settings, "voice", "calls")
