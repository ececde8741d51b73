"""95 % intervals over whole arrays: one element per cell, NaN for no interval.

scipy is imported inside the functions that need it, because importing it takes longer than a small run.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[Array, Array]
Notes = NDArray[np.object_]
"""For each cell, why there is no interval, or None."""

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Z = 1.959963984540054
"""The standard normal quantile at 1 − TAIL."""

COUNTED = 0.7
"""How much of the observed count's probability belongs to the tail of a share: all of it would be Clopper and Pearson's
interval (never under 95 %), half of it the mid-P interval (down to 91 %). With 0.7, the interval holds at least 93 %
for every share and every n from 10 on. `tests/kpis/interval_coverage.py` shows it."""

SMALL_SAMPLE = 10
DECIDED_BY_ONE = 0.8
"""Both from simulations, for at least 93 % from 10 observations on: see `skewed` and the table in docs/kpis.md."""

TOO_FEW = "too few observations for an interval"
ALIKE = "all observations alike: no interval"
SKEWED = "skewed: too few observations for an interval"

EXACT_RANKS = 1000
"""Up to this many observations, the ranks of a quantile's interval are tabulated from the binomial."""

_MOST_STEPS = 60
"""Of Newton's method; it takes four or five."""
_BELOW_ONE = 1 - 2**-53


def share(hits: Array, n: Array) -> Interval:
    """Interval of a share, hits of n, 0 to 1, from the exact binomial; NaN without observations.

    Each end is the share at which the tail from `hits` on has probability TAIL, where `hits` itself counts COUNTED.
    """
    return _lowest_share(hits, n), 1 - _lowest_share(n - hits, n)


def _lowest_share(hits: Array, n: Array) -> Array:
    """The p with P(X > hits) + COUNTED × P(X = hits) = TAIL, X binomial(n, p); 0 for no hits."""
    from scipy.special import betainc, gammaln, xlog1py, xlogy

    found = np.where(n > 0, 0.0, np.nan)
    is_wanted = (hits > 0) & (n > 0)
    # Cells with the same counts are solved once.
    pairs, of_pair = np.unique(hits[is_wanted] + 1j * n[is_wanted], return_inverse=True)
    x, size = pairs.real, pairs.imag
    rest = size - x
    ways = gammaln(size + 1) - gammaln(x + 1) - gammaln(rest + 1)
    p = _wilson(x, size)
    # Newton's method on the logarithms of p and of the tail: the curve is concave, so that it converges from anywhere.
    for _ in range(_MOST_STEPS):
        exactly = np.exp(ways + xlogy(x, p) + xlog1py(rest, -p))
        beyond = np.where(rest > 0, betainc(x + 1, np.where(rest > 0, rest, 1), p), 0.0)
        tail = beyond + COUNTED * exactly
        slope = exactly * (COUNTED * x + (1 - COUNTED) * rest * p / (1 - p)) / tail
        step = np.log(TAIL / tail) / slope
        p = np.minimum(p * np.exp(step), _BELOW_ONE)
        # Each step doubles the digits: the next one would change the 14th.
        if np.all(np.abs(step) < 1e-7):
            break
    found[is_wanted] = p[of_pair]
    return found


def _wilson(hits: Array, n: Array) -> Array:
    """The lower end of Wilson's score interval, which is close."""
    p = hits / n
    centre, half = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + (Z / (2 * n)) ** 2)
    return (centre - half) / (1 + Z**2 / n)


def net(plus: Array, minus: Array, n: Array) -> Interval:
    """Interval of plus/n − minus/n, −1 to 1, from the intervals of the two shares (MOVER: Donner and Zou 2012).

    The shares of one multinomial depend on each other: their correlation is −√(p·d / ((1 − p)(1 − d))). If all
    observations are alike, it is −1: the one share can only have grown at the other's expense.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p, d = plus / n, minus / n
        correlation = -np.sqrt(p * d / ((1 - p) * (1 - d)))
    correlation = np.where((plus == n) | (minus == n), -1.0, correlation)
    (p_low, p_high), (d_low, d_high) = share(plus, n), share(minus, n)
    below = _joined(p - p_low, d_high - d, correlation)
    above = _joined(p_high - p, d - d_low, correlation)
    return np.maximum(p - d - below, -1), np.minimum(p - d + above, 1)


def _joined(one: Array, other: Array, correlation: Array) -> Array:
    """The distance from a difference to an end of its interval, from the distances of its two terms."""
    return np.sqrt(np.maximum(one**2 + other**2 - 2 * correlation * one * other, 0))


def student(mean: Array, variance: Array, n: Array) -> Interval:
    """Student's t interval of a mean, from the sample variance (divisor n − 1); NaN for a single observation."""
    from scipy.special import stdtrit

    several = np.where(n > 1, n, np.nan)
    half = stdtrit(several - 1, 1 - TAIL) * np.sqrt(np.maximum(variance, 0) / several)
    return mean - half, mean + half


