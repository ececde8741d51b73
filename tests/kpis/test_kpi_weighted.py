"""nps_weighted, csat_weighted, review_rating_bayes."""

from __future__ import annotations

import interval_by_hand
import numpy as np
import pytest
from kpi_desk import Desk
from sqlalchemy import delete

from cxflow.kpis.survey import csat_weighted
from cxflow.kpis.weighted import WeightedShare
from cxflow.settings import Settings
from cxflow.warehouse.tables import survey_response

WEIGHTS = [2, 2, 1, 1, 1, 1, 1, 1, 1, None]
"""Together 12, their squares 16: as much as 144 / 16 = 9 answers."""


def test_nps_of_those_whom_the_answers_stand_for(desk: Desk) -> None:
    # Promoters 9 10 10 9 9 10 with the weights 2 2 1 1 1 1 are 8 of 12, detractors 4: 33.3. Unweighted it is 20.
    # Of 9 effective answers, 6 are promoters and 3 detractors.
    for rating, weight in zip([9, 10, 10, 9, 9, 10, 0, 6, 5, 3], WEIGHTS, strict=True):
        desk.answer("nps", rating, weight=weight)
    nps = desk.result("nps_weighted")
    assert nps is not None
    assert (nps.value, nps.n, nps.numerator, nps.denominator) == (pytest.approx(100 / 3), 10, 4, 12)
    low, high = interval_by_hand.net(6, 3, 9)
    assert (nps.ci_low, nps.ci_high) == (pytest.approx(100 * low), pytest.approx(100 * high))
    unweighted = desk.result("nps")
    assert unweighted is not None
    assert unweighted.value == pytest.approx(20)


def test_csat_of_those_whom_the_answers_stand_for(desk: Desk) -> None:
    for rating, weight in zip([5, 4, 4, 5, 5, 4, 3, 2, 1, 3], WEIGHTS, strict=True):
        desk.answer("csat", rating, weight=weight)
    csat = desk.result("csat_weighted")
    assert csat is not None
    assert (csat.value, csat.n) == (pytest.approx(8 / 12), 10)
    assert (csat.ci_low, csat.ci_high) == pytest.approx(interval_by_hand.share(6, 9))


@pytest.mark.parametrize(
    ("kpi", "metric", "best", "alone"), [("nps_weighted", "nps", 10, 100), ("csat_weighted", "csat", 5, 1)]
)
def test_there_is_no_weighted_value_without_any_weight_and_one_is_enough(
    desk: Desk, kpi: str, metric: str, best: int, alone: float
) -> None:
    assert desk.result(kpi) is None
    desk.answer(metric, best, weight=None)
    assert desk.result(kpi) is None, "it would only repeat the other"
    desk.connection.execute(delete(survey_response))
    desk.answer(metric, None, weight=3)
    assert desk.result(kpi) is None
    desk.answer(metric, best, weight=3)
    desk.answer(metric, 1, weight=0)  # stands for nobody
    found = desk.result(kpi)
    assert found is not None
    assert (found.value, found.n, found.left_out) == (alone, 1, 2)


@pytest.mark.parametrize(("kpi", "metric"), [("nps_weighted", "nps"), ("csat_weighted", "csat")])
def test_weights_of_one_size_have_the_interval_of_their_number(desk: Desk, kpi: str, metric: str) -> None:
    for rating in [5, 5, 1, 1, 2]:
        desk.answer(metric, rating, weight=7)
    found, plain = desk.result(kpi), desk.result(metric)
    assert found is not None
    assert plain is not None
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx(
        (plain.value, plain.ci_low, plain.ci_high)
    )


def test_weights_that_do_not_add_up_exactly_leave_an_interval_from_within_the_scale() -> None:
    """All of them satisfied but for the rounding of a sum, all but one, none; 12.5 effective answers."""
    estimator = csat_weighted.estimator(Settings())
    assert isinstance(estimator, WeightedShare)
    weights = 100.0
    hits = np.array([weights * (1 - 1e-15), 93.0, 0.0, 1e-14])
    n = np.full(4, 40.0)
    found = estimator.estimate({"n": n, "weights": n * 0 + weights, "squares": n * 0 + 800, "hits": hits})
    assert ((found.low >= 0) & (found.low <= found.value) & (found.value <= found.high + 1e-12)).all()
    assert found.high[0] == 1
    assert found.low[2] == found.low[3] == 0
    assert 0.5 < found.low[1] < 0.93 < found.high[1] < 1


def test_few_reviews_are_drawn_to_three_and_a_half_stars(desk: Desk) -> None:
    # 5 5 4 4 3 1 5 3 3 4: sum 37. (37 + 7 × 3.5) / 17 = 3.6176. t(10, 0.975) = 2.228139.
    ratings = [5, 5, 4, 4, 3, 1, 5, 3, 3, 4]
    for rating in ratings:
        desk.review(rating)
    desk.review(None)
    bayes = desk.result("review_rating_bayes")
    assert bayes is not None
    assert (bayes.value, bayes.n, bayes.left_out) == (pytest.approx(61.5 / 17), 10, 1)
    assert (bayes.numerator, bayes.denominator) == (37, 10)
    low, high = interval_by_hand.rating(ratings, 1, 5, 2.228139)
    expected = [(10 * end + 24.5) / 17 for end in (low, high)]
    assert [bayes.ci_low, bayes.ci_high] == pytest.approx(expected, abs=1e-4)


def test_one_review_says_little(desk: Desk) -> None:
    assert desk.result("review_rating_bayes") is None
    desk.review(None)
    assert desk.result("review_rating_bayes") is None
    desk.review(5)
    bayes = desk.result("review_rating_bayes")
    assert bayes is not None
    assert (bayes.value, bayes.ci_low, bayes.ci_high) == (29.5 / 8, 25.5 / 8, 29.5 / 8)
