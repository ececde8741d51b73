"""A service desk's log of problems: the states of every problem against the events themselves."""

from __future__ import annotations

import pandas as pd
import pytest
from editions import Figure, Source, of_the_slice
from real_project import RealProject
from real_sets import BPI13

SECOND = pd.Timedelta(seconds=1)

STATES = """(
    SELECT case_id, status, valid_from, row_number() OVER problem AS number,
        lead(valid_from) OVER problem AS until, lead(status) OVER problem AS following
    FROM case_status_history WINDOW problem AS (PARTITION BY case_id ORDER BY valid_from)
)"""
"""The states in their order, each with its end."""


@pytest.fixture(scope="module")
def events(source: Source) -> pd.DataFrame:
    """The events in their order, each beside the one that follows."""
    found = pd.read_csv(source(BPI13, "problems.events"), dtype=str, keep_default_na=False)
    found = pd.DataFrame(
        {
            "case": found["case:concept:name"],
            "at": pd.to_datetime(found["time:timestamp"]),
            "status": found["concept:name"] + " / " + found["lifecycle:transition"],
            "agent": found["org:resource"],
            "role": found["org:role"],
        }
    ).sort_values(["case", "at"])
    of_case = found.groupby("case")
    return found.assign(until=of_case["at"].shift(-1), following=of_case["status"].shift(-1))


def test_every_event_is_the_beginning_of_a_state(
    bpi13: RealProject, events: pd.DataFrame, figure: Figure
) -> None:
    found = bpi13.rows(
        "SELECT case_id, strftime(timezone('UTC', valid_from), '%Y-%m-%d %H:%M:%S'), status, agent_id "
        "FROM case_status_history"
    )
    expected = zip(
        "problems:" + events["case"],
        events["at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        events["status"],
        "problems:" + events["agent"],
        strict=True,
    )
    assert sorted(found) == sorted(expected)
    assert len({case for case, *_ in found}) == figure(real=1487, slice=12)


@of_the_slice
def test_a_problem_that_was_opened_again_keeps_every_state(bpi13: RealProject) -> None:
    found = bpi13.rows(
        "SELECT strftime(timezone('UTC', valid_from), '%d %H:%M'), status, agent_id, valid_to "
        "FROM case_status_history WHERE case_id = 'problems:9-100000003' ORDER BY valid_from"
    )
    assert found == [
        ("01 12:00", "Queued / Awaiting Assignment", "problems:Dalia", None),
        ("01 13:00", "Accepted / In Progress", "problems:Dalia", None),
        ("01 14:30", "Completed / Closed", "problems:Dalia", None),
        ("03 14:30", "Accepted / In Progress", "problems:Dalia", None),
        ("03 15:00", "Completed / Closed", "problems:Dalia", None),
    ]


def test_no_state_knows_its_end(bpi13: RealProject, figure: Figure) -> None:
    states = figure(real=6660, slice=50)
    assert bpi13.row("SELECT count(*), count(valid_to) FROM case_status_history") == (states, 0)


HOURS_IN_A_STATE = {
    # Problem 1: an hour; 6: a second; 9: an hour; 12: half a minute.
    "Accepted / Assigned": (1 + 1 / 3600 + 1 + 30 / 3600, 4),
    # Problem 5: a day; 9: a day; 10: two days.
    "Accepted / Wait": (24 + 24 + 48, 3),
    # Opened again: problem 3 after two days, 9 after seven.
    "Completed / Closed": (2 * 24 + 7 * 24, 2),
    "Completed / Cancelled": (1, 1),
    "Unmatched / Unmatched": (0.25, 1),
}
"""Of the slice: hours in all, and how often."""


@of_the_slice
def test_how_long_problems_stay_in_a_state_is_as_by_hand(bpi13: RealProject) -> None:
    found = bpi13.rows(
        f"SELECT status, (sum(epoch(until) - epoch(valid_from)) / 3600)::DOUBLE, count(*) FROM {STATES} "
        "WHERE until IS NOT NULL GROUP BY status"
    )
    by_status = {status: (pytest.approx(hours), n) for status, hours, n in found}
    assert {status: by_status[status] for status in HOURS_IN_A_STATE} == HOURS_IN_A_STATE


def test_how_long_problems_stay_in_a_state(bpi13: RealProject, events: pd.DataFrame) -> None:
    found = bpi13.rows(
        f"SELECT status, sum(epoch(until) - epoch(valid_from)), count(*) FROM {STATES} "
        "WHERE until IS NOT NULL GROUP BY status"
    )
    ended = events[events.until.notna()]
    seconds = ((ended.until - ended["at"]) / SECOND).groupby(ended["status"])
    assert {status: (total, n) for status, total, n in found} == {
        status: (pytest.approx(each.sum()), len(each)) for status, each in seconds
    }


def test_every_problem_ends_closed_and_some_were_opened_again(
    bpi13: RealProject, events: pd.DataFrame, figure: Figure
) -> None:
    last = events[events.following.isna()]
    assert set(last["status"]) == {"Completed / Closed"}
    is_open_again = events["status"].str.startswith("Completed") & ~events.following.fillna(
        "Completed"
    ).str.startswith("Completed")
    again = set(events["case"][is_open_again])
    assert (
        bpi13.row(
            f"SELECT count(DISTINCT case_id) FILTER (following NOT LIKE 'Completed%' AND status LIKE 'Completed%'), "
            f"count(*) FILTER (following IS NULL AND status = 'Completed / Closed') FROM {STATES}"
        )
        == (len(again), len(last))
        == figure(real=(61, 1487), slice=(2, 12))
    )


def test_first_events_of_years_ago_load(bpi13: RealProject, events: pd.DataFrame, figure: Figure) -> None:
    first = ~events.duplicated("case")
    old = (first & (events.until - events["at"] > pd.Timedelta(days=366))).sum()
    assert old == figure(real=64, slice=2)
    assert bpi13.row(
        f"SELECT count(*) FROM {STATES} WHERE number = 1 AND until - valid_from > INTERVAL 366 DAY"
    ) == (old,)
    assert bpi13.row("SELECT min(year(timezone('UTC', valid_from))) FROM case_status_history") == (
        figure(real=2006, slice=2007),
    )


def test_an_empty_role_refuses_nothing(bpi13: RealProject, events: pd.DataFrame, figure: Figure) -> None:
    without = events[events.role == ""]
    found = bpi13.rows(
        "SELECT case_id, strftime(timezone('UTC', valid_from), '%Y%m%d%H%M%S') FROM case_status_history"
    )
    expected = zip("problems:" + without["case"], without["at"].dt.strftime("%Y%m%d%H%M%S"), strict=True)
    assert len(without) == figure(real=2078, slice=18)
    assert set(expected) <= set(found)