def rating(total: Array, squared_deviation: Array, n: Array, scale: tuple[float, float]) -> Interval:
    """Interval of the mean of measures on a scale with a lowest and a highest point.

    Student's t after adding half an observation at either end of the scale: ten of ten at one end do not prove that
    nobody is elsewhere. At least so wide that as many may stand at an end, unseen, as no hit of n allows: two of a
    hundred at the other end lower a mean of fives by more than its spread says.
    """
    lowest, highest = scale
    mean, more = total / n, n + 1
    centre = (total + (lowest + highest) / 2) / more
    added = ((lowest - centre) ** 2 + (highest - centre) ** 2) / 2
    squares = np.maximum(squared_deviation, 0) + n * (mean - centre) ** 2 + added
    low, high = student(centre, squares / n, more)
    _, unseen = share(np.zeros_like(n), n)
    low = np.minimum(low, mean - unseen * (mean - lowest))
    high = np.maximum(high, mean + unseen * (highest - mean))
    return np.maximum(low, lowest), np.minimum(high, highest)


def skewed(
    mean: Array, squared_deviation: Array, cubed_deviation: Array, n: Array
) -> tuple[Array, Array, Notes]:
    """Interval of the mean of measures without known ends, which may be skewed: amounts and durations.

    The wider, at each end, of Student's t and Hall's transformation (1992), in which the sample's skewness is
    multiplied by 1 + SMALL_SAMPLE ÷ n: a small sample rarely holds the large values that make a distribution skewed.

    Where one observation makes most of the skewness (|skewness| ÷ √n from DECIDED_BY_ONE on), and where all are alike,
    there is no interval but a note. Under a millionth of the mean, a spread is too small to know its skewness: there
    the interval is Student's t.
    """
    from scipy.special import stdtrit

    several = np.where(n > 1, n, np.nan)
    spread = np.maximum(squared_deviation, 0) / several
    # Equal numbers whose mean was rounded have a spread of that rounding. The cubes are lost in it before.
    is_alike, is_lost = (spread <= (part * mean) ** 2 for part in (1e-12, 1e-6))
    spread = np.where(is_alike, np.nan, spread)
    skewness = np.where(is_lost, 0, cubed_deviation / several / spread**1.5 / np.sqrt(several))
    low, high = student(mean, spread * several / (several - 1), n)
    used = skewness * (1 + SMALL_SAMPLE / several)
    error = np.sqrt(spread / (several - 1))
    t = stdtrit(several - 1, 1 - TAIL)
    low = np.minimum(low, mean - error * _untransformed(t, used))
    high = np.maximum(high, mean - error * _untransformed(-t, used))
    is_decided = np.abs(skewness) >= DECIDED_BY_ONE
    notes = np.full(n.shape, None, dtype=object)
    for is_so, note in ((is_decided, SKEWED), (is_alike, ALIKE), (n < 2, TOO_FEW)):
        notes[is_so] = note
        low, high = np.where(is_so, np.nan, low), np.where(is_so, np.nan, high)
    return low, high, notes


def _untransformed(x: Array, skewness: Array) -> Array:
    """The inverse of Hall's transformation g(t) = t + a·t²/3 + a²·t³/27 + a/6, for a skewness ÷ √n of a."""
    a = np.where(np.abs(skewness) < 1e-6, np.nan, skewness)
    return np.where(np.isnan(a), x, 3 / a * (np.cbrt(1 + a * (x - a / 6)) - 1))


def garwood(events: Array) -> Interval:
    """The exact interval of a Poisson count (Garwood 1936): chi-square quantiles over 2."""
    from scipy.special import gammaincinv

    # Half the quantile of chi-square with 2k degrees of freedom is that of the gamma of shape k.
    low = np.where(events > 0, gammaincinv(np.maximum(events, 1), TAIL), 0.0)
    return low, gammaincinv(events + 1, 1 - TAIL)


def quantile_ranks(q: float, n: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks (from 1) of the two ordered observations that enclose the q-quantile with at least 95 % probability.

    The number of observations under the quantile is binomial(n, q). Rank 0 or n + 1 means that n is too small to bound
    that side (Conover, Practical Nonparametric Statistics, 3.2).
    """
    return _binomial_quantile(TAIL, n, q), _binomial_quantile(1 - TAIL, n, q) + 1


@functools.cache
def tabulated_ranks(q: float) -> tuple[list[int], list[int]]:
    """`quantile_ranks` for 1 to EXACT_RANKS observations, for the database to look up."""
    low, high = quantile_ranks(q, np.arange(1.0, EXACT_RANKS + 1))
    return low.tolist(), high.tolist()


def _binomial_quantile(tail: float, n: Array, q: float) -> NDArray[np.int64]:
    """Smallest k with P(X ≤ k) ≥ tail, X binomial(n, q)."""
    from scipy.special import bdtr, bdtrik

    guess = np.ceil(np.nan_to_num(bdtrik(tail, n, q)))
    below = np.maximum(guess - 1, 0)
    found: Array = np.where(bdtr(below, n.astype(np.int64), q) >= tail, below, guess)
    return found.astype(np.int64)
