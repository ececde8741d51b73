"""The intervals, against values worked out independently of this code."""

from __future__ import annotations

import math
import subprocess
import sys

import interval_by_hand
import numpy as np
import pytest
from scipy.stats import binom

from cxflow.kpis import intervals


def of(*numbers: float) -> intervals.Array:
    return np.array(numbers, dtype=float)


def ends(interval: intervals.Interval) -> tuple[float, float]:
    """Of a single cell."""
    return float(interval[0][0]), float(interval[1][0])


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 10), (1, 10), (8, 10), (10, 10), (1, 1), (81, 263), (15, 148), (1, 29), (999, 1000)]
)
def test_a_share_has_the_interval_of_its_binomial(hits: int, n: int) -> None:
    assert ends(intervals.share(of(hits), of(n))) == pytest.approx(interval_by_hand.share(hits, n), abs=1e-12)


def test_a_share_of_none_or_all_has_its_interval_in_closed_form() -> None:
    # 0.7 × (1 − p)^n = 0.025.
    edge = (0.025 / 0.7) ** (1 / 10)
    assert ends(intervals.share(of(0), of(10))) == (0, pytest.approx(1 - edge))
    assert ends(intervals.share(of(10), of(10))) == (pytest.approx(edge), 1)
    low, high = intervals.share(of(0), of(0))
    assert np.isnan([low[0], high[0]]).all()


def test_the_share_of_very_many_is_the_normal_one() -> None:
    half = 1.959964 * math.sqrt(0.3 * 0.7 / 1e9)
    assert ends(intervals.share(of(3e8), of(1e9))) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-8)


def test_a_hundred_thousand_shares_are_solved_together() -> None:
    """Of all sizes and edges; each is where its tail has 2.5 %, the far one by symmetry."""
    chance = np.random.default_rng(7)
    n = chance.integers(1, 400, 100_000).astype(float)
    hits = np.floor(chance.random(100_000) * (n + 1))
    low, high = intervals.share(hits, n)
    tail = binom.sf(hits, n, low) + 0.7 * binom.pmf(hits, n, low)
    assert np.allclose(tail[hits > 0], 0.025, rtol=1e-9)
    assert (low[hits == 0] == 0).all()
    mirrored = intervals.share(n - hits, n)
    assert np.array_equal(high, 1 - mirrored[0])
    assert ((low <= hits / n) & (hits / n <= high)).all()


@pytest.mark.parametrize(
    ("events", "low", "high"),
    # The table of exact Poisson limits in every handbook of epidemiology.
    [(0, 0, 3.6889), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (5, 1.6235, 11.6683), (10, 4.7954, 18.3904)],
)
def test_garwood_agrees_with_the_table(events: float, low: float, high: float) -> None:
    ends = intervals.garwood(of(events))
    assert [float(end[0]) for end in ends] == [pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5)]


def test_student_agrees_with_a_hand_calculation_and_needs_two() -> None:
    # n = 5, mean 10, variance 4: t(4, 0.975) = 2.776445, times 2 / sqrt 5.
    low, high = intervals.student(of(10, 10), of(4, np.nan), of(5, 1))
    assert low[0] == pytest.approx(10 - 2.776445 * 2 / math.sqrt(5), abs=1e-6)
    assert high[0] == pytest.approx(10 + 2.776445 * 2 / math.sqrt(5), abs=1e-6)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize(
    ("plus", "minus", "n"), [(12, 5, 20), (0, 0, 10), (3, 0, 10), (0, 9, 10), (5, 5, 10)]
)
def test_a_net_score_has_the_interval_of_its_two_shares(plus: int, minus: int, n: int) -> None:
    found = ends(intervals.net(of(plus), of(minus), of(n)))
    assert found == pytest.approx(interval_by_hand.net(plus, minus, n), abs=1e-12)


def test_without_passives_a_net_score_is_twice_a_share() -> None:
    low, high = interval_by_hand.share(14, 20)
    assert ends(intervals.net(of(14), of(6), of(20))) == pytest.approx((2 * low - 1, 2 * high - 1))


def test_ten_promoters_of_ten_do_not_prove_that_there_is_no_other() -> None:
    edge = 2 * (0.025 / 0.7) ** (1 / 10) - 1
    assert ends(intervals.net(of(10), of(0), of(10))) == (pytest.approx(edge), 1)
    assert ends(intervals.net(of(0), of(10), of(10))) == (-1, pytest.approx(-edge))


def test_a_net_score_of_many_has_the_published_margin() -> None:
    # 1.96 × sqrt((0.5 + 0.2 − 0.3²) / n).
    n = 1e8
    margin = 1.959964 * math.sqrt((0.5 + 0.2 - 0.3**2) / n)
    low, high = intervals.net(of(0.5 * n), of(0.2 * n), of(n))
    assert (low[0], high[0]) == (
        pytest.approx(0.3 - margin, abs=1e-7),
        pytest.approx(0.3 + margin, abs=1e-7),
    )


