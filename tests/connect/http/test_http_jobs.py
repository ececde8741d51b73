"""Exports that a service makes as a job: found again by a later run, resumed, given up, downloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from invented_desk import Desk, InventedDesk, configuration, ticket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from cxflow import hookimpl, http, sources
from cxflow.connect.http import jobs
from cxflow.connect.http.jobs import JobStore
from cxflow.connect.patience import without_waiting
from cxflow.errors import JobRunningError, SourceError, StaleCheckpointError, TransientError
from cxflow.model.reading import Page
from cxflow.model.window import Window
from cxflow.testing import TestProject
from cxflow.testing.service import served

END = datetime(2026, 4, 1, tzinfo=UTC)
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), END)


class Exporting:
    """The desk's exports: each is a list of lines, and what is said of it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.says: dict[str, Any] = {"state": "done"}
        self.lines: list[dict[str, Any]] = []
        self.downloads: list[dict[str, str]] = []
        self.broken = 0
        """Downloads that break off first."""

    async def start(self, request: Request) -> Response:
        self.started.append((await request.json())["of"])
        return JSONResponse({"id": f"e{len(self.started)}"})

    def state(self, request: Request) -> Response:
        url = self.says.get("url", f"{request.base_url}exports/result")
        return JSONResponse({"lines": len(self.lines), **self.says, "url": url})

    def result(self, request: Request) -> Response:
        self.downloads.append(dict(request.headers))
        if self.broken:
            self.broken -= 1
            return Response(status_code=502)
        return Response("\n".join(json.dumps(line) for line in self.lines))


class TicketExport(http.Job):
    """All tickets of a window."""

    look_again_seconds = 0.0

    def __init__(self, window: Window) -> None:
        self._of = str(window)

    @property
    def query(self) -> str:
        return self._of

    @property
    def origin(self) -> str:
        return "export of tickets"

    def start(self, client: http.Client) -> str:
        return str(client.send(http.Request("/exports", body={"of": self._of})).value("id"))

    def state(self, client: http.Client, identifier: str) -> http.JobState:
        answer = client.send(http.Request(f"/exports/{identifier}"))
        state = answer.value("state")
        lost = "it failed" if state == "failed" else ""
        return http.JobState(state == "done", answer.value("url"), answer.value("lines"), lost)

    def records(self, file: Path) -> Iterator[list[bytes]]:
        lines = file.read_bytes().splitlines()
        yield from ([*lines[start : start + 2]] for start in range(0, len(lines), 2))


class ExportingDesk(InventedDesk):
    """The desk, its tickets by export; what is archived by pages."""

    name: ClassVar[str] = "exporting_desk"

    def export(self, stream: http.RestStream, window: Window) -> http.Job | None:
        return TicketExport(window) if stream.name == "tickets" else None


@hookimpl
def cxflow_connectors() -> list[type[InventedDesk]]:
    return [ExportingDesk]


@pytest.fixture
def exporting() -> Exporting:
    made = Exporting()
    made.lines = [ticket(number, number) for number in range(1, 6)]
    return made


@pytest.fixture
def address(desk: Desk, exporting: Exporting) -> Iterator[str]:
    routes = [
        Route("/exports", exporting.start, methods=["POST"]),
        Route("/exports/result", exporting.result),
        Route("/exports/{id}", exporting.state),
        Mount("/", desk.application()),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture
def project(project: TestProject, address: str) -> TestProject:
    made = configuration(address, connector="exporting_desk")
    project.reconfigure({**made, "plugins": ["test_http_jobs"], "landing": {"checkpoint_seconds": 0}})
    return project


def run(project: TestProject, end: datetime = END) -> Any:
    return project.run("desk", "tickets", end=end)["desk.tickets"].counts


def test_an_export_brings_the_stream_s_own_records_and_sweeps_are_paged(
    desk: Desk, exporting: Exporting, project: TestProject
) -> None:
    desk.archived = [ticket(9, 2, status="archived")]
    counts = run(project)
    assert (counts.extracted, counts.inserted, counts.deleted) == (6, 5, 1)
    assert exporting.started == [str(WINDOW)]
    assert desk.asked == ["/v1/archive"]
    assert "authorization" not in exporting.downloads[0], "a result is read without credentials"


def test_a_later_scheduled_run_goes_on_with_the_export_and_the_window_of_the_one_that_stopped(
    exporting: Exporting, project: TestProject
) -> None:
    exporting.says["state"] = "working"
    with (
        without_waiting(),
        pytest.raises(JobRunningError, match=r"desk\.tickets: the service is still working"),
    ):
        run(project)
    exporting.says["state"] = "done"
    assert run(project, datetime(2026, 4, 2, tzinfo=UTC)).inserted == 5
    assert exporting.started == [str(WINDOW)]
    run(project, datetime(2026, 4, 3, tzinfo=UTC))
    assert len(exporting.started) == 2, "an export that was read is not used again"


@pytest.mark.parametrize(
    ("works_seconds", "pauses", "is_sent_away"), [(3, [1, 1, 2], False), (60, [1, 1, 2, 4, 8], True)]
)
def test_a_run_that_does_not_wait_does_so_for_a_small_export(
    exporting: Exporting,
    project: TestProject,
    monkeypatch: pytest.MonkeyPatch,
    works_seconds: float,
    pauses: list[float],
    is_sent_away: bool,
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) >= works_seconds:
            exporting.says["state"] = "done"

    monkeypatch.setattr(TicketExport, "look_again_seconds", 10.0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=sleep))
    exporting.says["state"] = "working"
    with without_waiting():
        if is_sent_away:
            with pytest.raises(JobRunningError) as problem:
                run(project)
            assert problem.value.look_again_seconds == 10
            with pytest.raises(JobRunningError):
                run(project)  # finds the job, and does not look at it for longer
        else:
            assert run(project).inserted == 5
    assert slept == pauses


