"""An airport's passenger surveys: NPS and satisfaction against the files themselves."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator

import pytest
from editions import Figure, Home, Source, of_the_slice
from real_project import RealProject
from real_sets import SFO, rows_of

Survey = list[dict[str, str]]

YEARS = (2014, 2015, 2016, 2017)


@pytest.fixture(scope="module")
def surveys(source: Source) -> dict[int, Survey]:
    found = {}
    for year in YEARS:
        header, *rows = rows_of(source(SFO, f"sfo.survey_{year}"))
        names = [str(name).strip().lstrip("*") for name in header]
        found[year] = [dict(zip(names, map(str, row), strict=True)) for row in rows]
    return found


def questions(survey: Survey) -> list[str]:
    """The questions that ask for marks; codes of comments stand between them."""
    return [name for name in survey[0] if name.startswith(("Q7", "Q9")) and "COM" not in name]


def marks(survey: Survey, *questions: str) -> list[int]:
    """The answers that are marks."""
    return [
        int(each[question]) for each in survey for question in questions if each[question] in set("12345")
    ]


def recommendations(survey: Survey) -> Iterator[tuple[int, float]]:
    """The answers on the scale from 0 to 10, each with its respondent's weight; 11 is a blank."""
    for each in survey:
        if each["NETPRO"].isdigit() and int(each["NETPRO"]) <= 10:
            yield int(each["NETPRO"]), float(each["WEIGHT"])


def test_nps_is_of_the_answers_from_0_to_10(
    sfo: RealProject, surveys: dict[int, Survey], figure: Figure
) -> None:
    answers = [answer for answer, _ in recommendations(surveys[2017])]
    n = len(answers)
    p, d = sum(answer >= 9 for answer in answers) / n, sum(answer <= 6 for answer in answers) / n
    half = 100 * 1.96 * math.sqrt((p + d - (p - d) ** 2) / n)

    # Of the slice: 14 tens and 10 nines, 10 sevens and eights, 6 of less: (24 - 6) / 40. Eight codes 11 and two
    # empty cells are no answers.
    expected, of = figure(real=(39.84, 2746), slice=(45.00, 40))
    (nps,) = sfo.cxflow("kpis", "nps")
    assert nps["n"] == n == of
    assert nps["value"] == pytest.approx(100 * (p - d)) == pytest.approx(expected, abs=5e-3)
    # The more answers, the nearer to the normal interval.
    assert nps["ci_low"] < nps["value"] < nps["ci_high"]
    assert nps["ci_high"] - nps["ci_low"] == pytest.approx(2 * half, rel=1 / math.sqrt(n))


def test_the_weights_are_kept_and_make_another_nps(
    sfo: RealProject, surveys: dict[int, Survey], figure: Figure
) -> None:
    answers = list(recommendations(surveys[2017]))
    expected = 100 * sum(w * ((a >= 9) - (a <= 6)) for a, w in answers) / sum(w for _, w in answers)
    (weighted,) = sfo.row(
        "SELECT 100 * sum(weight * ((rating_value >= 9)::INT - (rating_value <= 6)::INT)) / sum(weight) "
        "FROM survey_response WHERE metric_type = 'nps'"
    )
    # Of the slice: promoters weigh 12 * 0.5 + 12 * 1.5 = 24, the others 10 * 0.8 = 8 and 6 * 3 = 18.
    nps = figure(real=40.40, slice=100 * (24 - 18) / (24 + 8 + 18))
    assert weighted == pytest.approx(expected) == pytest.approx(nps, abs=5e-3)


@pytest.mark.parametrize("question", ["Q7ALL", "Q9ALL"])
def test_a_question_has_its_satisfaction_every_year(
    sfo: RealProject, surveys: dict[int, Survey], question: str, figure: Figure
) -> None:
    found = sfo.rows(
        "SELECT source_object, count(*), count(*) FILTER (rating_value >= 4) FROM survey_response "
        f"WHERE question_id = '{question}' GROUP BY source_object ORDER BY source_object"
    )
    asked = {year: marks(survey, question) for year, survey in surveys.items()}
    assert found == [
        (f"survey_{year}", len(given), sum(mark >= 4 for mark in given)) for year, given in asked.items()
    ]
    # Marks, and fours and fives among them.
    by_hand = {
        "Q7ALL": [(20, 10 + 6), (18, 8 + 4), (26, 15 + 5), (44, 25 + 8)],
        "Q9ALL": [(20, 4 + 8), (16, 3 + 9), (28, 9 + 12), (46, 17 + 20)],
    }
    counted = [(n, satisfied) for _, n, satisfied in found]
    assert counted == figure(real=counted, slice=by_hand[question])


