"""An airport's passenger surveys: NPS and satisfaction against the files themselves."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_project import RealProject
from real_sets import SFO, RealSet, rows_of

Survey = list[dict[str, str]]

YEARS = (2014, 2015, 2016, 2017)


@pytest.fixture(scope="module")
def surveys(real_data: Path) -> dict[int, Survey]:
    found = {}
    for year in YEARS:
        header, *rows = rows_of(real_data / SFO.files[f"sfo.survey_{year}"])
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


def test_nps_of_2017_is_39_84_of_2746_answers(sfo: RealProject, surveys: dict[int, Survey]) -> None:
    answers = [answer for answer, _ in recommendations(surveys[2017])]
    n = len(answers)
    p, d = sum(answer >= 9 for answer in answers) / n, sum(answer <= 6 for answer in answers) / n
    half = 100 * 1.96 * math.sqrt((p + d - (p - d) ** 2) / n)

    (nps,) = sfo.cxflow("kpis", "nps")
    assert nps["n"] == n == 2746
    assert nps["value"] == pytest.approx(100 * (p - d)) == pytest.approx(39.84, abs=5e-3)
    assert nps["ci_low"] == pytest.approx(100 * (p - d) - half, abs=1e-3)
    assert nps["ci_high"] == pytest.approx(100 * (p - d) + half, abs=1e-3)


def test_the_weights_are_kept_and_make_it_40_40(sfo: RealProject, surveys: dict[int, Survey]) -> None:
    answers = list(recommendations(surveys[2017]))
    expected = 100 * sum(w * ((a >= 9) - (a <= 6)) for a, w in answers) / sum(w for _, w in answers)
    (weighted,) = sfo.row(
        "SELECT 100 * sum(weight * ((rating_value >= 9)::INT - (rating_value <= 6)::INT)) / sum(weight) "
        "FROM survey_response WHERE metric_type = 'nps'"
    )
    assert weighted == pytest.approx(expected) == pytest.approx(40.40, abs=5e-3)


@pytest.mark.parametrize("question", ["Q7ALL", "Q9ALL"])
def test_a_question_has_its_satisfaction_every_year(
    sfo: RealProject, surveys: dict[int, Survey], question: str
) -> None:
    found = sfo.rows(
        "SELECT source_object, count(*), count(*) FILTER (rating_value >= 4) FROM survey_response "
        f"WHERE question_id = '{question}' GROUP BY source_object ORDER BY source_object"
    )
    asked = {year: marks(survey, question) for year, survey in surveys.items()}
    assert found == [
        (f"survey_{year}", len(given), sum(mark >= 4 for mark in given)) for year, given in asked.items()
    ]


def test_csat_of_a_year_is_over_all_its_questions(sfo: RealProject, surveys: dict[int, Survey]) -> None:
    expected = {}
    for year, survey in surveys.items():
        given = marks(survey, *questions(survey))
        expected[f"{year}-05-01"] = (pytest.approx(sum(mark >= 4 for mark in given) / len(given)), len(given))
    assert sfo.published("csat", "--grain", "month") == expected


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


def test_a_code_of_no_book_is_refused(home: Callable[[RealSet, str], RealProject]) -> None:
    project = home(SFO, "duckdb")
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
