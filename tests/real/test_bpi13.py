"""A service desk's log of problems: the states of every problem against the events themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
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
def events(real_data: Path) -> pd.DataFrame:
    """The events in their order, each beside the one that follows."""
    found = pd.read_csv(real_data / BPI13.files["problems.events"], dtype=str, keep_default_na=False)
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


def test_every_event_is_the_beginning_of_a_state(bpi13: RealProject, events: pd.DataFrame) -> None:
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
    assert len({case for case, *_ in found}) == 1487


def test_no_state_knows_its_end(bpi13: RealProject) -> None:
    assert bpi13.row("SELECT count(*), count(valid_to) FROM case_status_history") == (6660, 0)


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
    bpi13: RealProject, events: pd.DataFrame
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
        == (61, 1487)
    )


def test_first_events_of_years_ago_load(bpi13: RealProject, events: pd.DataFrame) -> None:
    first = ~events.duplicated("case")
    old = (first & (events.until - events["at"] > pd.Timedelta(days=366))).sum()
    assert old > 0
    assert bpi13.row(
        f"SELECT count(*) FROM {STATES} WHERE number = 1 AND until - valid_from > INTERVAL 366 DAY"
    ) == (old,)
    assert bpi13.row("SELECT min(year(timezone('UTC', valid_from))) FROM case_status_history") == (2006,)


def test_an_empty_role_refuses_nothing(bpi13: RealProject, events: pd.DataFrame) -> None:
    without = events[events.role == ""]
    found = bpi13.rows(
        "SELECT case_id, strftime(timezone('UTC', valid_from), '%Y%m%d%H%M%S') FROM case_status_history"
    )
    expected = zip("problems:" + without["case"], without["at"].dt.strftime("%Y%m%d%H%M%S"), strict=True)
    assert len(without) == 2078
    assert set(expected) <= set(found)
