"""The intervals, against values worked out independently of this code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxflow.kpis import intervals


def of(*numbers: float) -> intervals.Array:
    return np.array(numbers, dtype=float)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),  # 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_values(hits: float, n: float, low: float, high: float) -> None:
    ends = intervals.wilson(of(hits), of(n))
    assert [float(end[0]) for end in ends] == [pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5)]


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


def test_net_is_the_published_margin_of_nps_from_30_answers_on() -> None:
    # 500 promoters and 200 detractors of 1,000: 1.96 × sqrt((0.5 + 0.2 − 0.3²) / 1000) = 0.0484.
    low, high = intervals.net(of(500), of(200), of(1000))
    margin = 1.959964 * math.sqrt((0.5 + 0.2 - 0.3**2) / 1000)
    assert (low[0], high[0]) == (pytest.approx(0.3 - margin, abs=1e-6), pytest.approx(0.3 + margin, abs=1e-6))


def test_net_of_few_is_the_percentile_bootstrap() -> None:
    # 100,000 resamples of 12 promoters, 3 passives, 5 detractors, drawn here; the interval sums them all.
    answers = np.repeat([1, 0, -1], [12, 3, 5])
    drawn = np.random.default_rng(7).choice(answers, size=(100_000, 20)).mean(axis=1)
    low, high = intervals.net(of(12), of(5), of(20))
    assert [low[0], high[0]] == pytest.approx(
        np.quantile(drawn, [0.025, 0.975], method="inverted_cdf").tolist()
    )


def test_net_of_few_is_the_same_every_time() -> None:
    intervals._net_bootstrap.cache_clear()
    first = intervals.net(of(7), of(2), of(11))
    intervals._net_bootstrap.cache_clear()
    assert first == intervals.net(of(7), of(2), of(11))


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
