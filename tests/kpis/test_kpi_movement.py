"""What moved a value: parts that add up exactly, against answers worked by hand."""

from __future__ import annotations

import random
from datetime import date
from fractions import Fraction

import pytest
from kpi_desk import BY_NAME, Desk, at

from cxflow.errors import ConfigError
from cxflow.kpis.movement import FEW, WITHOUT, Movement, movement
from cxflow.kpis.periods import Period

FEBRUARY, MARCH = (Period("month", date(2025, month, 1)) for month in (2, 3))


def moved(
    desk: Desk, kpi: str, by: str = "source", earlier: Period = FEBRUARY, later: Period = MARCH
) -> Movement:
    return movement(desk.connection, desk.settings, BY_NAME[kpi], earlier, later, by)


def answers(desk: Desk, when: str, source: str, good: int, bad: int, channel: str | None = None) -> None:
    for number in range(good + bad):
        id_ = channel and desk.touchpoint(at(when), channel=channel, activity="answered_survey")
        desk.answer("csat", 5 if number < good else 1, at(when), source_system=source, touchpoint_id=id_)


def test_mix_and_rate_are_those_worked_by_hand(desk: Desk) -> None:
    # February: a 8 of 10, b 2 of 10, so 10 of 20, 0.5. March: a 4 of 5, b 6 of 15, so 10 of 20, 0.5 as well.
    answers(desk, "2-14", "a", 8, 2)
    answers(desk, "2-14", "b", 2, 8)
    answers(desk, "3-14", "a", 4, 1)
    answers(desk, "3-14", "b", 6, 9)
    desk.compute("csat")
    found = moved(desk, "csat")
    assert found.difference == pytest.approx(0)
    a, b = (next(part for part in found.parts if part.name == name) for name in "ab")
    assert (a.weights, a.values) == ((0.5, 0.25), (0.8, 0.8))
    # a: (0.25 − 0.5) × (0.8 − 0.5) = −0.075, and its own value did not change.
    assert (a.mix, a.rate) == (pytest.approx(-0.075), pytest.approx(0))
    # b: (0.75 − 0.5) × (0.3 − 0.5) = −0.05, and (0.5 + 0.75) ÷ 2 × (0.4 − 0.2) = +0.125.
    assert (b.mix, b.rate) == (pytest.approx(-0.05), pytest.approx(0.125))
    assert a.total + b.total == pytest.approx(0)


def test_the_parts_are_the_opposite_if_the_periods_change_places(desk: Desk) -> None:
    answers(desk, "2-14", "a", 8, 2)
    answers(desk, "3-14", "a", 4, 1)
    answers(desk, "3-14", "b", 6, 9)
    desk.compute("csat")
    there, back = moved(desk, "csat"), moved(desk, "csat", earlier=MARCH, later=FEBRUARY)
    opposite = {part.name: (-part.mix, -part.rate) for part in back.parts}
    for part in there.parts:
        assert (part.mix, part.rate) == pytest.approx(opposite[part.name])


def test_a_slice_of_one_period_and_events_of_no_slice_are_parts_as_well(desk: Desk) -> None:
    # February: web 3 of 4. March: web 3 of 4, chat 0 of 2, and 1 of 4 through no channel that is known.
    answers(desk, "2-14", "a", 3, 1, "web")
    answers(desk, "3-14", "a", 3, 1, "web")
    answers(desk, "3-14", "a", 0, 2, "chat")
    answers(desk, "3-14", "a", 1, 3, None)
    desk.compute("csat")
    found = moved(desk, "csat", "channel")
    assert found.difference == pytest.approx(0.4 - 0.75)
    parts = {part.name: part for part in found.parts}
    # The mean of both wholes is 0.575. web: (0.4 − 1) × (0.75 − 0.575) = −0.105.
    assert (parts["web"].mix, parts["web"].rate) == (pytest.approx(-0.105), pytest.approx(0))
    # chat: 0.2 × (0 − 0.575) = −0.115; without: 0.4 × (0.25 − 0.575) = −0.13.
    assert (parts["chat"].mix, parts["chat"].values) == (pytest.approx(-0.115), (None, 0))
    assert parts[WITHOUT].mix == pytest.approx(-0.13)
    assert sum(part.total for part in found.parts) == pytest.approx(-0.35)


