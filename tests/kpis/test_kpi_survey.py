"""nps, csat, ces and their variants, fcr_survey, response_rate."""

from __future__ import annotations

import interval_by_hand
import pytest
from kpi_desk import Desk, at
from sqlalchemy import update

from cxflow.warehouse.tables import survey_invitation

# Promoters 9 9 10 10 10, passives 7 8, detractors 0 5 6: 100 × (5 − 3) / 10 = 20.
NPS_ANSWERS = [9, 9, 10, 10, 10, 7, 8, 0, 5, 6]


def test_nps_is_the_share_of_promoters_less_that_of_detractors(desk: Desk) -> None:
    for rating in NPS_ANSWERS:
        desk.answer("nps", rating)
    nps = desk.result("nps")
    assert nps is not None
    assert (nps.value, nps.n, nps.numerator, nps.denominator) == (pytest.approx(20), 10, 2, 10)


def test_nps_counts_only_rated_answers_on_the_scale_from_0_to_10(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.answer("nps", None)
    desk.answer("nps", 5, worst_rating=1, best_rating=5)
    desk.answer("csat", 1)
    desk.answer("nps", 0, is_deleted=True)
    nps = desk.result("nps")
    assert nps is not None
    assert (nps.value, nps.n) == (100, 1)


@pytest.mark.parametrize("kpi", ["nps", "csat", "ces"])
def test_without_a_rated_answer_there_is_no_value(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    for _ in range(3):
        desk.answer(kpi, None)
    assert desk.result(kpi) is None


def test_csat_is_the_share_of_the_top_two_points(desk: Desk) -> None:
    # 4 and 5 of 5: 6 of 10 answers.
    for rating in [5, 5, 5, 4, 4, 4, 3, 3, 2, 1]:
        desk.answer("csat", rating)
    csat = desk.result("csat")
    assert csat is not None
    assert csat.value == pytest.approx(0.6)
    assert (csat.ci_low, csat.ci_high) == pytest.approx(interval_by_hand.share(6, 10))


def test_csat_takes_each_answer_on_its_own_scale(desk: Desk) -> None:
    # 1–7: 6 counts, 5 does not. 0–10: 9 counts. 1–3 spans 2: only 3 counts. Good or bad: only good counts.
    desk.answer("csat", 6, best_rating=7)
    desk.answer("csat", 5, best_rating=7)
    desk.answer("csat", 9, worst_rating=0, best_rating=10)
    desk.answer("csat", 2, best_rating=3)
    desk.answer("csat", 3, best_rating=3)
    desk.answer("csat", 1, worst_rating=0, best_rating=1)
    desk.answer("csat", 0, worst_rating=0, best_rating=1)
    csat = desk.result("csat")
    assert csat is not None
    assert (csat.numerator, csat.n) == (4, 7)


@pytest.mark.parametrize(
    ("rating", "worst", "best", "satisfied"),
    [
        (59.9, 0, 100, 0),
        (60, 0, 100, 1),
        (-1, -100, 100, 0),
        (20, -100, 100, 1),
        (3.9, 1, 5, 0),  # has not reached the 4
        (4.2, 1, 5, 1),
        (8.5, 0, 10, 0),
        (9.5, 0, 10, 1),
        (12, 0, 20, 1),
        (11.5, 0, 20, 0),
    ],
)
def test_csat_takes_the_top_40_percent_of_long_scales_and_fractions_as_far_as_they_reach(
    desk: Desk, rating: float, worst: float, best: float, satisfied: int
) -> None:
    desk.answer("csat", rating, worst_rating=worst, best_rating=best)
    csat = desk.result("csat")
    assert csat is not None
    assert csat.value == satisfied


def test_one_csat_answer_has_a_value_and_a_wide_interval(desk: Desk) -> None:
    desk.answer("csat", 5)
    csat = desk.result("csat")
    assert csat is not None
    # 0.7 × p = 0.025.
    assert (csat.value, csat.ci_low, csat.ci_high) == (1, pytest.approx(0.025 / 0.7), 1)


def test_ces_is_the_mean_of_the_scale_from_1_to_7_and_its_interval_has_half_an_answer_more_at_either_end(
    desk: Desk,
) -> None:
    # 7 7 6 6 6 5 5 4 3 1: sum 50, mean 5. With half a 1 and half a 7, sum 54 of 11, mean 4.9091; squares are
    # 282 + 25 = 307, less 11 × 4.9091² they are 41.9091, variance 4.1909; standard error sqrt(4.1909 / 11) = 0.6172,
    # t(10, 0.975) = 2.2281: 4.9091 ± 1.3753.
    for rating in [7, 7, 6, 6, 6, 5, 5, 4, 3, 1]:
        desk.answer("ces", rating)
    desk.answer("ces", 5, best_rating=5)
    ces = desk.result("ces")
    assert ces is not None
    assert (ces.value, ces.n, ces.numerator) == (5, 10, 50)
    assert (ces.ci_low, ces.ci_high) == (pytest.approx(3.5338, abs=1e-4), pytest.approx(6.2844, abs=1e-4))


def test_effort_as_a_share_and_as_a_net(desk: Desk) -> None:
    # 7 7 6 6 6 5 5 4 3 1: seven of ten from 5 on; five from 6 on less two up to 3.
    for rating in [7, 7, 6, 6, 6, 5, 5, 4, 3, 1]:
        desk.answer("ces", rating)
    desk.answer("ces", 5, best_rating=5)
    top, net = desk.result("ces_top"), desk.result("ces_net")
    assert top is not None
    assert net is not None
    assert (top.numerator, top.n, top.left_out) == (7, 10, 1)
    assert (net.value, net.numerator, net.n) == (pytest.approx(30), 3, 10)
    low, high = interval_by_hand.net(5, 2, 10)
    assert (net.ci_low, net.ci_high) == (pytest.approx(100 * low), pytest.approx(100 * high))


def test_solved_at_first_contact_is_what_the_customer_says(desk: Desk) -> None:
    for rating in [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]:
        desk.answer("fcr", rating)
    desk.answer("fcr", None)
    said = desk.result("fcr_survey")
    assert said is not None
    assert (said.numerator, said.n, said.left_out) == (7, 10, 1)


@pytest.mark.parametrize(
    ("kpi", "metric", "rating", "alone"),
    [("ces_top", "ces", 7, 1), ("ces_net", "ces", 7, 100), ("fcr_survey", "fcr", 1, 1)],
)
def test_one_answer_is_enough_for_the_variants(
    desk: Desk, kpi: str, metric: str, rating: int, alone: float
) -> None:
    assert desk.result(kpi) is None
    desk.answer(metric, None)
    assert desk.result(kpi) is None
    desk.answer(metric, rating)
    found = desk.result(kpi)
    assert found is not None
    assert (found.value, found.n) == (alone, 1)


def test_one_ces_answer_can_come_from_any_mean_of_the_scale(desk: Desk) -> None:
    desk.answer("ces", 6)
    ces = desk.result("ces")
    assert ces is not None
    assert (ces.value, ces.ci_low, ces.ci_high) == (6, 1, 7)


def test_an_answer_counts_when_it_was_given_in_the_channel_of_its_touchpoint(desk: Desk) -> None:
    desk.customer("ana", "gold")
    by_mail = desk.touchpoint(at("3-14"), channel="email", customer_id="ana")
    desk.answer("nps", 10, at("3-14"), touchpoint_id=by_mail)
    desk.answer("nps", 0, at("3-15"), source_system="panel")
    desk.compute("nps")
    assert [(v.period_start.day, v.value) for v in desk.values("nps", "day")] == [(14, 100), (15, -100)]
    assert [(v.dimension_value, v.value) for v in desk.values("nps", by="channel")] == [("email", 100)]
    assert [(v.dimension_value, v.value) for v in desk.values("nps", by="segment")] == [("gold", 100)]
    assert [(v.dimension_value, v.value) for v in desk.values("nps", by="source")] == [
        ("panel", -100),
        ("shop", 100),
    ]


def test_the_response_rate_is_of_invitations_whenever_they_were_answered(desk: Desk) -> None:
    assert desk.result("response_rate") is None
    for answered in ("3-02", "3-31", "4-20", None, None, None, None, None):
        desk.invite(at("3-01"), at(answered) if answered else None, survey="nps")
    desk.invite(at("3-01"), at("3-02"), is_deleted=True)
    desk.invite(at("4-01"), survey="csat")
    desk.answer("nps", 10)  # nobody was invited to that
    desk.compute("response_rate")
    march, april = desk.values("response_rate")
    assert (march.numerator, march.n, march.value) == (3, 8, 0.375)
    assert (march.ci_low, march.ci_high) == pytest.approx(interval_by_hand.share(3, 8))
    assert (april.n, april.value) == (1, 0)
    by_survey = desk.values("response_rate", "all", by="survey")
    assert by_survey == []  # unless a project asks for it
    desk.configure(kpis={"dimensions_of": {"response_rate": ["survey"]}})
    desk.compute("response_rate")
    assert [(v.dimension_value, v.value) for v in desk.values("response_rate", "all", by="survey")] == [
        ("csat", 0),
        ("nps", 0.375),
    ]


def test_an_answer_that_comes_later_raises_the_rate_of_the_month_of_its_invitation(desk: Desk) -> None:
    desk.invite(at("3-01"), invitation_id="one")
    desk.compute("response_rate")
    assert [v.value for v in desk.values("response_rate")] == [0]
    desk.connection.execute(
        update(survey_invitation)
        .where(survey_invitation.c.invitation_id == "one")
        .values(responded_at=at("4-02"))
    )
    desk.touch(survey_invitation, at("3-01").date(), at("4-02").date())
    desk.compute("response_rate")
    assert [(v.period_start.month, v.value) for v in desk.values("response_rate") if v.n] == [(3, 1)]
