"""Spanish reviews of sights: dates of days and of years, against the file itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import RESTMEX

FILE = RESTMEX.files["sights.reviews"]


@pytest.fixture(scope="module")
def rows(real_data: Path) -> pd.DataFrame:
    """Every row as text."""
    return pd.read_csv(real_data / FILE, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def reviews(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a review, without the one of the year 2108, and the day of each."""
    once = rows.drop_duplicates(["Place", "Title", "Opinion", "Date"], keep="last")
    possible = once[once.Date != "2108"]
    day = possible.Date.where(possible.Date.str.len() > 4, "01/01/" + possible.Date)
    return possible.assign(day=day.str[6:] + "-" + day.str[3:5] + "-" + day.str[:2])


def test_rows_of_one_review_differ_in_nothing_but_the_number(rows: pd.DataFrame) -> None:
    opinions = rows.drop(columns="index").drop_duplicates()
    assert len(rows) - len(opinions) == 15
    assert not opinions.duplicated(["Place", "Title", "Opinion", "Date"]).any()


def test_the_year_2108_has_not_come(restmex: RealProject) -> None:
    assert restmex.rows("SELECT DISTINCT stage, rule, payload::JSON ->> 'Date' FROM quarantine") == [
        ("validate", "time_not_in_future", "2108")
    ]


def test_a_review_counts_once(restmex: RealProject, reviews: pd.DataFrame) -> None:
    marks = reviews.Label.astype(float)
    assert restmex.published("review_rating") == {"all": (pytest.approx(marks.mean()), len(marks))}
    assert len(marks) == 5181


def test_a_place_has_its_own_rating(restmex: RealProject, reviews: pd.DataFrame) -> None:
    found = restmex.rows("SELECT item_reviewed_id, avg(rating_value), count(*) FROM review GROUP BY 1")
    expected = {
        f"sights:{place}": (pytest.approx(marks.mean()), len(marks))
        for place, marks in reviews.Label.astype(float).groupby(reviews.Place)
    }
    assert {place: (mean, n) for place, mean, n in found} == expected
    assert len(expected) == 10


def test_a_bare_year_is_its_first_instant_and_says_so(restmex: RealProject, reviews: pd.DataFrame) -> None:
    found = restmex.rows(
        "SELECT strftime(timezone('America/Mexico_City', r.date_published), '%Y-%m-%d %H:%M'), "
        "coalesce(s.string_value, 'day'), count(*) FROM review AS r LEFT JOIN signal AS s "
        "ON s.touchpoint_id = r.touchpoint_id AND s.name = 'date_precision' GROUP BY ALL"
    )
    precision = reviews.Date.str.len().map({4: "year", 10: "day"})
    expected = reviews.groupby([reviews.day + " 00:00", precision]).size().to_dict()
    assert {tuple(key): n for *key, n in found} == expected
    assert (precision == "year").sum() == 632 - 15 - 1


def test_what_was_written_arrives_to_the_letter(restmex: RealProject, reviews: pd.DataFrame) -> None:
    found = restmex.rows("SELECT review_title, review_body FROM review")
    assert sorted(found) == sorted(reviews[["Title", "Opinion"]].itertuples(index=False, name=None))
    assert sum("\n" in title or "\n" in body for title, body in found) == 221
    assert sum(title.startswith('"') and title.endswith('"') for title, _ in found) == 4556


def test_minus_one_is_no_age(restmex: RealProject, rows: pd.DataFrame) -> None:
    unknown = restmex.row(
        "SELECT count(*) FILTER (Age IS NULL), count(*) FILTER (Gender IS NULL), "
        "count(*) FILTER (Country IS NULL), count(*) FROM (SELECT DISTINCT ON (index) * "
        f"FROM read_parquet('{restmex.folder}/landing/**/part-*.parquet'))"
    )
    expected = ((rows.Age == "-1").sum(), (rows.Gender == "N/I").sum(), (rows.Country == "N/I").sum())
    assert unknown == (*expected, len(rows)) == (919, 69, 119, 5197)
