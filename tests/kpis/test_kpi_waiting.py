"""requester_wait_minutes: how long those who opened a case waited for the team."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from kpi_desk import Desk, at

from cxflow.kpis import status
from cxflow.warehouse.tables import case_status_history

KPI = "requester_wait_minutes"
OPENED = at("3-14 08:00")
States = list[tuple[float, str]]

# The states of a case, each with the minutes from its opening; when it was last solved; how long its customer waited.
TEN: list[tuple[States, float, float]] = [
    ([(0, "new"), (10, "solved")], 10, 10),
    ([(0, "new"), (5, "pending"), (65, "open"), (72, "solved")], 72, 12),
    ([(0, "Open "), (30, "SOLVED")], 30, 30),
    ([(0, "pending"), (100, "solved")], 100, 0),
    ([(0, "hold"), (20, "open"), (25, "solved")], 25, 25),
    ([(0, "open"), (40, "solved"), (100, "open"), (120, "solved")], 120, 60),  # reopened, and solved again
    ([(0, "open"), (7, "solved"), (50, "open")], 7, 7),  # reopened, and not solved again yet
    ([(0, "open"), (15, "-"), (30, "pending"), (45, "solved")], 45, 15),
    ([(0, "open")], 33, 33),  # nobody noted the solution
    ([(0, "new"), (1, "solved")], 1, 1),
]


def minutes(number: float) -> datetime:
    return OPENED + timedelta(minutes=number)


def put(desk: Desk, number: int, states: States, solved: float | None) -> None:
    desk.case(OPENED, case_id=f"case{number}", last_solved_at=None if solved is None else minutes(solved))
    note(desk, number, states)


def note(desk: Desk, number: int, states: States, **more: object) -> None:
    """Add states. One of them ends by itself, the others with the next."""
    for place, (begun, name) in enumerate(states):
        if name == "-":
            continue
        ends = place + 1 < len(states) and states[place + 1][1] == "-"
        row = {"valid_from": minutes(begun), "valid_to": minutes(states[place + 1][0]) if ends else None}
        desk.put(case_status_history, {"case_id": f"case{number}", "status": name, **row, **more})


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    desk.configure(kpis={"waiting_statuses": ["new", "OPEN", "hold"]})
    return desk


def test_only_states_of_the_team_count_up_to_the_last_solution(waiting: Desk) -> None:
    # 0, 1, 7, 10, 12, 15, 25, 30, 33, 60: the median is (12 + 15) / 2; the binomial gives ranks 2 and 9: 1 to 33.
    for number, (states, solved, _) in enumerate(TEN):
        put(waiting, number, states, solved)
    put(waiting, 10, [], 5)  # without a state
    put(waiting, 11, [(0, "open")], None)  # not solved
    note(waiting, 0, [(2, "pending")], is_deleted=True)
    found = waiting.result(KPI)
    assert found is not None
    assert (found.value, found.n, found.left_out) == (pytest.approx(13.5), 10, 1)
    assert (found.ci_low, found.ci_high) == (pytest.approx(1), pytest.approx(33))


@pytest.mark.parametrize("number", range(len(TEN)))
def test_each_case_by_itself(waiting: Desk, number: int) -> None:
    states, solved, waited = TEN[number]
    put(waiting, number, states, solved)
    put(waiting, 100, [(0, "open")], None)  # some case has waited
    found = waiting.result(KPI)
    assert found is not None
    assert found.value == pytest.approx(waited)


def test_a_state_that_comes_later_changes_the_day_of_the_solution_alone(waiting: Desk) -> None:
    put(waiting, 1, [(0, "open")], 30)
    put(waiting, 2, [(0, "open")], 3000)
    waiting.compute(KPI)
    before = {value.period_start.day: value.value for value in waiting.counted(KPI, "day")}
    assert before == {14: pytest.approx(30), 16: pytest.approx(3000)}
    note(waiting, 1, [(10, "pending")])
    report = waiting.compute(KPI)
    after = {value.period_start.day: value.value for value in waiting.counted(KPI, "day")}
    assert after == {14: pytest.approx(10), 16: pytest.approx(3000)}
    assert report.published > 0
    assert waiting.compute(KPI, everything=True).published == 0


def test_without_the_states_that_count_it_says_what_to_set(desk: Desk) -> None:
    put(desk, 1, [(0, "open")], 30)
    desk.compute(KPI)
    assert desk.values(KPI, "all") == []
    [found] = [each for name, each in status.read(desk.connection).items() if name == KPI]
    assert found.reason == "no state: set waiting_statuses in [kpis]"


def test_a_state_that_no_case_was_ever_in_is_told_with_those_there_are(desk: Desk) -> None:
    desk.configure(kpis={"waiting_statuses": ["nuevo"]})
    put(desk, 1, [(0, "Open"), (5, "solved")], 5)
    report = desk.compute(KPI)
    assert report.failed == {
        KPI: "no case has been in a state of kpis.waiting_statuses: nuevo; the states are: open, solved"
    }
