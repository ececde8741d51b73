"""net_experience, net_experience_per_customer, judged_share, memory_index and its bands."""

from __future__ import annotations

from datetime import datetime

import pytest
from kpi_desk import Desk, at

from cxflow.warehouse.tables import order_header

NET = ("net_experience", "net_experience_per_customer", "judged_share")
MEMORY = ("memory_index", "memory_index_1", "memory_index_2_3", "memory_index_4_or_more")


def answer(desk: Desk, customer: str | None, nps: int | None, when: datetime, **columns: object) -> None:
    """A touchpoint with an answer of its own; an order of its own, so that each counts."""
    name = desk.touchpoint(when, customer_id=customer, **columns)
    if nps is not None:
        desk.answer("nps", nps, when, touchpoint_id=name)


def test_net_experience_is_good_less_bad_of_all_judged(desk: Desk) -> None:
    # Ana: good, good, bad, of three orders; ben: bad; eva: neutral; nobody: good. Two touchpoints are unjudged.
    # 3 good − 2 bad of 6: 100 / 6. Per customer: ana 100 / 3, ben −100, eva 0: −66.67 / 3 = −22.22.
    for number, rating in enumerate((10, 9, 0)):
        answer(desk, "ana", rating, at("3-14"), order_id=f"o{number}")
    answer(desk, "ben", 3, at("3-14"))
    answer(desk, "eva", 7, at("3-14"))
    answer(desk, None, 10, at("3-14"))
    answer(desk, "ana", None, at("3-14"))
    answer(desk, None, None, at("3-14"))
    desk.compute(*NET)
    net, each, share = (desk.values(kpi, "all")[0] for kpi in NET)
    assert (net.value, net.numerator, net.n) == (pytest.approx(100 / 6), 1, 6)
    assert (each.value, each.n, each.left_out) == (pytest.approx(-200 / 9), 3, 1)
    assert (share.value, share.n) == (0.75, 8)
    # Half a customer at −100 and one at 100: of 33.3, −100, 0, ±100 halves: mean −16.67, n 4.
    assert each.ci_low is not None
    assert each.ci_low < -22.3
    assert each.ci_high is not None
    assert each.ci_high > 33


def test_who_calls_daily_does_not_speak_for_all(desk: Desk) -> None:
    for day in range(20):
        answer(desk, "ana", 0, at(f"3-{day + 1:02}"), order_id=f"o{day}")
    for number in range(5):
        answer(desk, f"c{number}", 10, at("3-14"))
    desk.compute(*NET)
    assert desk.values("net_experience", "all")[0].value == pytest.approx(100 * (5 - 20) / 25)
    assert desk.values("net_experience_per_customer", "all")[0].value == pytest.approx(100 * (5 - 1) / 6)


def test_experiences_are_sliced_by_stage_control_and_rule(desk: Desk) -> None:
    desk.configure(kpis={"dimensions": ["journey_stage", "control", "rule", "segment"]})
    desk.customer("ana", "gold")
    answer(desk, "ana", 10, at("3-14"), channel="forum", journey_stage="after")
    answer(desk, None, 0, at("3-14"), channel="phone", journey_stage="before")
    desk.compute("net_experience")

    def by(dimension: str) -> dict[str, float | None]:
        return {v.dimension_value: v.value for v in desk.values("net_experience", "all", by=dimension)}

    assert by("journey_stage") == {"after": 100, "before": -100}
    assert by("control") == {"external": 100, "owned": -100}
    assert by("rule") == {"nps_promoter": 100, "nps_detractor": -100}
    assert by("segment") == {"gold": 100}


def test_a_new_segment_moves_what_happened_without_a_touchpoint(desk: Desk) -> None:
    desk.customer("ana", "gold")
    order = desk.order(at("3-01"), "ana")
    desk.refund(order, at("3-20"))
    desk.compute("net_experience")
    desk.connection.exec_driver_sql("UPDATE customer SET segment = 'silver'")
    # As identity notes it: under the days of the customer's own rows, of which the refund has none.
    desk.touch(order_header, at("3-01").date())
    desk.compute("net_experience")
    assert [
        (v.dimension_value, v.n) for v in desk.values("net_experience", "month", by="segment") if v.n
    ] == [("silver", 1)]


@pytest.mark.parametrize("kpi", [*NET, *MEMORY])
def test_nothing_and_nothing_judged_have_no_value(desk: Desk, kpi: str) -> None:
    assert desk.result(kpi) is None
    answer(desk, "ana", None, at("3-14"))
    found = desk.result(kpi)
    assert (found and found.value) == (0 if kpi == "judged_share" else None)


