"""review_rating."""

from __future__ import annotations

import pytest
from kpi_desk import Desk


def test_the_rating_is_the_mean_of_ratings_rescaled_to_1_to_5(desk: Desk) -> None:
    # Of 5: 5 5 4 4 3 1 as they are. Of 10 (1–10): 10 is 5, 5.5 is 3. Of 0–100: 50 is 3, 75 is 4.
    # Sum 22 + 8 + 7 = 37 of 10: 3.7. Of the school marks 6–1, where 1 is best, see below.
    for rating in [5, 5, 4, 4, 3, 1]:
        desk.review(rating)
    desk.review(10, 1, 10)
    desk.review(5.5, 1, 10)
    desk.review(50, 0, 100)
    desk.review(75, 0, 100)
    rating = desk.result("review_rating")
    assert rating is not None
    assert (rating.value, rating.n) == (pytest.approx(3.7), 10)


def test_a_scale_whose_best_end_is_its_lowest_number_is_turned_round(desk: Desk) -> None:
    desk.review(1, worst=6, best=1)
    rating = desk.result("review_rating")
    assert rating is not None
    assert (rating.value, rating.n) == (5, 1)


def test_no_rating_or_a_scale_of_one_point_gives_no_value(desk: Desk) -> None:
    assert desk.result("review_rating") is None
    desk.review(None)
    desk.review(3, worst=3, best=3)
    assert desk.result("review_rating") is None


def test_the_interval_stays_on_the_scale(desk: Desk) -> None:
    # 5, 4, half a 1 and half a 5: mean 4, variance 4 / 2, t(2, 0.975) × sqrt(2 / 3) = 3.51 on either side, cut at 1
    # and 5. Squares: 1 + 0 + 9 / 2 + 1 / 2 = 6, variance 3: 4.30 on either side.
    desk.review(5)
    desk.review(4)
    rating = desk.result("review_rating")
    assert rating is not None
    assert (rating.ci_low, rating.ci_high) == (1, 5)
