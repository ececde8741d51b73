"""A call centre's log: KPIs of calls against the workbook itself."""

from __future__ import annotations

from collections import Counter
from datetime import time
from pathlib import Path

import pytest
from real_project import RealProject
from real_sets import PWC, rows_of

Call = dict[str, object]


@pytest.fixture(scope="module")
def calls(real_data: Path) -> list[Call]:
    """The workbook's rows; cells missing at a row's end are empty."""
    header, *rows = rows_of(real_data / PWC.files["callcentre.calls"])
    return [dict.fromkeys(map(str, header)) | dict(zip(map(str, header), row, strict=False)) for row in rows]


def numbers(calls: list[Call], column: str) -> list[float]:
    return [float(str(call[column])) for call in calls if call[column] is not None]


def test_the_mean_satisfaction_is_3_4036(pwc: RealProject, calls: list[Call]) -> None:
    ratings = numbers(calls, "Satisfaction rating")
    mean, n = pwc.row("SELECT avg(rating_value), count(*) FROM survey_response WHERE metric_type = 'csat'")
    assert mean == pytest.approx(sum(ratings) / len(ratings)) == pytest.approx(3.4036, abs=5e-5)
    assert n == len(ratings) == len(calls) - 946


def test_csat_is_the_share_of_fours_and_fives(pwc: RealProject, calls: list[Call]) -> None:
    ratings = numbers(calls, "Satisfaction rating")
    share = sum(rating >= 4 for rating in ratings) / len(ratings)
    assert pwc.published("csat") == {"all": (pytest.approx(share), len(ratings))}


def test_answered_calls_waited_67_52_seconds(pwc: RealProject, calls: list[Call]) -> None:
    waits = numbers(calls, "Speed of answer in seconds")
    value, n = pwc.published("average_speed_of_answer")["all"]
    assert value == pytest.approx(sum(waits) / len(waits)) == pytest.approx(67.52, abs=5e-3)
    assert n == len(waits)


def test_calls_that_nobody_answered_are_abandoned(pwc: RealProject, calls: list[Call]) -> None:
    unanswered = sum(call["Answered (Y/N)"] == "N" for call in calls)
    assert unanswered == 946
    assert pwc.published("abandonment_rate") == {"all": (pytest.approx(unanswered / len(calls)), len(calls))}


def test_handle_time_is_the_talk(pwc: RealProject, calls: list[Call]) -> None:
    talks = [
        3600 * talk.hour + 60 * talk.minute + talk.second
        for call in calls
        if isinstance(talk := call["AvgTalkDuration"], time)
    ]
    expected = (pytest.approx(sum(talks) / len(talks)), len(talks))
    assert pwc.published("average_handle_time") == {"all": expected}


def test_every_call_stays_on_the_day_that_is_written(pwc: RealProject, calls: list[Call]) -> None:
    by_day = {day: n for day, (_, n) in pwc.published("abandonment_rate", "--grain", "day").items()}
    assert by_day == Counter(str(call["Date"]) for call in calls)


def test_nobody_is_made_up(pwc: RealProject) -> None:
    assert pwc.row("SELECT count(*) FROM customer") == (0,)
    assert pwc.row("SELECT count(*) FROM touchpoint WHERE customer_id IS NOT NULL") == (0,)
