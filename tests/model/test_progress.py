"""Reports of progress: who hears them, how many, and of what they are."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context

import pytest
from structlog.testing import capture_logs

from cxflow.model import progress
from cxflow.model.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("done", "total", "share", "part"),
    [
        (None, None, None, None),
        (5, None, None, None),
        (5, 20, None, 0.25),
        (30, 20, None, 1.0),
        (5, None, 0.5, 0.5),
        (5, None, 1.5, 1.0),
        (5, 0, None, None),
    ],
)
def test_the_part_is_that_of_the_units_unless_something_else_tells_it(
    done: int | None, total: int | None, share: float | None, part: float | None
) -> None:
    assert Progress("x", done=done, total=total, share=share).part == part


def test_a_stage_tells_at_most_ten_times_a_second_and_a_new_one_at_once(clock: list[float]) -> None:
    heard: list[Progress] = []
    with progress.listening(heard.append):
        for number in range(100):  # one second
            progress.report("reading", number)
            clock[0] += 0.01
        assert 9 <= len(heard) <= 11
        progress.report("reading", 100)
        progress.report("landing")
        assert heard[-1].stage == "landing"
    progress.report("loading")
    assert heard[-1].stage == "landing", "nobody listens any more"


def test_a_report_is_of_its_stream(clock: list[float]) -> None:
    heard: list[Progress] = []
    with progress.listening(heard.append):
        for stream in ("orders", "refunds"):
            with progress.of("shop", stream):
                progress.report("reading")
        progress.report("KPIs")
    assert [(each.connection, each.stream) for each in heard] == [
        ("shop", "orders"),
        ("shop", "refunds"),
        (None, None),
    ]


def test_what_holds_a_stage_up_is_told_with_what_is_done_until_the_next_report(clock: list[float]) -> None:
    heard: list[Progress] = []
    with progress.listening(heard.append):
        progress.report("reading", 400)
        progress.held_up("waits 30 s")
        clock[0] += 1
        progress.report("reading", 500)
    assert [(each.done, each.note) for each in heard] == [(400, ""), (400, "waits 30 s"), (500, "")]


def test_another_thread_reports_to_who_listens_where_it_was_started() -> None:
    heard: list[Progress] = []
    with progress.listening(heard.append), progress.of("shop", "orders"):
        thread = threading.Thread(target=copy_context().run, args=(progress.report, "reading"))
        thread.start()
        thread.join()
    assert [(each.stage, each.stream) for each in heard] == [("reading", "orders")]


def test_without_a_listener_a_long_stage_is_logged_twice_a_minute(clock: list[float]) -> None:
    with capture_logs() as logs, progress.of("shop", "orders"):
        for number in range(1201):  # two minutes
            progress.report("reading", number)
            clock[0] += 0.1
    said = [each for each in logs if each["event"] == "in progress"]
    assert 3 <= len(said) <= 4
    assert said[0]["stream"] == "orders"
    assert 295 <= said[0]["done"] <= 305


def test_short_stages_are_not_logged(clock: list[float]) -> None:
    with capture_logs() as logs:
        for number in range(20):
            progress.report(f"stage {number}")
            clock[0] += 25
    assert logs == []
