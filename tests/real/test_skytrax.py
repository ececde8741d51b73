"""Reviews of lounges and seats: ratings on their own scales against the files themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from editions import Figure, Source, of_the_slice
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
def lounges(source: Source) -> pd.DataFrame:
    """The reviews of lounges, each with the best mark of its form."""
    found = read(source(SKYTRAX, "skytrax.lounges"))
    is_new = (found.type_traveller != "") | (found.overall > 5)
    return found.assign(best=is_new.map({True: 10, False: 5}))


@pytest.fixture(scope="module")
def seats(source: Source, figure: Figure) -> pd.DataFrame:
    """The reviews of seats that have a day; one row a text and aircraft."""
    found = read(source(SKYTRAX, "skytrax.seats")).assign(best=10)
    dated = found[found.date != "1970-01-01"]
    assert len(found) - len(dated) == figure(real=26, slice=2)
    return dated.drop_duplicates(["airline_name", "author", "date", "aircraft", "content"], keep="last")


def stars(reviews: pd.DataFrame) -> pd.Series:
    """From 1 to 5, whatever the form asked for."""
    return 1 + 4 * (reviews.overall - 1) / (reviews.best - 1)


@of_the_slice
def test_a_review_is_a_touchpoint_with_its_points_and_marks(skytrax: RealProject) -> None:
    reviews = skytrax.rows(
        "SELECT r.item_reviewed_id, r.rating_value::INT, r.best_rating::INT, r.review_title, r.review_body, "
        "strftime(timezone('UTC', r.date_published), '%Y-%m-%d %H:%M') "
        "FROM review AS r WHERE r.review_body LIKE '%no. 5.%' OR r.review_body LIKE '%no. 29.%' "
        "ORDER BY r.source_object, r.date_published"
    )
    # The fifth lounge has a line break behind its last word; the 29th is the first of the new form.
    assert reviews == [
        (
            "skytrax:zephyr-wings/ZEPHYR WINGS LOUNGE REVIEW", 4, 5,
            "Zephyr Wings Frequent Flyer Lounge - Fjordby Airport",
            "Two armchairs for forty people. Too cold for January. Lounge no. 5.\r\n", "2010-12-31 00:00",
        ),
        (
            "skytrax:pampa-jet/PAMPA JET LOUNGE REVIEW", 10, 10,
            "Pampa Jet First Class Lounge - Fjordby Airport",
            "Two armchairs for forty people. Better to sit at the gate. Lounge no. 29.", "2015-03-15 00:00",
        ),
        (
            "skytrax:pampa-jet/Boeing 787", 1, 10, "Pampa Jet customer review",
            "Wide enough for two coats and me. Too cold for January. Seat no. 5.", "2013-04-20 00:00",
        ),
        (
            "skytrax:costa-blue/EMBRAER 190", 4, 10, "Costa Blue customer review",
            "My knees met the seat in front before the doors closed. Too cold for January. Seat no. 29.",
            "2015-07-28 00:00",
        ),
    ]  # fmt: skip
    flown = skytrax.rows(
        "SELECT t.activity, t.channel, t.customer_id, strftime(timezone('UTC', t.occurred_at), '%Y-%m-%d') "
        "FROM touchpoint AS t WHERE t.source_record_id IN "
        "(SELECT source_record_id FROM review WHERE review_body LIKE '%Seat no. 29.%') ORDER BY t.occurred_at"
    )
    # 03-06-2015 is of June.
    assert flown == [
        ("took_flight", "in_person", None, "2015-06-03"),
        ("wrote_review", "web", None, "2015-07-28"),
    ]
    marks = skytrax.rows(
        "SELECT s.question_id, s.metric_type, s.rating_value::INT, s.worst_rating::INT, s.best_rating::INT "
        "FROM survey_response AS s JOIN review USING (touchpoint_id) "
        "WHERE review_body LIKE '%Lounge no. 3.' ORDER BY 1"
    )
    # "0", "4", "0.0", "4.0", "", "3.0" and "" stand in the file.
    assert marks == [
        ("catering", "aspect", 4, 1, 5),
        ("cleanliness", "aspect", 4, 1, 5),
        ("wifi_connectivity", "aspect", 3, 1, 5),
    ]


def test_days_of_1970_are_no_days(skytrax: RealProject, figure: Figure) -> None:
    assert skytrax.rows(
        "SELECT source_object, stage, rule, payload::JSON ->> 'date', count(DISTINCT source_record_id) "
        "FROM quarantine GROUP BY ALL"
    ) == [("seats", "validate", "time_plausible", "1970-01-01", figure(real=26, slice=2))]


def test_more_than_five_points_are_of_the_new_form_of_2015(lounges: pd.DataFrame, figure: Figure) -> None:
    new = lounges[lounges.best == 10]
    n, first = figure(real=(120, "2015-02-22"), slice=(10, "2015-03-15"))
    assert (len(new), new.date.min(), (new.date < "2015-06-01").sum()) == (n, first, 1)
    assert (new.type_traveller == "").sum() == 1
    assert lounges[lounges.date < first].overall.max() == 5


def test_every_rating_stands_on_its_own_scale(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame, figure: Figure
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
    assert skytrax.row("SELECT count(*) FROM review WHERE rating_value IS NULL") == (figure(real=6, slice=3),)


def test_review_rating_brings_the_scales_together(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame, figure: Figure
) -> None:
    given = pd.concat([stars(lounges), stars(seats)]).dropna()
    assert skytrax.published("review_rating") == {"all": (pytest.approx(given.mean()), len(given))}
    wrong = pd.concat([stars(lounges.assign(best=10)), stars(seats)]).dropna()
    # Of the slice: 26 lounges of the old form have 7 fives, 6 fours, 5 threes, 4 twos and 4 ones, 86 in all. Of ten
    # points one is 1, four are 7/3, seven 11/3 and ten 5: 34 for the 10 of the new form, 78 for 30 seats.
    by_hand = ((86 + 34 + 78) / 66, ((26 + 4 / 9 * (86 - 26)) + 34 + 78) / 66)
    assert (given.mean(), wrong.mean()) == pytest.approx(figure(real=(2.96, 2.20), slice=by_hand), abs=5e-3)


def test_a_text_about_two_aircraft_is_two_reviews(
    skytrax: RealProject, source: Source, figure: Figure
) -> None:
    found = read(source(SKYTRAX, "skytrax.seats"))
    text = ["airline_name", "author", "date", "content"]
    # Of the slice: two texts stand without the layout and with it, one is about two aircraft.
    again, rows_of_one, counted = figure(real=(8, 12, (1226, 1224)), slice=(3, 4, (31, 30)))
    assert found.duplicated(text).sum() == again
    twins = found[found.duplicated([*text, "aircraft"], keep=False)]
    assert len(twins) == rows_of_one
    assert len(twins.drop(columns="seat_layout").drop_duplicates()) == rows_of_one // 2
    assert (
        skytrax.row(
            "SELECT count(*), count(DISTINCT (split_part(item_reviewed_id, '/', 1), date_published, review_body)) "
            "FROM review WHERE source_object = 'seats'"
        )
        == counted
    )


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
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame, figure: Figure
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
    assert sum(expected.values()) == figure(real=99 + 113, slice=5 + 3)


def test_what_was_written_arrives_to_the_letter(
    skytrax: RealProject, lounges: pd.DataFrame, seats: pd.DataFrame
) -> None:
    columns = ["title", "content", "date"]
    found = skytrax.rows(
        "SELECT review_title, review_body, strftime(timezone('UTC', date_published), '%Y-%m-%d') FROM review"
    )
    expected = pd.concat([lounges[columns], seats[columns]]).itertuples(index=False, name=None)
    assert sorted(found) == sorted(expected)
