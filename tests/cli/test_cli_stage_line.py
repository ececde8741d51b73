"""The line of a stage: amounts, rate and remaining time, each worked out by hand."""

from __future__ import annotations

import pytest

from cxflow.cli.stage_line import StageLine
from cxflow.model.progress import Progress


class Told:
    """A line, and what is told to it at which second."""

    def __init__(self) -> None:
        self.now = 100.0
        self.line = StageLine(lambda: self.now)

    def at(self, second: float, report: Progress) -> str:
        self.now = 100.0 + second
        self.line(report)
        return self.line.text()


@pytest.fixture
def told() -> Told:
    return Told()


def reading(done: int, total: int | None = None, **more: object) -> Progress:
    return Progress("reading", "shop", "orders", done, total, **more)  # type: ignore[arg-type]


def test_nothing_is_said_before_the_first_report(told: Told) -> None:
    assert told.line.text() == ""


def test_records_of_a_known_number_have_a_rate_and_a_remaining_time(told: Told) -> None:
    assert told.at(0, reading(0, 10_000)) == "reading: 0 of 10,000 records"
    # 2,000 in 4 s: 500 a second; the other 8,000 take 16 s.
    assert told.at(4, reading(2_000, 10_000)) == "reading: 2,000 of 10,000 records, 500 a second, 16 s left"


def test_the_remaining_time_goes_down_between_two_reports(told: Told) -> None:
    told.at(0, reading(0, 10_000))
    told.at(4, reading(2_000, 10_000))
    told.now += 6
    assert told.line.text() == "reading: 2,000 of 10,000 records, 500 a second, 10 s left"
    told.now += 60
    assert told.line.text().endswith(", 0 s left")


def test_records_of_an_unknown_number_have_a_rate_only(told: Told) -> None:
    told.at(0, reading(1_000))
    assert told.at(10, reading(3_000)) == "reading: 3,000 records, 200 a second"


def test_what_a_resumed_pull_had_before_is_no_work_of_now(told: Told) -> None:
    told.at(0, reading(5_000, 10_000))
    # 1,000 in 10 s: 100 a second; 4,000 are left.
    assert told.at(10, reading(6_000, 10_000)) == "reading: 6,000 of 10,000 records, 100 a second, 40 s left"


def test_bytes_tell_the_remaining_time_where_the_number_of_records_is_not_known(told: Told) -> None:
    told.at(0, Progress("counting", done=0, share=0.0))
    # A quarter in 30 s: 90 s for the rest.
    said = told.at(30, Progress("counting", done=600, share=0.25))
    assert said == "counting: 600 records (25%), 20 a second, 1 min 30 s left"


def test_a_stage_that_cannot_tell_says_since_when_it_runs(told: Told) -> None:
    told.at(0, Progress("loading", total=1_000_000))
    told.now += 75
    assert told.line.text() == "loading: 1,000,000 records, for 1 min 15 s"


def test_kpis_are_counted_and_have_no_rate(told: Told) -> None:
    told.at(0, Progress("computing", done=0, total=80, unit="KPIs"))
    said = told.at(60, Progress("computing", done=1, total=80, unit="KPIs"))
    assert said == "computing: 1 of 80 KPIs, 1 h 19 min left"


def test_what_holds_a_stage_up_is_said(told: Told) -> None:
    told.at(0, reading(0))
    said = told.at(3, reading(900, note="waits 12 s, as the service asks"))
    assert said == "reading: 900 records, waits 12 s, as the service asks, 300 a second"


def test_another_stream_begins_anew(told: Told) -> None:
    told.at(0, reading(0))
    told.at(10, reading(1_000))
    assert told.at(11, Progress("reading", "shop", "refunds", 7)) == "reading: 7 records"
    told.line.clear()
    assert told.line.text() == ""
