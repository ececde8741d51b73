"""The models of buying and spending, on customers simulated from known parameters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from cxflow.kpis.buy_till_you_die import BgNbd, GammaGamma, NotFittedError
from cxflow.kpis.intervals import Array

TRUTH = BgNbd(r=0.8, alpha=6.0, a=1.5, b=3.0)
WEEKS, AHEAD = 52.0, 26.0
TIMES = (0, 1, 2, 3)


class Lives(NamedTuple):
    """Customers who began in the first half of a year, seen until its end."""

    repeats: Array
    recency: Array
    age: Array
    later: Array
    """How often they bought in the weeks ahead."""
    is_alive: Array


def simulated(customers: int, seed: int) -> Lives:
    """Each buys after waiting times of their own rate, and stops after a purchase with a probability of their own."""
    lot = np.random.default_rng(seed)
    rate = lot.gamma(TRUTH.r, 1 / TRUTH.alpha, customers)
    stops = lot.beta(TRUTH.a, TRUTH.b, customers)
    age = lot.uniform(WEEKS / 2, WEEKS, customers)
    now = np.zeros(customers)
    repeats, recency, later = (np.zeros(customers) for _ in range(3))
    stays = np.ones(customers, dtype=bool)
    alive_then = np.ones(customers, dtype=bool)
    while (stays & (now < age + AHEAD)).any():
        now = np.where(stays, now + lot.exponential(1 / rate), np.inf)
        buys = stays & (now <= age)
        repeats += buys
        recency = np.where(buys, now, recency)
        later += stays & (now > age) & (now <= age + AHEAD)
        leaves = stays & (lot.random(customers) < stops)
        alive_then &= ~(leaves & (now <= age))
        stays &= ~leaves
    return Lives(repeats, recency, age, later, alive_then)


@pytest.fixture(scope="module")
def lives() -> Lives:
    return simulated(40_000, seed=11)


def test_the_parameters_of_simulated_customers_come_out(lives: Lives) -> None:
    found = BgNbd.fit(lives.repeats, lives.recency, lives.age)
    assert found.r == pytest.approx(TRUTH.r, rel=0.05)
    assert found.alpha == pytest.approx(TRUTH.alpha, rel=0.06)
    # What the data tell well of stopping is its mean.
    assert found.a / (found.a + found.b) == pytest.approx(1.5 / 4.5, abs=0.02)


def test_what_is_expected_of_customers_is_what_they_do(lives: Lives) -> None:
    expected = TRUTH.expected(AHEAD, lives.repeats, lives.recency, lives.age)
    alive = TRUTH.alive(lives.repeats, lives.recency, lives.age)
    for repeats in TIMES:
        those = lives.repeats == repeats
        spread = lives.later[those].std() / math.sqrt(those.sum())
        assert expected[those].mean() == pytest.approx(lives.later[those].mean(), abs=4 * spread)
        assert alive[those].mean() == pytest.approx(
            lives.is_alive[those].mean(), abs=2 / math.sqrt(those.sum())
        )


def test_the_unit_of_time_is_that_of_the_customers(lives: Lives) -> None:
    some = slice(0, 3000)
    weeks = BgNbd.fit(lives.repeats[some], lives.recency[some], lives.age[some])
    days = BgNbd.fit(lives.repeats[some], 7 * lives.recency[some], 7 * lives.age[some])
    assert (days.r, days.alpha) == (
        pytest.approx(weeks.r, rel=1e-3),
        pytest.approx(7 * weeks.alpha, rel=1e-3),
    )


def test_one_customer_by_hand() -> None:
    # r 1, α 1, a 2, b 1; one repeat at 1, seen until 3. Odds that they are gone: a ÷ b × ((1 + 3) ÷ (1 + 1))² = 8.
    model = BgNbd(r=1, alpha=1, a=2, b=1)
    one = (np.array([1.0]), np.array([1.0]), np.array([3.0]))
    assert model.alive(*one) == pytest.approx([1 / 9])
    # Until 4 more: (a + b + x − 1) ÷ (a − 1) = 3; z = 4 ÷ 8 = 1/2, and 2F1(2, 2; 3; ½) = Σ (2)ₖ(2)ₖ ÷ (3)ₖ ÷ k! × ½ᵏ,
    # whose terms are 2 (k + 1) ÷ (k + 2) × ½ᵏ.
    series = sum(2 * (k + 1) / (k + 2) / 2**k for k in range(200))
    assert model.expected(4, *one) == pytest.approx([3 * (1 - 0.25 * series) / 9])
    assert model.alive(np.zeros(1), np.zeros(1), np.array([3.0])) == [1], "only a purchase can be the last"


def test_amounts_of_simulated_customers_come_out() -> None:
    lot = np.random.default_rng(5)
    truth = GammaGamma(p=4, q=5, v=120)
    scale = lot.gamma(truth.q, 1 / truth.v, 20_000)
    purchases = lot.integers(1, 8, 20_000).astype(float)
    mean = lot.gamma(truth.p * purchases, 1 / scale) / purchases
    found = GammaGamma.fit(purchases, mean)
    assert (found.p, found.q, found.v) == pytest.approx((4, 5, 120), rel=0.08)
    # The next purchase of those who spent most is worth less than their last ones, and of the others more.
    next_one = lot.gamma(truth.p, 1 / scale)
    expected = found.expected(purchases, mean)
    for those in (mean > 60, mean < 15):
        spread = next_one[those].std() / math.sqrt(those.sum())
        assert expected[those].mean() == pytest.approx(next_one[those].mean(), abs=4 * spread)
    assert found.expected(np.zeros(1), np.zeros(1)) == pytest.approx([4 * 120 / 4], rel=0.05)


def test_where_nobody_stops_all_are_active_and_buy_at_their_rate() -> None:
    lot = np.random.default_rng(8)
    r, alpha, customers, until = 1.5, 6.0, 4000, 13.0
    rate = lot.gamma(r, 1 / alpha, customers)
    repeats = lot.poisson(rate * until).astype(float)
    # The last of so many purchases at random.
    recency = until * lot.random(customers) ** (1 / np.maximum(repeats, 1)) * (repeats > 0)
    age = np.full(customers, until)
    found = BgNbd.fit(repeats, recency, age)
    assert (found.r, found.alpha) == pytest.approx((r, alpha), rel=0.1)
    assert found.alive(repeats, recency, age).min() > 0.999
    # Without an end it is the model of Ehrenberg (1959): the mean of a gamma distribution after `repeats` purchases.
    expected = (found.r + repeats) / (found.alpha + age) * AHEAD
    assert found.expected(AHEAD, repeats, recency, age) == pytest.approx(expected, rel=1e-3)


def test_data_that_tell_nothing_are_refused() -> None:
    ones = np.ones(200)
    with pytest.raises(NotFittedError, match="nobody has bought twice"):
        BgNbd.fit(0 * ones, 0 * ones, 30 * ones)
    with pytest.raises(NotFittedError, match="too few customers who came back"):
        BgNbd.fit(ones, 30 * ones, 30 * ones)
    with pytest.raises(NotFittedError, match="no amounts that differ"):
        GammaGamma.fit(ones, 20 * ones)
    with pytest.raises(NotFittedError, match="no amounts that differ"):
        GammaGamma.fit(np.empty(0), np.empty(0))