def test_a_run_waits_until_the_export_has_ended(exporting: Exporting, project: TestProject) -> None:
    connector: Any = sources.open_connection(project.settings, "desk")
    exporting.says["state"] = "working"
    reading = connector.read(connector.streams["tickets"], WINDOW, {})
    waiting = [next(reading), next(reading)]
    assert [page.records for page in waiting] == [[], []]
    assert {json.dumps(page.checkpoint) for page in waiting} == {'{"call": 0, "job": "e1", "records": 0}'}
    exporting.says["state"] = "done"
    assert sum(len(item.records) for item in reading if isinstance(item, Page)) == 5


def test_an_export_is_resumed_behind_the_last_record_kept(exporting: Exporting, project: TestProject) -> None:
    connector: Any = sources.open_connection(project.settings, "desk")
    stream = connector.streams["tickets"]

    def pages(reading: Any) -> list[Page]:
        return [item for item in reading if isinstance(item, Page)]

    whole = pages(connector.read(stream, WINDOW, {}))
    for place, page in enumerate(whole[:-1]):
        rest = pages(connector.resume(stream, WINDOW, {}, page.checkpoint))
        expected = [record for each in whole[place + 1 :] for record in each.records]
        assert [record for each in rest for record in each.records] == expected
    for records in (1, 3):  # kept in the middle of what are pages now
        rest = pages(connector.resume(stream, WINDOW, {}, {"call": 0, "job": "e1", "records": records}))
        assert sum(len(each.records) for each in rest) == 5 - records
    with pytest.raises(SourceError, match="fewer than were read"):
        pages(connector.resume(stream, WINDOW, {}, {"call": 0, "job": "e1", "records": 7}))
    exporting.says["state"] = "failed"
    with pytest.raises(StaleCheckpointError, match="it failed"):
        pages(connector.resume(stream, WINDOW, {}, whole[0].checkpoint))


def test_a_job_that_is_lost_is_started_again_and_one_that_fails_at_once_is_not(
    exporting: Exporting, project: TestProject
) -> None:
    exporting.says["state"] = "failed"
    with pytest.raises(TransientError, match="gave up the export: it failed"):
        run(project)
    assert len(exporting.started) == 1
    exporting.says["state"] = "done"
    assert run(project).inserted == 5
    assert len(exporting.started) == 2


def test_a_result_that_is_not_whole_is_not_loaded(exporting: Exporting, project: TestProject) -> None:
    exporting.says["lines"] = 6
    with pytest.raises(TransientError, match="the export has 5 lines, and the service says 6"):
        run(project)
    del exporting.says["lines"]
    exporting.broken = 2
    assert run(project).inserted == 5


def test_a_result_on_a_host_that_is_not_declared_is_not_asked_for(
    exporting: Exporting, project: TestProject, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting.says["url"] = address.replace("127.0.0.1", "localhost") + "/exports/result?secret=1"
    with pytest.raises(SourceError, match="links to another host, localhost") as problem:
        run(project)
    assert "secret" not in str(problem.value)
    assert exporting.downloads == []
    monkeypatch.setattr(ExportingDesk, "download_hosts", (address.replace("127.0.0.1", "localhost"),))
    assert run(project).inserted == 5


def test_an_export_without_a_result_has_no_records(exporting: Exporting, project: TestProject) -> None:
    exporting.says["url"], exporting.lines = None, []
    assert run(project).extracted == 0


def test_a_damaged_note_of_a_job_is_no_job(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs", "account", "query")
    assert store.read() is None
    store.keep("e1")
    assert (store.read(), JobStore(tmp_path / "jobs", "another", "query").read()) == ("e1", None)
    [file] = (tmp_path / "jobs").iterdir()
    file.write_text("{")
    assert store.read() is None
    store.forget()
    store.forget()
