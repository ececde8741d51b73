"""What is called a change: intervals of differences, many comparisons at once, and what is not compared at all."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from numpy.typing import NDArray

from cxflow.kpis.cell_values import cell_values
from cxflow.kpis.cells import KEY
from cxflow.kpis.changes import Comparison, Pair, compare, difference
from cxflow.kpis.periods import Period
from cxflow.kpis.read import KpiValue
from cxflow.kpis.scan import Scan, scan
from cxflow.settings import Settings
from cxflow.warehouse.tables import kpi_value

NOTHING: dict[str, Any] = dict.fromkeys(field.name for field in fields(KpiValue))
MARCH, FEBRUARY = date(2025, 3, 1), date(2025, 2, 1)


def value(value: float | None, low: float | None, high: float | None, **more: Any) -> KpiValue:
    cell = {"kpi": "csat", "version": 1, "grain": "month", "period_start": MARCH, "dimension": ""}
    numbers = {"value": value, "ci_low": low, "ci_high": high, "n": 1000, "is_suppressed": value is None}
    return KpiValue(**NOTHING | cell | {"dimension_value": "", "left_out": 0} | numbers | more)


def compared(*pairs: Pair, **more: Any) -> list[Comparison]:
    return compare(pairs, **{"most_left_out": 0.2, "judged_shares": {}} | more)


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    # Newcombe 1998 b, table II, method 10: 56/70 − 48/80 is 0.2, 0.0524 to 0.3339.
    # Wilson: 56/70 is 0.6918 to 0.8768; 48/80 is 0.4904 to 0.7005.
    found = difference(value(0.6, 0.490449, 0.700541), value(0.8, 0.691773, 0.876862))
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-4), pytest.approx(0.3339, abs=5e-4))


def test_for_symmetric_intervals_the_half_widths_add_as_squares() -> None:
    found = difference(value(10, 7, 13), value(12, 8, 16))
    assert found is not None
    assert (found.difference, found.low, found.high) == (2, -3, 7)


def test_without_a_value_or_an_interval_nothing_is_said() -> None:
    assert difference(value(None, None, None), value(12, 8, 16)) is None
    assert difference(value(12, 8, 16), value(58.4, 21, None)) is None


@pytest.mark.parametrize("n", [12, 1_000_000])
def test_a_p_value_is_one_in_twenty_where_the_interval_touches_zero(n: int) -> None:
    # Half widths 3 and 4: the difference's is 5.
    found = difference(value(0, -3, 3, n=n), value(5, 1, 9, n=n))
    assert found is not None
    assert found.low == pytest.approx(0)
    assert found.p_value == pytest.approx(0.05)


def test_far_from_zero_few_observations_prove_less_than_many() -> None:
    few, many = (difference(value(0, -3, 3, n=n), value(10, 6, 14, n=n)) for n in (12, 1_000_000))
    assert few is not None
    assert many is not None
    # Twice 1.96 standard errors: 0.0000887, of the normal distribution. With half widths of 3 and 4 and 11 degrees of
    # freedom each, Satterthwaite gives 625/(81/11 + 256/11) = 20.4: t = 2 × 2.083, 0.000457.
    assert many.p_value == pytest.approx(0.0000887, rel=0.01)
    assert few.p_value == pytest.approx(0.000457, rel=0.02)


def test_a_change_is_called_by_its_place_among_all() -> None:
    # Half widths of 3 and 4, so 5, which is 1.96 standard errors of 2.551. Differences of 7, 6 and 5.1 have p-values
    # of 0.0061, 0.0187 and 0.0456; the limits of three are 0.0167, 0.0333 and 0.05.
    def pair(by: float) -> Pair:
        return value(0, -3, 3, n=10**9), value(by, by - 4, by + 4, n=10**9)

    assert [each.is_called for each in compared(pair(7), pair(6), pair(5.1))] == [True, True, True]
    # With a fourth that is none, the limits are 0.0125, 0.025, 0.0375 and 0.05: the third is not called any more.
    assert [each.is_called for each in compared(pair(7), pair(6), pair(5.1), pair(0))] == [
        *(True, True, False, False)
    ]
    # Alone, each of them would be.
    assert compared(pair(5.1))[0].is_called


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"n": 0, "value": None}, "nothing to count"),
        ({"version": 2}, "different versions"),
        ({"is_complete": False}, "not complete"),
        ({"value": None, "is_suppressed": True}, "too few"),
        ({"left_out": 300}, "20% of the events left out"),
        ({"ci_low": None, "interval_note": "skewed"}, "no interval"),
        ({"numerator": 5.0}, "totals"),
    ],
)
def test_what_is_not_comparable_says_why(changed: dict[str, Any], why: str) -> None:
    sound, odd = value(0.2, 0.1, 0.3), replace(value(0.9, 0.8, 0.95), **changed)
    for pair in ((sound, odd), (odd, sound)):
        (found,) = compared(pair)
        assert (found.change, found.is_called) == (None, False)
        assert why in found.why_not
    assert compared((sound, value(0.9, 0.8, 0.95)))[0].is_called
    assert compared((None, sound))[0].why_not


def test_what_is_not_compared_does_not_count_as_a_comparison() -> None:
    pair = value(0, -3, 3), value(5.1, 1.1, 9.1)
    hidden = value(0, -3, 3), value(None, None, None)
    assert compared(pair, *[hidden] * 50)[0].is_called


def test_values_that_still_grow_are_not_compared() -> None:
    (found,) = compared((value(0.2, 0.1, 0.3), value(0.9, 0.8, 0.95)), growing={"csat"})
    assert "still grow" in found.why_not


@pytest.mark.parametrize(
    ("shares", "is_compared"), [((0.3, 0.39), True), ((0.3, 0.41), False), ((0.3, None), False)]
)
def test_net_experiences_are_compared_where_as_much_is_judged(
    shares: tuple[float, float | None], is_compared: bool
) -> None:
    earlier, later = (
        value(10, 5, 15, kpi="net_experience", period_start=start) for start in (FEBRUARY, MARCH)
    )
    judged = {
        ("month", start, "", ""): value(share, 0, 1, kpi="judged_share", period_start=start)
        for start, share in zip((FEBRUARY, MARCH), shares, strict=True)
    }
    (found,) = compared((earlier, later), judged_shares=judged)
    assert (found.change is not None) == is_compared
    (other,) = compared((replace(earlier, kpi="nps"), replace(later, kpi="nps")), judged_shares=judged)
    assert other.change is not None


# Simulations: what chance alone makes of many cells, and whether a real change is found among them.

SCANS = 600
SIZES = (12, 40, 150, 600)
Numbers = NDArray[np.float64]


def _shares(draw: np.random.Generator, n: int) -> dict[str, Numbers]:
    return {"numerator": draw.binomial(n, draw.choice((0.02, 0.3, 0.9)), (SCANS, 2)).astype(float)}


def _nets(draw: np.random.Generator, n: int) -> dict[str, Numbers]:
    plus, _, minus = np.moveaxis(draw.multinomial(n, (0.6, 0.25, 0.15), (SCANS, 2)), -1, 0).astype(float)
    net = plus - minus
    return {"numerator": net, "squared_deviation": plus + minus - net**2 / n}


def _means(measures: Numbers) -> dict[str, Numbers]:
    from_mean = measures - measures.mean(axis=-1, keepdims=True)
    return {
        "numerator": measures.sum(axis=-1),
        "squared_deviation": (from_mean**2).sum(axis=-1),
        "cubed_deviation": (from_mean**3).sum(axis=-1),
    }


def _ratings(draw: np.random.Generator, n: int) -> dict[str, Numbers]:
    stars = draw.choice(5, (SCANS, 2, n), p=(0.05, 0.03, 0.07, 0.2, 0.65)) + 1.0
    return _means(stars)


def _amounts(draw: np.random.Generator, n: int) -> dict[str, Numbers]:
    return _means(draw.lognormal(4, 1.0, (SCANS, 2, n)))


MADE = {"csat": _shares, "nps": _nets, "review_rating": _ratings, "average_order_value": _amounts}


def _pairs(kpi: str, components: dict[str, Numbers], n: int) -> list[Pair]:
    """What the pipeline publishes for these components: a pair for each scan."""
    Cell = namedtuple("Cell", (*KEY, "n", *components))  # type: ignore[misc]
    flat = [column.ravel().tolist() for column in components.values()]
    rows: Any = [Cell("month", MARCH, "", str(i), n, *row) for i, row in enumerate(zip(*flat, strict=True))]
    declared = BY_NAME[kpi]
    found = cell_values(declared, declared.estimator(Settings()), rows, 10)
    key = {"kpi": kpi, "version": 1, "grain": "month", "period_start": MARCH, "dimension": "channel"}
    values = [
        KpiValue(**NOTHING | key | cell._asdict() | {"dimension_value": str(i), "is_complete": True})
        for i, cell in enumerate(found.values())
    ]
    return list(zip(values[::2], values[1::2], strict=True))


def _scans(seed: int) -> Iterator[list[Pair]]:
    """Scans in which nothing changed, each of cells of all kinds and sizes."""
    draw = np.random.default_rng(seed)
    columns = [_pairs(kpi, made(draw, n), n) for kpi, made in MADE.items() for n in SIZES for _ in range(2)]
    return (list(row) for row in zip(*columns, strict=True))


def test_without_a_change_few_scans_call_one() -> None:
    calling = naive = 0
    for pairs in _scans(seed=16):
        found = compared(*pairs)
        calling += any(each.is_called for each in found)
        naive += any(
            each.change is not None and not each.change.low <= 0 <= each.change.high for each in found
        )
    # 5 % and twice the error of 600 scans; without the correction it is more than every second scan.
    assert calling <= (0.05 + 2 * 0.0089) * SCANS
    assert naive > 0.5 * SCANS


def test_a_real_change_is_found_among_many_that_are_none() -> None:
    draw = np.random.default_rng(17)
    hits = np.stack([draw.binomial(600, p, SCANS) for p in (0.6, 0.75)], axis=-1).astype(float)
    real = _pairs("csat", {"numerator": hits}, 600)
    found = [compared(one, *pairs)[0] for one, pairs in zip(real, _scans(seed=18), strict=True)]
    assert sum(each.is_called for each in found) > 0.98 * SCANS


# Scans of a warehouse.


def answers(desk: Desk, when: str, good: int, bad: int, **more: Any) -> None:
    for number in range(good + bad):
        desk.answer("csat", 5 if number < good else 1, at(when), **more)


def scanned(desk: Desk, **more: Any) -> Scan:
    return scan(desk.connection, most_left_out=0.2, **more)


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """Satisfaction on two sources: one fell from February to March, the other did not. April is not over."""
    for when, good in (("2-14", 90), ("3-14", 60), ("4-2", 10)):
        answers(desk, when, good, 100 - good, source_system="shop")
        answers(desk, when, 50, 50, source_system="desk")
    desk.compute("csat")
    _complete_until(desk, date(2025, 4, 1))
    return desk


def _complete_until(desk: Desk, day: date) -> None:
    """As if everything up to a day had been delivered."""
    is_over = kpi_value.c.period_start + timedelta(days=28) <= day
    desk.connection.execute(kpi_value.update().values(is_complete=is_over))


def test_the_last_complete_month_is_compared_with_the_one_before(shop: Desk) -> None:
    found = scanned(shop)
    (csat,) = found.comparisons
    assert (found.grain, found.compared) == ("month", 1)
    assert csat.earlier is not None
    assert csat.later is not None
    assert (csat.earlier.period_start, csat.later.period_start) == (FEBRUARY, MARCH)
    assert csat.change is not None
    assert csat.change.difference == pytest.approx(0.55 - 0.70)
    assert csat.is_called


def test_slices_are_compared_each_with_itself(shop: Desk) -> None:
    found = scanned(shop, by="source")
    assert {each.later and each.later.dimension_value: each.is_called for each in found.comparisons} == {
        "desk": False,
        "shop": True,
    }


def test_an_open_period_that_is_asked_for_is_not_compared(shop: Desk) -> None:
    (csat,) = scanned(shop, period=Period("month", date(2025, 4, 1))).comparisons
    assert (csat.change, csat.why_not) == (None, "a period that is not complete")


def test_an_earlier_period_can_be_chosen_by_its_end(shop: Desk) -> None:
    (csat,) = scanned(shop, grain="month", until=MARCH).comparisons
    assert csat.later is not None
    assert csat.later.period_start == FEBRUARY
    assert csat.why_not == "nothing to count in one of the periods"  # nothing is known of January


def test_the_same_month_a_year_ago_is_compared_on_request(desk: Desk) -> None:
    for when in (at("3-14"), at("3-14").replace(year=2024)):
        for number in range(100):
            desk.answer("csat", 5 if number < (50 if when.year == 2025 else 80) else 1, when)
    desk.compute("csat", as_of=FIRST)
    _complete_until(desk, date(2025, 4, 1))
    (csat,) = scanned(desk, year_ago=True).comparisons
    assert csat.earlier is not None
    assert csat.earlier.period_start == date(2024, 3, 1)
    assert csat.change is not None
    assert csat.change.difference == pytest.approx(-0.3)


def test_what_was_known_at_an_earlier_time_is_compared_as_it_was_known(shop: Desk) -> None:
    before = scanned(shop)
    answers(shop, "3-20", 300, 0, source_system="shop")
    shop.compute("csat", as_of=FIRST + timedelta(days=1))
    _complete_until(shop, date(2025, 4, 1))
    assert scanned(shop, as_of=FIRST) == before
    assert scanned(shop) != before


def test_weeks_of_a_year_ago_begin_on_the_same_weekday() -> None:
    week = Period("week", date(2025, 3, 10))
    assert week.year_ago == Period("week", date(2024, 3, 11))
    assert Period("quarter", date(2025, 1, 1)).year_ago == Period("quarter", date(2024, 1, 1))
