"""What a connector may add to a stream: a window of its own, more about each record, a pause that a code stands for."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from invented_desk import Desk, InventedDesk, answer, configuration, ticket

from cxflow import flow, http
from cxflow.model.window import Window
from cxflow.testing import TestProject

WINDOW = Window(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))


@pytest.fixture
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk is not asked for a window."""
    tickets, *others = InventedDesk.declared
    changes = {"params": {"size": "3"}, "changed": "updated_at", "sweeps": ()}
    monkeypatch.setattr(InventedDesk, "declared", (tickets.model_copy(update=changes), *others))


def the_desk(project: TestProject, tickets: dict[str, Any]) -> dict[str, Any]:
    """The same project, with settings of the tickets."""
    return configuration(project.settings.connections["desk"]["base_url"], streams={"tickets": tickets})


def loaded(project: TestProject) -> list[str]:
    flow.run_stream(project.settings, "desk", "tickets", WINDOW, "backfill")
    return [row[0] for row in project.query("SELECT source_record_id FROM support_case ORDER BY 1")]


@pytest.mark.usefixtures("unfiltered")
def test_what_the_service_cannot_filter_is_filtered_here(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 10)]
    desk.tickets[4]["updated_at"] = "2026-03-05T00:00:00Z"  # the window's first instant
    desk.tickets[8]["updated_at"] = "2026-03-09T00:00:00Z"  # the first one after it
    desk.tickets.append(ticket(10, 1, updated_at=None))
    project.reconfigure(the_desk(project, {"version": "coalesce(updated_at, created_at)"}))
    assert loaded(project) == ["10", "5", "6", "7", "8"]
    assert project.books_balance()


@pytest.mark.usefixtures("unfiltered")
def test_the_overlap_counts_where_records_are_filtered_here(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(day, day) for day in range(1, 10)]
    project.reconfigure(the_desk(project, {"overlap": "P1D"}))
    assert loaded(project) == ["4", "5", "6", "7", "8"]


def test_a_connector_can_ask_more_about_the_records_of_a_page(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tickets = [ticket(number, 6) for number in range(1, 6)]
    desk.comments = {number: [{"id": f"{number}-1", "written_at": f"{number}"}] for number in range(1, 6)}
    pages: list[int] = []

    def completed(
        self: InventedDesk, client: http.Client, stream: http.RestStream, records: list[bytes]
    ) -> list[bytes]:
        pages.append(len(records))
        found = [json.loads(record) for record in records]
        for each in found:
            asked = client.send(http.Request(f"/v1/tickets/{each['id']}/comments"))
            each["reason"] = asked.value("comments.0.id")
        return [json.dumps(each).encode() for each in found]

    monkeypatch.setattr(InventedDesk, "completed", completed)
    mapped = {"case_id": "id", "opened_at": "created_at", "reason": "reason"}
    project.reconfigure(the_desk(project, {"to": {"support_case": mapped}}))
    flow.run_stream(project.settings, "desk", "tickets", WINDOW, "backfill")
    rows = project.query("SELECT source_record_id, reason FROM support_case ORDER BY 1")
    assert rows == [(str(number), f"{number}-1") for number in range(1, 6)]
    assert pages == [3, 2], "once a page, and not for a page without records"


def test_a_code_that_stands_for_a_pause_is_waited_for(
    desk: Desk, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tickets = [ticket(1, 6)]
    desk.trouble.append(answer(429, {"error": "secondly"}))
    rule = http.Rule(429, http.Then.WAIT, "secondly", seconds=0.5)
    monkeypatch.setattr(InventedDesk, "errors", http.Errors(code=("error",), rules=(rule,)))
    began = time.monotonic()
    flow.run_stream(project.settings, "desk", "tickets", WINDOW, "backfill")
    assert time.monotonic() - began >= 0.5
    assert len(desk.asked) == 3, "the page, again, and the archive"
