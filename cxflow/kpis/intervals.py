"""95 % intervals over whole arrays: one element per cell, NaN for no interval.

scipy is imported inside the functions that need it, because importing it takes longer than a small run.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = tuple[Array, Array]

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Z = 1.959963984540054
"""The standard normal quantile at 1 − TAIL."""

EXACT_RANKS = 1000
"""Up to this many observations, the ranks of a quantile's interval are tabulated from the binomial."""


def wilson(hits: Array, n: Array) -> Interval:
    """Wilson's score interval of a share, hits of n, 0 to 1 (Wilson 1927, without continuity correction)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / n
        centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def student(mean: Array, variance: Array, n: Array) -> Interval:
    """Student's t interval of a mean, from the sample variance (divisor n − 1); NaN for a single observation."""
    from scipy.special import stdtrit

    several = np.where(n > 1, n, np.nan)
    half = stdtrit(several - 1, 1 - TAIL) * np.sqrt(np.maximum(variance, 0) / several)
    return mean - half, mean + half


def garwood(events: Array) -> Interval:
    """The exact interval of a Poisson count (Garwood 1936): chi-square quantiles over 2."""
    from scipy.special import gammaincinv

    # Half the quantile of chi-square with 2k degrees of freedom is that of the gamma of shape k.
    low = np.where(events > 0, gammaincinv(np.maximum(events, 1), TAIL), 0.0)
    return low, gammaincinv(events + 1, 1 - TAIL)


def net(plus: Array, minus: Array, n: Array, bootstrap_under: int = 30) -> Interval:
    """Interval of plus/n − minus/n, −1 to 1: the mean of a variable that is +1, 0 or −1.

    Normal, with the variance of such a variable, p + d − (p − d)². Under `bootstrap_under` observations the percentile
    bootstrap, whose distribution is computed exactly instead of sampled: the limit of infinitely many resamples,
    without a seed. If all answers are alike, both give an interval of zero width.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p, d = plus / n, minus / n
        half = Z * np.sqrt(np.maximum(p + d - (p - d) ** 2, 0) / n)
    low, high = p - d - half, p - d + half
    for cell in np.flatnonzero((n > 0) & (n < bootstrap_under)):
        low[cell], high[cell] = _net_bootstrap(int(plus[cell]), int(minus[cell]), int(n[cell]))
    return low, high


@functools.cache
def _net_bootstrap(plus: int, minus: int, n: int) -> tuple[float, float]:
    answer = np.array([minus, n - plus - minus, plus]) / n
    total = np.ones(1)
    for _ in range(n):
        total = np.convolve(total, answer)
    cumulated = np.cumsum(total)
    # A share of exactly TAIL counts as reached, whatever the rounding of the sums.
    low, high = (int(np.searchsorted(cumulated, tail - 1e-12)) for tail in (TAIL, 1 - TAIL))
    return (low - n) / n, (high - n) / n


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