@pytest.mark.parametrize("kpi", ["csat", "nps", "ces", "average_order_value", "contact_rate", "revenue"])
def test_the_parts_of_shares_nets_means_rates_and_totals_add_up(desk: Desk, kpi: str) -> None:
    desk.configure(project={"currency": "EUR"})
    chance = random.Random(5)
    whole: dict[int, list[Fraction]] = {2: [], 3: []}
    orders, contacts = {2: 0, 3: 0}, {2: 0, 3: 0}
    for number in range(90):
        month, segment = chance.choice((2, 3)), chance.choice(("vip", "new", None))
        desk.customer(f"c{number}", segment)
        when = at(f"{month}-{chance.randrange(1, 28)}")
        match kpi:
            case "csat" | "nps" | "ces":
                rating = chance.randrange(1, 6)
                id_ = desk.touchpoint(when, customer_id=f"c{number}")
                desk.answer(kpi, rating * 2 if kpi == "nps" else rating, when, touchpoint_id=id_)
                scores = {
                    "csat": int(rating >= 4),
                    "nps": 100 * ((rating == 5) - (rating <= 3)),
                    "ces": rating,
                }
                whole[month].append(Fraction(scores[kpi]))
            case "contact_rate" if chance.random() < 0.4:
                desk.contact(when, f"c{number}")
                contacts[month] += 1
            case _:
                amount = chance.randrange(1, 100)
                desk.order(when, f"c{number}", price_total=float(amount))
                orders[month] += 1
                whole[month].append(Fraction(amount))
    desk.compute(kpi)
    found = moved(desk, kpi, "segment")
    if kpi == "contact_rate":
        before, after = (Fraction(100 * contacts[month], orders[month]) for month in (2, 3))
    elif kpi == "revenue":
        before, after = (sum(whole[month], Fraction(0)) for month in (2, 3))
    else:
        before, after = (sum(whole[month], Fraction(0)) / len(whole[month]) for month in (2, 3))
    assert sum(part.total for part in found.parts) == pytest.approx(float(after - before), rel=1e-9)
    assert {part.name for part in found.parts} == {"vip", "new", WITHOUT}


def test_slices_of_too_few_are_shown_together(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 10})
    for when in ("2-14", "3-14"):
        answers(desk, when, "large", 8, 12)
        answers(desk, when, "small", 3, 0)
        answers(desk, when, "tiny", 0, 1)
    answers(desk, "3-15", "small", 10, 0)  # enough in March, not in February
    desk.compute("csat")
    found = moved(desk, "csat")
    assert {part.name for part in found.parts} == {"large", FEW}
    assert sum(part.total for part in found.parts) == pytest.approx(21 / 34 - 11 / 24)


@pytest.mark.parametrize(
    ("kpi", "why"),
    [
        ("first_reply_minutes", "quantile of the whole"),
        ("first_reply_minutes_of_opened", "median of the whole"),
        ("repeat_purchase_rate", "customers"),
        ("review_rating_bayes", "prior"),
        ("backlog", "end of a period"),
    ],
)
def test_what_does_not_follow_from_its_slices_is_refused(desk: Desk, kpi: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        moved(desk, kpi)


def test_a_period_without_a_value_is_refused(desk: Desk) -> None:
    desk.configure(kpis={"min_n": 10})
    answers(desk, "2-14", "a", 8, 12)
    answers(desk, "3-14", "a", 1, 1)
    desk.compute("csat")
    with pytest.raises(ConfigError, match="too few observations in 2025-03: n 2"):
        moved(desk, "csat")
    with pytest.raises(ConfigError, match="no value of 2025-01"):
        moved(desk, "csat", earlier=Period("month", date(2025, 1, 1)))
