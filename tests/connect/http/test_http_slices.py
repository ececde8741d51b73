"""A window in slices, for services that do not page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from invented_desk import Desk, InventedDesk, configuration, ticket

from cxflow import flow, http, sources
from cxflow.connect.http.stream import RestStream
from cxflow.errors import SourceError
from cxflow.model.window import Window
from cxflow.testing import TestProject, broken_reading

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 6, 12, tzinfo=UTC))
DAYS = {"slices": timedelta(days=2), "kept": timedelta(days=30), "sweeps": (), "pages": http.OnePage()}


@pytest.fixture(autouse=True)
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk's tickets are asked for by two days."""
    tickets, *others = InventedDesk.declared
    monkeypatch.setattr(InventedDesk, "declared", (tickets.model_copy(update=DAYS), *others))


def days(desk: Desk) -> list[tuple[str, ...]]:
    """The days of each request's window."""
    return [tuple(re.findall(r"2026-03-(\d\d)T", line)) for line in desk.asked]


def test_each_slice_is_asked_for_and_no_record_is_left_out(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 9)]
    desk.tickets[2]["updated_at"] = "2026-03-03T00:00:00Z"  # the first instant of a slice
    report = flow.run_stream(project.settings, "desk", "tickets", WINDOW, "backfill")
    assert days(desk) == [("01", "03"), ("03", "05"), ("05", "06")]
    assert report.counts.inserted == 6


def test_what_the_service_no_longer_keeps_is_not_asked_for() -> None:
    stream = InventedDesk.declared[0]
    assert isinstance(stream, RestStream)
    old = Window(None, WINDOW.end)
    assert [str(piece) for piece in stream.model_copy(update={"kept": timedelta(days=3)}).pieces(old)] == [
        "[2026-03-03T12:00:00+00:00, 2026-03-05T12:00:00+00:00)",
        "[2026-03-05T12:00:00+00:00, 2026-03-06T12:00:00+00:00)",
    ]


def test_slices_without_a_first_start_are_refused() -> None:
    with pytest.raises(ValueError, match="slices need kept or earliest"):
        RestStream(primary_key=("id",), to={"touchpoint": {}}, path="/", slices=timedelta(days=1))


def test_a_pull_goes_on_in_the_slice_where_it_was_interrupted(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 9)]
    connector: Any = sources.open_connection(project.settings, "desk")
    stream = connector.streams["tickets"]
    whole, checkpoints = broken_reading.whole(project.settings, connector, stream, WINDOW)
    assert [place["slice"] for place in checkpoints] == [1772323200.0, 1772496000.0, 1772668800.0]
    for place in (1, 2, 3):
        desk.asked.clear()
        assert broken_reading.in_two(project.settings, connector, stream, WINDOW, place) == whole
        assert len(desk.asked) == 3, "no slice twice"


def test_children_are_read_for_the_parents_of_every_slice(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 6)]
    desk.comments = {day: [{"id": f"{day}", "written_at": "2026-03-02T00:00:00Z"}] for day in range(1, 6)}
    report = flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
    assert report.counts.inserted == 5


def test_a_parent_without_a_key_is_a_fault_unless_it_may_have_none(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tickets = [ticket(1, 1), ticket(2, 2, thread=None), ticket(3, 3, thread=3)]
    desk.comments = {3: [{"id": "3", "written_at": "2026-03-03T00:00:00Z"}]}
    tickets, comments = InventedDesk.declared
    for optional in (False, True):
        parent = http.Parent(stream="tickets", key="thread", optional=optional, carries=("requester.email",))
        monkeypatch.setattr(
            InventedDesk, "declared", (tickets, comments.model_copy(update={"parent": parent}))
        )
        if optional:
            report = flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
            assert report.counts.inserted == 1
        else:
            with pytest.raises(SourceError, match="a parent record has no thread"):
                flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")


def test_a_parent_that_is_not_read_itself_is_asked_for_as_the_project_says(
    desk: Desk, address: str, project: TestProject
) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 6)]
    desk.comments = {day: [{"id": f"{day}", "written_at": "2026-03-02T00:00:00Z"}] for day in range(1, 6)}
    daily = {"tickets": {"slices": 24 * 3600}}
    project.reconfigure(configuration(address, only=["comments"], streams=daily))
    assert list(flow.streams(project.settings, "desk")) == ["comments"]
    report = flow.run_stream(project.settings, "desk", "comments", WINDOW, "backfill")
    assert report.counts.inserted == 5
    assert [each for each in days(desk) if each][:2] == [("01", "02"), ("02", "03")]