def test_ratings_that_are_all_alike_have_an_interval() -> None:
    # Ten fives of 1–5: as many ones may stand there, unseen, as none of ten allows: 28.3 %.
    unseen = 1 - (0.025 / 0.7) ** (1 / 10)
    found = ends(intervals.rating(of(50), of(0), of(10), (1, 5)))
    assert found == pytest.approx((5 - 4 * unseen, 5), abs=1e-9)


def test_ratings_of_which_few_are_elsewhere_have_students_interval_with_half_of_one_at_either_end() -> None:
    # Student's t for 20 degrees of freedom is 2.085963.
    stars = [1] * 6 + [3] * 8 + [5] * 6
    total, squares = float(sum(stars)), 6 * 4.0 + 6 * 4.0
    found = ends(intervals.rating(of(total), of(squares), of(20), (1, 5)))
    assert found == pytest.approx(interval_by_hand.rating(stars, 1, 5, 2.085963), abs=1e-6)


def test_the_interval_of_many_ratings_is_students() -> None:
    # A million ratings, half 4 and half 5: variance 0.25.
    n = 1e6
    half = 1.959964 * 0.5 / 1000
    found = ends(intervals.rating(of(4.5 * n), of(0.25 * n), of(n), (1, 5)))
    assert found == pytest.approx((4.5 - half, 4.5 + half), abs=5e-6)


def skewed(observed: list[float]) -> tuple[float, float, str | None]:
    """The interval of these amounts, from their sums."""
    numbers = np.array(observed)
    away = numbers - numbers.mean()
    sums = (of((away**power).sum()) for power in (2, 3))
    low, high, notes = intervals.skewed(of(numbers.mean()), *sums, of(len(numbers)))
    return float(low[0]), float(high[0]), notes[0]


@pytest.mark.parametrize("factor", [1, -1, 1e-6, 1e6])
def test_skewed_amounts_have_the_interval_of_halls_transformation(factor: float) -> None:
    # Student's t for 9 degrees of freedom is 2.262157.
    observed = [factor * each for each in (3, 5, 5, 8, 9, 12, 14, 20, 31, 70)]
    low, high, note = skewed(observed)
    assert (low / factor, high / factor) == pytest.approx(
        [end / factor for end in interval_by_hand.amounts(observed, 2.262157)], rel=1e-6
    )
    assert note is None


def test_symmetric_amounts_have_students_interval() -> None:
    # n = 5, mean 10, variance 4: t(4, 0.975) = 2.776445, times 2 / sqrt 5.
    half = 2.776445 * 2 / math.sqrt(5)
    symmetric = [10 - math.sqrt(8), 10, 10, 10, 10 + math.sqrt(8)]
    # As wide as Hall's transformation makes it is nowhere less.
    low, high, note = skewed(symmetric)
    assert (low, high, note) == (pytest.approx(10 - half), pytest.approx(10 + half), None)


@pytest.mark.parametrize(
    ("observed", "note"),
    [
        ([1.0] * 11 + [500.0], intervals.SKEWED),
        ([0.1] * 12, intervals.ALIKE),
        ([7.0], intervals.TOO_FEW),
    ],
)
def test_where_nobody_can_know_there_is_a_note_and_no_interval(observed: list[float], note: str) -> None:
    low, high, found = skewed(observed)
    assert math.isnan(low)
    assert math.isnan(high)
    assert found == note


def test_no_interval_is_built_with_scipy_stats() -> None:
    code = (
        "import sys, numpy as np\n"
        "from cxflow.kpis import declared, intervals\n"
        "one = np.array([5.0]); ten = np.array([10.0])\n"
        "intervals.share(one, ten), intervals.net(one, one, ten), intervals.rating(one, one, ten, (0, 1))\n"
        "intervals.skewed(one, one, one, ten), intervals.garwood(one), intervals.tabulated_ranks(0.5)\n"
        "assert 'scipy.special' in sys.modules and 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("q", "n", "low", "high"),
    # The usual table of distribution-free limits of a median; those of p90 from binomial tables.
    [
        (0.5, 5, 0, 6),
        (0.5, 6, 1, 6),
        (0.5, 10, 2, 9),
        (0.5, 20, 6, 15),
        (0.5, 50, 18, 33),
        (0.5, 100, 40, 61),
        (0.9, 10, 7, 11),
        (0.9, 100, 84, 96),
    ],
)
def test_ranks_agree_with_the_table(q: float, n: int, low: int, high: int) -> None:
    ranks = intervals.quantile_ranks(q, of(n))
    assert (int(ranks[0][0]), int(ranks[1][0])) == (low, high)
    tabulated = intervals.tabulated_ranks(q)
    assert (tabulated[0][n - 1], tabulated[1][n - 1]) == (low, high)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_ranks_cover_the_quantile_with_95_percent(q: float) -> None:
    for n in (40, 99, 400):
        low, high = (int(rank[0]) for rank in intervals.quantile_ranks(q, of(n)))
        covered = sum(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(low, high))
        assert covered >= 0.95
