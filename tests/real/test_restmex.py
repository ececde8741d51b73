"""Spanish reviews of sights: dates of days and of years, against the file itself."""

from __future__ import annotations

import pandas as pd
import pytest
from editions import Figure, Source, of_the_slice
from real_project import RealProject
from real_sets import RESTMEX


@pytest.fixture(scope="module")
def rows(source: Source) -> pd.DataFrame:
    """Every row as text."""
    return pd.read_csv(source(RESTMEX, "sights.reviews"), dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def reviews(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a review, without the one of the year 2108, and the day of each."""
    once = rows.drop_duplicates(["Place", "Title", "Opinion", "Date"], keep="last")
    possible = once[once.Date != "2108"]
    day = possible.Date.where(possible.Date.str.len() > 4, "01/01/" + possible.Date)
    return possible.assign(day=day.str[6:] + "-" + day.str[3:5] + "-" + day.str[:2])


def test_rows_of_one_review_differ_in_nothing_but_the_number(rows: pd.DataFrame, figure: Figure) -> None:
    opinions = rows.drop(columns="index").drop_duplicates()
    assert len(rows) - len(opinions) == figure(real=15, slice=3)
    assert not opinions.duplicated(["Place", "Title", "Opinion", "Date"]).any()


def test_the_year_2108_has_not_come(restmex: RealProject) -> None:
    assert restmex.rows("SELECT DISTINCT stage, rule, payload::JSON ->> 'Date' FROM quarantine") == [
        ("validate", "time_not_in_future", "2108")
    ]


@of_the_slice
def test_a_review_is_a_touchpoint_with_its_marks_and_words(restmex: RealProject) -> None:
    found = restmex.rows(
        "SELECT t.activity, t.channel, strftime(timezone('UTC', t.occurred_at), '%Y-%m-%d %H:%M'), t.customer_id, "
        "r.item_reviewed_id, r.rating_value::INT, r.worst_rating::INT, r.best_rating::INT, r.language, "
        "r.review_title, r.review_body FROM touchpoint AS t JOIN review AS r USING (touchpoint_id) "
        "WHERE r.review_title IN ('\"Con niebla no\"', '\"Sin señal\"', 'Buena comida, dicen', 'nan') "
        "ORDER BY t.occurred_at"
    )
    review = ("wrote_review", "web")
    # Midnight in Mexico is 06:00, also on a leap day, and also where a year is all that is known.
    assert found == [
        (
            *review, "2014-12-24 06:00", None, "sights:Cerro de la Niebla", 3, 1, 5, "es",
            '"Con niebla no"', '"Subimos con niebla y bajamos con lluvia.\nLa vista, para otro día."',
        ),
        (
            *review, "2016-02-29 06:00", None, "sights:Museo del Reloj", 3, 1, 5, "es",
            '"Sin señal"', '"No hay letreros "en ninguna parte", pregunten en la farmacia."',
        ),
        (
            *review, "2019-01-01 06:00", None, "sights:Cerro de la Niebla", 2, 1, 5, "es",
            "nan", "Un lugar para sentarse.",
        ),
        (
            *review, "2020-01-01 06:00", None, "sights:Mercado del Puente", 3, 1, 5, "es",
            "Buena comida, dicen", "nan",
        ),
    ]  # fmt: skip


def test_a_review_counts_once(restmex: RealProject, reviews: pd.DataFrame, figure: Figure) -> None:
    marks = reviews.Label.astype(float)
    assert restmex.published("review_rating") == {"all": (pytest.approx(marks.mean()), len(marks))}
    # Of the slice: twenty fives, twelve fours, six threes, four twos and two ones: 176 of 44.
    mean, n = figure(real=(4.28, 5181), slice=(4.00, 44))
    assert (marks.mean(), len(marks)) == (pytest.approx(mean, abs=5e-3), n)


def test_a_place_has_its_own_rating(restmex: RealProject, reviews: pd.DataFrame, figure: Figure) -> None:
    found = restmex.rows("SELECT item_reviewed_id, avg(rating_value), count(*) FROM review GROUP BY 1")
    expected = {
        f"sights:{place}": (pytest.approx(marks.mean()), len(marks))
        for place, marks in reviews.Label.astype(float).groupby(reviews.Place)
    }
    assert {place: (mean, n) for place, mean, n in found} == expected
    assert len(expected) == figure(real=10, slice=4)


def test_a_bare_year_is_its_first_instant_and_says_so(
    restmex: RealProject, reviews: pd.DataFrame, figure: Figure
) -> None:
    found = restmex.rows(
        "SELECT strftime(timezone('America/Mexico_City', r.date_published), '%Y-%m-%d %H:%M'), "
        "coalesce(s.string_value, 'day'), count(*) FROM review AS r LEFT JOIN signal AS s "
        "ON s.touchpoint_id = r.touchpoint_id AND s.name = 'date_precision' GROUP BY ALL"
    )
    precision = reviews.Date.str.len().map({4: "year", 10: "day"})
    expected = reviews.groupby([reviews.day + " 00:00", precision]).size().to_dict()
    assert {tuple(key): n for *key, n in found} == expected
    # Rows with a year, less those that repeat one, less the year 2108.
    assert (precision == "year").sum() == figure(real=632 - 15 - 1, slice=12 - 3 - 1)


def test_what_was_written_arrives_to_the_letter(
    restmex: RealProject, reviews: pd.DataFrame, figure: Figure
) -> None:
    found = restmex.rows("SELECT review_title, review_body FROM review")
    assert sorted(found) == sorted(reviews[["Title", "Opinion"]].itertuples(index=False, name=None))
    several_lines, in_marks = figure(real=(221, 4556), slice=(4, 35))
    assert sum("\n" in title or "\n" in body for title, body in found) == several_lines
    assert sum(title.startswith('"') and title.endswith('"') for title, _ in found) == in_marks


def test_minus_one_is_no_age(restmex: RealProject, rows: pd.DataFrame, figure: Figure) -> None:
    unknown = restmex.row(
        "SELECT count(*) FILTER (Age IS NULL), count(*) FILTER (Gender IS NULL), "
        "count(*) FILTER (Country IS NULL), count(*) FROM (SELECT DISTINCT ON (index) * "
        f"FROM read_parquet('{restmex.folder}/landing/**/part-*.parquet'))"
    )
    expected = ((rows.Age == "-1").sum(), (rows.Gender == "N/I").sum(), (rows.Country == "N/I").sum())
    assert unknown == (*expected, len(rows)) == figure(real=(919, 69, 119, 5197), slice=(14, 3, 4, 48))