def test_a_late_answer_changes_its_day_alone(desk: Desk) -> None:
    answer(desk, "ana", 10, at("3-14"))
    answer(desk, "ben", 10, at("3-15"))
    desk.compute(*NET)
    answer(desk, "ben", 0, at("3-20"), order_id="o")
    report = desk.compute(*NET)
    assert {(v.period_start.day, v.value) for v in desk.counted("net_experience", "day")} == {
        (14, 100),
        (15, 100),
        (20, -100),
    }
    assert report.published > 0


def test_the_memory_is_the_mean_of_peak_and_end(desk: Desk) -> None:
    # Intensities of NPS: 10 → 1, 9 → 0.8, 7 → 0 as passive (polarity 0), 4 → −0.2, 0 → −1.
    # One experience. Ana: 0.8 and 0.8: 0.8. Ben: −0.2: −0.2. The band: 0.3.
    answer(desk, "ana", 9, at("3-01"))
    answer(desk, "ben", 4, at("3-02"))
    # 2–3. Eva: −1, then 0.8: peak −1, end 0.8: −0.1. Fay: 1, then −1: of equals the later: −1, −1: −1. The band: −0.55.
    answer(desk, "eva", 0, at("3-01"))
    answer(desk, "eva", 9, at("3-20"))
    answer(desk, "fay", 10, at("3-01"))
    answer(desk, "fay", 0, at("3-20"))
    # 4 or more. Gil: 0.8, 0.8, 0, −0.2: peak 0.8 (whichever), end −0.2: 0.3.
    for number, rating in enumerate((9, 9, 7, 4)):
        answer(desk, "gil", rating, at(f"3-2{number}"), order_id=f"o{number}")
    answer(desk, None, 10, at("3-20"))
    desk.compute(*MEMORY)
    found = {kpi: desk.values(kpi, "month")[0] for kpi in MEMORY}
    assert {kpi: (each.value, each.n) for kpi, each in found.items()} == {
        # 0.5 × 0.3 + 0.3 × −0.55 + 0.2 × 0.3
        "memory_index": (pytest.approx(0.045), 5),
        "memory_index_1": (pytest.approx(0.3), 2),
        "memory_index_2_3": (pytest.approx(-0.55), 2),
        "memory_index_4_or_more": (pytest.approx(0.3), 1),
    }
    headline = found["memory_index"]
    assert headline.left_out == 1
    assert headline.ci_low is not None
    assert headline.ci_high is not None
    assert -1 <= headline.ci_low < 0.045 < headline.ci_high <= 1


def test_without_one_of_the_bands_there_is_no_headline(desk: Desk) -> None:
    answer(desk, "ana", 9, at("3-01"))
    desk.compute(*MEMORY)
    [headline] = desk.values("memory_index", "all")
    assert (headline.value, headline.n, headline.interval_note) == (
        None,
        1,
        "no customers in one of the bands",
    )
    [band] = desk.values("memory_index_1", "all")
    assert band.value == pytest.approx(0.8)


def test_an_experience_is_remembered_for_90_days_before_a_periods_end(desk: Desk) -> None:
    # March ends 3-31 24:00 UTC; 90 days before is 12-31 24:00: 1 January is in, and in April it is not.
    # Fay's answer in May is the newest event: May is the last period. Its 90 days begin 3-03 00:00.
    answer(desk, "ana", 10, at("1-01 00:00"))
    answer(desk, "ben", 0, at("3-02 23:59"))
    answer(desk, "eva", 0, at("3-03 00:00"))
    answer(desk, "fay", 10, at("5-10"))
    desk.compute(*MEMORY)
    assert [(v.period_start.month, v.n, v.value) for v in desk.counted("memory_index_1", "month")] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 3, pytest.approx(-1 / 3)),
        (4, 2, -1),
        (5, 2, 0),
    ]
    # The whole time ends with its newest event: 5-10 12:00 less 90 days is 2-09 12:00.
    assert [(v.n, v.value) for v in desk.values("memory_index_1", "all")] == [(3, pytest.approx(-1 / 3))]
    # The second quarter ends 90 days after 4-02.
    assert [(v.period_start.month, v.n) for v in desk.counted("memory_index_1", "quarter")] == [
        (1, 3),
        (4, 1),
    ]


def test_a_late_experience_changes_the_periods_that_remember_it(desk: Desk) -> None:
    answer(desk, "ana", 10, at("1-10"))
    answer(desk, "ben", 10, at("4-10"))
    desk.compute("memory_index_1")
    answer(desk, "eva", 0, at("2-10"))
    desk.compute("memory_index_1")
    incremental = [(v.period_start.month, v.n, v.value) for v in desk.counted("memory_index_1", "month")]
    assert incremental == [(1, 1, 1), (2, 2, 0), (3, 2, 0), (4, 2, 0)]
    assert desk.compute("memory_index_1", everything=True).published == 0