def test_csat_of_a_year_is_over_all_its_questions(
    sfo: RealProject, surveys: dict[int, Survey], figure: Figure
) -> None:
    expected = {}
    for year, survey in surveys.items():
        given = marks(survey, *questions(survey))
        expected[f"{year}-05-01"] = (pytest.approx(sum(mark >= 4 for mark in given) / len(given)), len(given))
    assert sfo.published("csat", "--grain", "month") == expected
    # Of the slice: everybody's 19 single questions have 7 fives, 5 fours, 3 threes, a two and 3 that are no marks: 12
    # of 16. To these come the two questions of above.
    csat = figure(
        real=[(0.727, 41_398), (0.744, 43_851), (0.751, 46_455), (0.751, 42_903)],
        slice=[
            ((24 * 12 + 16 + 12) / 424, 24 * 16 + 20 + 20),
            ((20 * 12 + 12 + 12) / 354, 20 * 16 + 18 + 16),
            ((30 * 12 + 20 + 21) / 534, 30 * 16 + 26 + 28),
            ((50 * 12 + 33 + 37) / 890, 50 * 16 + 44 + 46),
        ],
    )
    assert list(expected.values()) == [(pytest.approx(share, abs=5e-4), n) for share, n in csat]


@of_the_slice
def test_a_respondent_is_a_touchpoint_with_an_answer_a_question(sfo: RealProject) -> None:
    touched = sfo.rows(
        "SELECT source_object, activity, channel, journey_stage, customer_id, "
        "strftime(timezone('UTC', occurred_at), '%Y-%m-%d %H:%M') "
        "FROM touchpoint WHERE source_record_id = '70001' ORDER BY 1"
    )
    answered = ("answered_survey", "in_person", "during", None)
    # Midnight in San Francisco.
    assert touched == [
        ("survey_2014", *answered, "2014-05-03 07:00"),
        ("survey_2015", *answered, "2015-05-12 07:00"),
        ("survey_2016", *answered, "2016-05-09 07:00"),
        ("survey_2017", *answered, "2017-05-13 07:00"),
    ]
    answers = sfo.rows(
        "SELECT question_id, metric_type, rating_value::INT, worst_rating::INT, best_rating::INT, weight "
        "FROM survey_response WHERE response_id = 'sfo:2017-70001' ORDER BY 1"
    )
    csat = {
        "Q7ART": 5, "Q7FOOD": 4, "Q7SIGN": 5, "Q7WALKWAYS": 3, "Q7SCREENS": 5, "Q7INFODOWN": 4, "Q7WIFI": 4,
        "Q7ROADS": 2, "Q7PARK": 5, "Q7AIRTRAIN": 3, "Q7LTPARKING": 5, "Q7RENTAL": 4, "Q7ALL": 4,
        "Q9AIRTRAIN": 5, "Q9RENTAL": 3, "Q9FOOD": 5, "Q9RESTROOM": 4, "Q9ALL": 5,
    }  # fmt: skip
    # Not Q7STORE and Q9BOARDING, a 6 each, and Q7INFOUP, a 0.
    assert answers == sorted(
        [
            *((question, "csat", mark, 1, 5, 0.5) for question, mark in csat.items()),
            ("NETPRO", "nps", 10, 0, 10, 0.5),
        ]
    )


def test_every_answer_stands_on_its_own_day(sfo: RealProject, surveys: dict[int, Survey]) -> None:
    found = sfo.rows(
        "SELECT source_record_id, source_object, timezone('America/Los_Angeles', occurred_at)::VARCHAR "
        "FROM touchpoint"
    )
    expected = []
    for year, survey in surveys.items():
        for each in survey:
            day = each["INTDATE"].split("/")[1] if year == 2016 else each["INTDATE"].zfill(2)
            expected.append((each["RESPNUM"], f"survey_{year}", f"{year}-05-{day} 00:00:00"))
    assert sorted(found) == sorted(expected)


def test_a_code_of_no_book_is_refused(home: Home, edition: str) -> None:
    project = home(SFO, "duckdb", edition)
    file = project.data / SFO.files["sfo.survey_2017"]
    header = [str(name) for name in rows_of(file)[0]]
    invented = dict.fromkeys(header, "") | {"RESPNUM": "9001", "INTDATE": "13", "METHOD": "1", "NETPRO": "10"}
    with file.open("w", newline="") as written:
        writer = csv.DictWriter(written, header)
        writer.writeheader()
        writer.writerow(invented | {"Q7ART": "0", "Q7FOOD": "6", "NETPRO": "11"})
        writer.writerow(invented | {"RESPNUM": "9002", "Q7ART": "7"})
        writer.writerow(invented | {"RESPNUM": "9003", "NETPRO": "12"})
        writer.writerow(invented | {"RESPNUM": "9004", "METHOD": "4"})
    (books,) = project.cxflow("run", "sfo.survey_2017", "--no-kpis")["streams"]
    assert books["counts"]["inserted"] == 1
    assert books["rules"] == {"rating_within_scale": 2, "required": 1}
