"""What the intervals hold: how often they contain the truth, for every estimator over a grid of truths.

Exact for shares, net scores, counts and quantiles, whose outcomes can be enumerated; simulated, with a fixed seed, for
means. Writes its table into docs/kpis.md.

    python tests/kpis/interval_coverage.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cluster_coverage
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binom, poisson

from cxflow.kpis import intervals

Array = NDArray[np.float64]

SIZES = (10, 20, 50, 100)
SHARES = tuple(thousandth / 1000 for thousandth in range(1, 1000))
COUNTS = (0.1, 0.5, 1, 2, 5, 10, 50)
SIMULATED = 20_000
SEED = 20261128

Draw = Callable[[Generator, tuple[int, int]], Array]


class Coverage(NamedTuple):
    """How often the intervals of a kind, with n observations, hold the truth."""

    what: str
    n: int
    least: float
    """Over the grid of truths."""
    mean: float
    without: float = 0.0
    """The share of values that are shown without an interval, at most."""


def shares(n: int) -> Coverage:
    """Of shares from 0.001 to 0.999."""
    hits = np.arange(n + 1.0)
    low, high = intervals.share(hits, np.full_like(hits, n))
    held = [float(binom.pmf(hits, n, p) @ ((low <= p) & (p <= high))) for p in SHARES]
    return Coverage("shares", n, min(held), float(np.mean(held)))


def nets(n: int) -> Coverage:
    """Of net scores, with all pairs of shares on a grid, extremes included."""
    outcomes = np.array([(a, b) for a in range(n + 1) for b in range(n + 1 - a)], dtype=float)
    plus, minus = outcomes.T
    low, high = intervals.net(plus, minus, np.full_like(plus, n))
    grid = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
    held = []
    for p, d in ((p, d) for p in grid for d in grid if 0 < p + d <= 1):
        # A multinomial is a binomial, and a binomial of the rest.
        rest = d / (1 - p) if p < 1 else 0.0
        weight = binom.pmf(plus, n, p) * binom.pmf(minus, n - plus, min(rest, 1.0))
        truth = p - d
        held.append(float(weight @ ((low <= truth + 1e-12) & (truth - 1e-12 <= high))))
    return Coverage("net scores", n, min(held), float(np.mean(held)))


def counts() -> Coverage:
    """Of Poisson counts, which rates are made of."""
    events = np.arange(200.0)
    low, high = intervals.garwood(events)
    held = [float(poisson.pmf(events, mean) @ ((low <= mean) & (mean <= high))) for mean in COUNTS]
    return Coverage("rates", 1, min(held), float(np.mean(held)))


def quantiles(n: int) -> Coverage:
    """Of medians and 90th percentiles; an end that cannot be bounded holds."""
    held = []
    for q in (0.5, 0.9):
        low, high = intervals.quantile_ranks(q, np.array([float(n)]))
        # The quantile lies between two ranks if so many observations are under it.
        held.append(float(binom.cdf(high[0] - 1, n, q) - binom.cdf(low[0] - 1, n, q)))
    return Coverage("quantiles", n, min(held), float(np.mean(held)))


RATINGS = (
    (0.0, 0.0, 0.0, 0.02, 0.98),
    (0.02, 0.0, 0.0, 0.0, 0.98),
    (0.05, 0.02, 0.03, 0.1, 0.8),
    (0.2, 0.2, 0.2, 0.2, 0.2),
    (0.5, 0.0, 0.0, 0.0, 0.5),
    (0.7, 0.1, 0.1, 0.05, 0.05),
    (0.02, 0.0, 0.0, 0.1, 0.88),
    (0.005, 0.0, 0.0, 0.0, 0.995),
    (0.0, 0.05, 0.0, 0.0, 0.95),
)
"""Shares of one to five stars."""


def ratings(n: int, simulated: int = SIMULATED) -> Coverage:
    """Of mean ratings on a scale of one to five."""
    chance = np.random.default_rng(SEED)
    stars = np.arange(1.0, 6)
    held = []
    for weights in RATINGS:
        found = chance.choice(stars, (simulated, n), p=weights)
        total = found.sum(axis=1)
        squares = ((found - (total / n)[:, None]) ** 2).sum(axis=1)
        low, high = intervals.rating(total, squares, np.full(simulated, float(n)), (1, 5))
        truth = float(stars @ np.array(weights))
        held.append(float(np.mean((low <= truth) & (truth <= high))))
    return Coverage("mean ratings", n, min(held), float(np.mean(held)))


AMOUNTS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda chance, size: chance.normal(100, 20, size), 100),
    "exponential": (lambda chance, size: chance.exponential(1, size), 1),
    "gamma 0.5": (lambda chance, size: chance.gamma(0.5, 1, size), 0.5),
    "log-normal 0.5": (lambda chance, size: chance.lognormal(0, 0.5, size), float(np.exp(0.125))),
    "log-normal 0.8": (lambda chance, size: chance.lognormal(0, 0.8, size), float(np.exp(0.32))),
    "log-normal 1.2": (lambda chance, size: chance.lognormal(0, 1.2, size), float(np.exp(0.72))),
}


def amounts(n: int, simulated: int = SIMULATED) -> Coverage:
    """Of mean amounts and durations, of those that have an interval."""
    held, without = [], []
    for draw, truth in AMOUNTS.values():
        found = draw(np.random.default_rng(SEED), (simulated, n))
        mean = found.mean(axis=1)
        away = found - mean[:, None]
        low, high, notes = intervals.skewed(
            mean, (away**2).sum(axis=1), (away**3).sum(axis=1), np.full(simulated, float(n))
        )
        is_shown = np.array([note is None for note in notes])
        held.append(float(np.mean((low <= truth)[is_shown] & (truth <= high)[is_shown])))
        without.append(float(np.mean(~is_shown)))
    return Coverage("mean amounts", n, min(held), float(np.mean(held)), max(without))


def table() -> Iterator[Coverage]:
    """All of them."""
    for kind in (shares, nets, ratings, amounts, quantiles):
        yield from (kind(n) for n in SIZES)
    yield counts()


def row(found: Coverage) -> str:
    """A line of the table in docs/kpis.md."""
    n = "any" if found.what == "rates" else str(found.n)
    without = f"{found.without:.0%}" if found.what == "mean amounts" else "none"
    return f"| {found.what} | {n} | {found.least:.1%} | {found.mean:.1%} | {without} |"


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "kpis.md"
    lines = [
        "| interval of | n | least | mean | shown without |",
        "|---|---|---|---|---|",
        *map(row, table()),
        "",
        "| over customers | customers | least | mean | least if all events were taken for independent |",
        "|---|---|---|---|---|",
        *map(cluster_coverage.row, cluster_coverage.table()),
    ]
    begin, _, rest = page.read_text().partition("<!-- coverage:")
    mark, _, after = rest.partition("-->\n")
    after = after.partition("<!-- /coverage -->")[2]
    page.write_text(
        f"{begin}<!-- coverage:{mark}-->\n\n" + "\n".join(lines) + f"\n\n<!-- /coverage -->{after}"
    )
    sys.stdout.write("\n".join(lines) + "\n")
