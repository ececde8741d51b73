"""A call centre's log: KPIs of calls against the workbook itself."""

from __future__ import annotations

from collections import Counter
from datetime import time

import pytest
from editions import Figure, Source, of_the_slice
from real_project import RealProject
from real_sets import PWC, rows_of

Call = dict[str, object]


@pytest.fixture(scope="module")
def calls(source: Source) -> list[Call]:
    """The workbook's rows; cells missing at a row's end are empty."""
    header, *rows = rows_of(source(PWC, "callcentre.calls"))
    return [dict.fromkeys(map(str, header)) | dict(zip(map(str, header), row, strict=False)) for row in rows]


def numbers(calls: list[Call], column: str) -> list[float]:
    return [float(str(call[column])) for call in calls if call[column] is not None]


@of_the_slice
def test_a_call_is_a_touchpoint_an_interaction_and_an_answer(pwc: RealProject) -> None:
    found = pwc.rows(
        "SELECT t.source_record_id, t.activity, t.channel, t.agent_id, t.reason, i.outcome, "
        "strftime(timezone('UTC', i.offered_at), '%m-%d %H:%M:%S'), "
        "strftime(timezone('UTC', i.answered_at), '%m-%d %H:%M:%S'), "
        "strftime(timezone('UTC', i.abandoned_at), '%m-%d %H:%M:%S'), "
        "i.wait_seconds::INT, i.talk_seconds::INT, "
        "s.metric_type, s.rating_value::INT, strftime(timezone('UTC', s.responded_at), '%m-%d %H:%M:%S') "
        "FROM touchpoint AS t JOIN interaction AS i USING (touchpoint_id) "
        "LEFT JOIN survey_response AS s USING (touchpoint_id) "
        "WHERE t.source_record_id IN ('ID9011', 'ID9012', 'ID9014') ORDER BY 1"
    )
    call = ("called_support", "phone")
    # 09:10:50 and 39 seconds until the answer, 97 of the other; 1:29 and 3:50 minutes of talk until the rating.
    # Of the call that nobody answered, the mapping says that it ended when it came: a wait of nothing.
    assert found == [
        (
            "ID9011", *call, "callcentre:Chidi", "Delivery", "answered",
            "01-06 09:10:50", "01-06 09:11:29", None, 39, 89, "csat", 5, "01-06 09:12:58",
        ),
        (
            "ID9012", *call, "callcentre:Dalia", "Warranty", "answered",
            "01-06 09:10:50", "01-06 09:12:27", None, 97, 230, "csat", 4, "01-06 09:16:17",
        ),
        (
            "ID9014", *call, "callcentre:Botond", "Installation", "abandoned",
            "01-06 15:49:17", None, "01-06 15:49:17", 0, None, None, None, None,
        ),
    ]  # fmt: skip


def test_the_mean_satisfaction_is_that_of_the_answered_calls(
    pwc: RealProject, calls: list[Call], figure: Figure
) -> None:
    # Of the slice: ten fives, fourteen fours, eight threes, four twos and four ones: 142 of 40.
    mark, unanswered = figure(real=(3.4036, 946), slice=(3.55, 10))
    ratings = numbers(calls, "Satisfaction rating")
    mean, n = pwc.row("SELECT avg(rating_value), count(*) FROM survey_response WHERE metric_type = 'csat'")
    assert mean == pytest.approx(sum(ratings) / len(ratings)) == pytest.approx(mark, abs=5e-5)
    assert n == len(ratings) == len(calls) - unanswered


def test_csat_is_the_share_of_fours_and_fives(pwc: RealProject, calls: list[Call], figure: Figure) -> None:
    ratings = numbers(calls, "Satisfaction rating")
    share = sum(rating >= 4 for rating in ratings) / len(ratings)
    assert pwc.published("csat") == {"all": (pytest.approx(share), len(ratings))}
    assert share == pytest.approx(figure(real=0.499, slice=24 / 40), abs=5e-4)


def test_the_speed_of_answer_is_of_the_answered_calls(
    pwc: RealProject, calls: list[Call], figure: Figure
) -> None:
    wait = figure(real=67.52, slice=60.00)
    waits = numbers(calls, "Speed of answer in seconds")
    value, n = pwc.published("average_speed_of_answer")["all"]
    assert value == pytest.approx(sum(waits) / len(waits)) == pytest.approx(wait, abs=5e-3)
    assert n == len(waits)


def test_calls_that_nobody_answered_are_abandoned(
    pwc: RealProject, calls: list[Call], figure: Figure
) -> None:
    unanswered = sum(call["Answered (Y/N)"] == "N" for call in calls)
    assert (unanswered, len(calls)) == figure(real=(946, 5_000), slice=(10, 50))
    assert pwc.published("abandonment_rate") == {"all": (pytest.approx(unanswered / len(calls)), len(calls))}


def test_handle_time_is_the_talk(pwc: RealProject, calls: list[Call], figure: Figure) -> None:
    talks = [
        3600 * talk.hour + 60 * talk.minute + talk.second
        for call in calls
        if isinstance(talk := call["AvgTalkDuration"], time)
    ]
    expected = (pytest.approx(sum(talks) / len(talks)), len(talks))
    assert sum(talks) / len(talks) == pytest.approx(figure(real=224.9, slice=200.0), abs=0.05)
    assert pwc.published("average_handle_time") == {"all": expected}


def test_every_call_stays_on_the_day_that_is_written(pwc: RealProject, calls: list[Call]) -> None:
    by_day = {day: n for day, (_, n) in pwc.published("abandonment_rate", "--grain", "day").items()}
    assert by_day == Counter(str(call["Date"]) for call in calls)


def test_nobody_is_made_up(pwc: RealProject) -> None:
    assert pwc.row("SELECT count(*) FROM customer") == (0,)
    assert pwc.row("SELECT count(*) FROM touchpoint WHERE customer_id IS NOT NULL") == (0,)
