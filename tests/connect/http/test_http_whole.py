"""Records that a service deletes without a word: found by reading the stream whole from time to time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from invented_desk import Desk, InventedDesk, configuration, ticket
from pydantic import ValidationError

from cxflow import sources
from cxflow.errors import GateClosedError
from cxflow.model.reading import Page, Snapshot
from cxflow.model.window import Window
from cxflow.testing import TestProject


@pytest.fixture(autouse=True)
def weekly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk's tickets are read whole every week."""
    tickets, *others = InventedDesk.declared
    changes = {"snapshot": True, "whole_every": timedelta(days=7), "max_vanished_share": 0.5, "sweeps": ()}
    monkeypatch.setattr(InventedDesk, "declared", (tickets.model_copy(update=changes), *others))


@pytest.fixture
def project(project: TestProject, address: str) -> TestProject:
    settings = configuration(address)
    del settings["connections"]["desk"]["start"]
    project.reconfigure(settings)
    return project


def run(project: TestProject, day: int, month: int = 4) -> Any:
    end = datetime(2026, month, day, tzinfo=UTC)
    return project.run("desk", "tickets", end=end)["desk.tickets"].counts


def live(project: TestProject) -> list[str]:
    rows = project.query("SELECT source_record_id FROM support_case WHERE NOT is_deleted ORDER BY 1")
    return [row[0] for row in rows]


def test_a_record_that_two_whole_readings_lack_is_deleted_and_lives_again_when_it_is_back(
    desk: Desk, project: TestProject
) -> None:
    desk.tickets = [ticket(number, number) for number in range(1, 6)]
    run(project, 1)
    gone = desk.tickets.pop(1)
    run(project, 2)  # reads what changed: nothing tells
    assert "since=" in desk.asked[-1]
    run(project, 8)
    assert "since=" not in desk.asked[-2]
    assert live(project) == ["1", "2", "3", "4", "5"], "missing once"
    run(project, 14)
    assert live(project) == ["1", "2", "3", "4", "5"], "not yet a week later"
    run(project, 15)
    assert live(project) == ["1", "3", "4", "5"]
    desk.tickets.append(gone)
    run(project, 22)
    assert live(project) == ["1", "2", "3", "4", "5"]


def test_a_reading_that_lacks_too_many_records_is_stopped(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(number, 1) for number in range(1, 6)]
    run(project, 1)
    desk.tickets = []
    desk.tickets = [ticket(9, 2)]
    with pytest.raises(GateClosedError, match="5 of 5 live records are missing"):
        run(project, 8)
    assert live(project) == ["1", "2", "3", "4", "5"]


def test_backfills_and_connections_with_a_start_are_not_read_whole(
    desk: Desk, project: TestProject, address: str
) -> None:
    connector: Any = sources.open_connection(project.settings, "desk")
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    stream = connector.streams["tickets"]
    assert [item for item in connector.read(stream, window, None) if isinstance(item, Snapshot)] == []
    assert len([item for item in connector.read(stream, window, {}) if isinstance(item, Snapshot)]) == 1
    project.reconfigure(configuration(address))
    connector = sources.open_connection(project.settings, "desk")
    assert [item for item in connector.read(stream, window, {}) if isinstance(item, Snapshot)] == []


def test_a_whole_reading_that_was_interrupted_is_one_delivery(desk: Desk, project: TestProject) -> None:
    desk.tickets = [ticket(number, 1) for number in range(1, 9)]
    connector: Any = sources.open_connection(project.settings, "desk")
    stream, window = connector.streams["tickets"], Window(None, datetime(2026, 4, 1, tzinfo=UTC))
    first = [item for item in connector.read(stream, window, {}) if isinstance(item, Page)]
    rest = list(connector.resume(stream, window, {}, first[0].checkpoint))
    pages = [item for item in rest if isinstance(item, Page)]
    [snapshot] = [item for item in rest if isinstance(item, Snapshot)]
    assert {(page.origin, page.received_at) for page in [first[0], *pages]} == {
        (snapshot.origin, snapshot.received_at)
    }
    assert sum(len(page.records) for page in [first[0], *pages]) == 8


def test_a_project_can_turn_whole_readings_off(
    desk: Desk, project: TestProject, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configuration(address, streams={"tickets": {"snapshot": False}})
    del settings["connections"]["desk"]["start"]
    tickets = InventedDesk.declared[0]
    declared = (tickets.model_copy(update={"max_vanished_share": None}),)
    monkeypatch.setattr(InventedDesk, "declared", declared)
    project.reconfigure(settings)
    connector: Any = sources.open_connection(project.settings, "desk")
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    reading = connector.read(connector.streams["tickets"], window, {})
    assert [item for item in reading if isinstance(item, Snapshot)] == []


def test_a_service_that_forgets_old_records_has_no_snapshots() -> None:
    stream = InventedDesk.declared[1]
    with pytest.raises(ValidationError, match="keeps all of its records"):
        type(stream).model_validate({**dict(stream), "snapshot": True, "kept": timedelta(days=30)})
