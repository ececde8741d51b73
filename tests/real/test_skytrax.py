"""Reviews of lounges and seats: ratings on their own scales against the files themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import SKYTRAX

LOUNGE_ASPECTS = (
    "comfort", "cleanliness", "bar_beverages", "catering", "washrooms", "wifi_connectivity", "staff_service",
)  # fmt: skip
SEAT_ASPECTS = (
    "seat_legroom", "seat_recline", "seat_width", "aisle_space", "viewing_tv", "power_supply", "seat_storage",
)  # fmt: skip


def read(file: Path) -> pd.DataFrame:
    """A file as text, with its overall ratings as numbers."""
    found = pd.read_csv(file, dtype=str, keep_default_na=False)
    return found.assign(overall=pd.to_numeric(found.overall_rating))


@pytest.fixture(scope="module")
def lounges(real_data: Path) -> pd.DataFrame:
    """The reviews of lounges, each with the best mark of its form."""
    found = read(real_data / SKYTRAX.files["skytrax.lounges"])
    is_new = (found.type_traveller != "") | (found.overall > 5)
    return found.assign(best=is_new.map({True: 10, False: 5}))


@pytest.fixture(scope="module")
def seats(real_data: Path) -> pd.DataFrame:
    """The reviews of seats that have a day; one row a text and aircraft."""
    found = read(real_data / SKYTRAX.files["skytrax.seats"]).assign(best=10)
    dated = found[found.date != "1970-01-01"]
    assert len(found) - len(dated) == 26
    return dated.drop_duplicates(["airline_name", "author", "date", "aircraft", "content"], keep="last")


def stars(reviews: pd.DataFrame) -> pd.Series:
    """From 1 to 5, whatever the form asked for."""
    return 1 + 4 * (reviews.overall - 1) / (reviews.best - 1)


def test_days_of_1970_are_no_days(skytrax: RealProject) -> None:
    assert skytrax.rows(
        "SELECT source_object, stage, rule, payload::JSON ->> 'date', count(DISTINCT source_record_id) "
        "FROM quarantine GROUP BY ALL"
    ) == [("seats", "validate", "time_plausible", "1970-01-01", 26)]


def test_more_than_five_points_are_of_the_new_form_of_2015(lounges: pd.DataFrame) -> None:
    new = lounges[lounges.best == 10]
    assert (len(new), new.date.min(), (new.date < "2015-06-01").sum()) == (120, "2015-02-22", 1)
    assert (new.type_traveller == "").sum() == 1
    assert lounges[lounges.date < "2015-02-22"].overall.max() == 5


def test_every_rating_stands_on_its_own_scale(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame
) -> None:
    found = skytrax.rows(
        "SELECT source_object, best_rating, rating_value, count(*) FROM review "
        "WHERE worst_rating = 1 AND rating_value IS NOT NULL GROUP BY ALL"
    )
    expected = {
        (stream, best, rating): n
        for stream, reviews in (("lounges", lounges), ("seats", seats))
        for (best, rating), n in reviews.groupby(["best", "overall"]).size().items()
    }
    assert {tuple(key): n for *key, n in found} == expected
    assert skytrax.row("SELECT count(*) FROM review WHERE rating_value IS NULL") == (6,)


def test_review_rating_brings_the_scales_together(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame
) -> None:
    given = pd.concat([stars(lounges), stars(seats)]).dropna()
    assert skytrax.published("review_rating") == {"all": (pytest.approx(given.mean()), len(given))}
    wrong = pd.concat([stars(lounges.assign(best=10)), stars(seats)]).dropna()
    assert (given.mean(), wrong.mean()) == pytest.approx((2.96, 2.20), abs=5e-3)


def test_a_text_about_two_aircraft_is_two_reviews(skytrax: RealProject, real_data: Path) -> None:
    found = read(real_data / SKYTRAX.files["skytrax.seats"])
    text = ["airline_name", "author", "date", "content"]
    assert found.duplicated(text).sum() == 8
    twins = found[found.duplicated([*text, "aircraft"], keep=False)]
    assert len(twins) == 12
    assert len(twins.drop(columns="seat_layout").drop_duplicates()) == 6
    assert skytrax.row(
        "SELECT count(*), count(DISTINCT (split_part(item_reviewed_id, '/', 1), date_published, review_body)) "
        "FROM review WHERE source_object = 'seats'"
    ) == (1226, 1224)


def test_a_zero_is_no_mark(skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame) -> None:
    expected = {
        aspect: (given.mean(), len(given))
        for reviews, aspects in ((lounges, LOUNGE_ASPECTS), (seats, SEAT_ASPECTS))
        for aspect in aspects
        if len(given := (marks := pd.to_numeric(reviews[f"{aspect}_rating"]))[marks > 0])
    }
    found = skytrax.rows("SELECT question_id, avg(rating_value), count(*) FROM survey_response GROUP BY 1")
    assert {question: (pytest.approx(mean), n) for question, mean, n in found} == expected
    assert skytrax.published("csat") == {}


def test_visits_and_flights_are_written_the_other_way_round(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame
) -> None:
    found = skytrax.rows(
        "SELECT activity, strftime(timezone('UTC', occurred_at), '%d-%m-%Y'), count(*) FROM touchpoint "
        "WHERE activity <> 'wrote_review' GROUP BY ALL"
    )
    expected = {
        (activity, day): n
        for activity, days in (("visited_place", lounges.date_visit), ("took_flight", seats.date_flown))
        for day, n in days[days != ""].value_counts().items()
    }
    assert {tuple(key): n for *key, n in found} == expected
    assert sum(expected.values()) == 99 + 113


def test_what_was_written_arrives_to_the_letter(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame
) -> None:
    columns = ["title", "content", "date"]
    found = skytrax.rows(
        "SELECT review_title, review_body, strftime(timezone('UTC', date_published), '%Y-%m-%d') FROM review"
    )
    expected = pd.concat([lounges[columns], seats[columns]]).itertuples(index=False, name=None)
    assert sorted(found) == sorted(expected)
