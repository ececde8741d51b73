"""What the intervals hold where customers have several events each, more or less alike: simulated with a fixed seed.

`interval_coverage` writes the table into docs/kpis.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cxflow.kpis import intervals
from cxflow.kpis.cells import GROUPS
from cxflow.kpis.clusters import Clusters

Array = NDArray[np.float64]
Held = NDArray[np.bool_]
Draw = Callable[[Generator, tuple[int, ...]], Array]

SEED = 20261128
SIMULATED = 2_000
SIZES = ((10, False), (20, False), (50, False), (100, False), (400, True))
"""Customers, and whether they are dealt to groups."""

EVENTS: dict[str, Callable[[Generator, tuple[int, int]], Array]] = {
    "one each": lambda _, size: np.ones(size),
    "one or two more": lambda chance, size: np.add(1.0, chance.poisson(1, size), dtype=float),
    "three, geometric": lambda chance, size: chance.geometric(1 / 3, size).astype(float),
}
"""How many events customers have."""
ALIKE = (0.0, 0.5, 1.0)
"""Which share of a customer's events repeats one of them."""


class Coverage(NamedTuple):
    """How often the intervals of a kind over so many customers hold the truth."""

    what: str
    customers: int
    is_grouped: bool
    least: float
    """Over the grid of truths."""
    mean: float
    naive: float
    """The least of intervals that take all events for independent."""


class Sample(NamedTuple):
    """Many samples: a row each, and a column per customer."""

    n: Array
    total: Array
    squares: Array
    """Of the events' measures, by customer."""
    cubes: Array


def drawn(chance: Generator, n: Array, alike: float, draw: Draw) -> Sample:
    """Each customer repeats one of their events, or has a new one."""
    repeated = chance.binomial(n.astype(int), alike)
    own = draw(chance, n.shape)
    total, squares, cubes = (repeated * own**power for power in (1, 2, 3))
    for number in range(int((n - repeated).max())):
        more = draw(chance, n.shape) * (n - repeated > number)
        total, squares, cubes = total + more, squares + more**2, cubes + more**3
    return Sample(n, total, squares, cubes)


def clusters(chance: Generator, n: Array, total: Array, is_grouped: bool) -> Clusters:
    """What the database would say of the customers."""
    size, customers = n.shape
    value = (total.sum(1) / n.sum(1))[:, None]
    known = n.sum(1)
    if is_grouped:
        group = chance.integers(0, GROUPS, n.shape)
        n, total = (np.stack([(x * (group == g)).sum(1) for g in range(GROUPS)], 1) for x in (n, total))
    away = total - value * n
    return Clusters.of(
        {
            "n": known,
            "known": known,
            "numerator": total.sum(1),
            "known_numerator": total.sum(1),
            "customers": np.full(size, float(customers)),
            "squares_of_customers": (away**2).sum(1),
            "cubes_of_customers": (away**3).sum(1),
            "sizes_of_customers": (n**2).sum(1),
            "is_grouped": np.full(size, float(is_grouped)),
        }
    )


Interval = Callable[[Sample, Clusters], tuple[Array, Array]]


def _share(sample: Sample, found: Clusters) -> tuple[Array, Array]:
    n, hits = sample.n.sum(1), sample.total.sum(1)
    p = hits / n
    effect = found.effect(n * p * (1 - p), np.maximum(p, 1 - p))
    return intervals.share(hits / effect, n / effect)


def _net(sample: Sample, found: Clusters) -> tuple[Array, Array]:
    n, net, either = sample.n.sum(1), sample.total.sum(1), sample.squares.sum(1)
    effect = found.effect(either - net**2 / n, 1 + np.abs(net / n))
    return intervals.net((either + net) / 2 / effect, (either - net) / 2 / effect, n / effect)


def _rating(sample: Sample, found: Clusters) -> tuple[Array, Array]:
    n, total = sample.n.sum(1), sample.total.sum(1)
    mean = total / n
    spread = np.maximum(sample.squares.sum(1) - n * mean**2, 0)
    effect = found.effect(spread, np.maximum(mean - 1, 5 - mean))
    return intervals.rating(total / effect, spread / effect, n / effect, (1, 5))


def _amount(sample: Sample, found: Clusters) -> tuple[Array, Array]:
    n = sample.n.sum(1)
    mean, squares = sample.total.sum(1) / n, sample.squares.sum(1)
    skew = sample.cubes.sum(1) - 3 * mean * squares + 2 * n * mean**3
    low, high, _ = found.skewed(mean, squares - n * mean**2, skew)
    return low, high


def _rate(sample: Sample, found: Clusters) -> tuple[Array, Array]:
    low, high, _ = found.rate(sample.total.sum(1))
    return low, high


def _choice(weights: tuple[float, ...], points: Array) -> Draw:
    return lambda chance, size: chance.choice(points, size, p=weights)


_SIGNS, _STARS = np.array([1.0, -1.0, 0.0]), np.arange(1.0, 6)
_Truth = tuple[Draw, float]

KINDS: dict[str, tuple[Interval, tuple[_Truth, ...]]] = {
    "shares": (
        _share,
        tuple((_choice((p, 1 - p), np.array([1.0, 0.0])), p) for p in (0.02, 0.1, 0.3, 0.5, 0.9, 0.98)),
    ),
    "net scores": (
        _net,
        tuple(
            (_choice((p, d, 1 - p - d), _SIGNS), p - d)
            for p, d in ((0.5, 0.2), (0.7, 0.02), (0.875, 0.125), (0.05, 0.05), (0.98, 0.01))
        ),
    ),
    "mean ratings": (
        _rating,
        tuple(
            (_choice(weights, _STARS), float(_STARS @ np.array(weights)))
            for weights in (
                (0, 0, 0, 0.02, 0.98),
                (0.05, 0.02, 0.03, 0.1, 0.8),
                (0.2,) * 5,
                (0.5, 0, 0, 0, 0.5),
            )
        ),
    ),
    "mean amounts": (
        _amount,
        (
            (lambda chance, size: chance.exponential(1, size), 1.0),
            (lambda chance, size: chance.lognormal(0, 0.8, size), float(np.exp(0.32))),
        ),
    ),
}


def _coverages(kind: str, customers: int, is_grouped: bool, simulated: int) -> Iterator[tuple[float, float]]:
    interval, truths = KINDS[kind]
    for draw, truth in truths:
        for events in EVENTS.values():
            for alike in ALIKE:
                chance = np.random.default_rng(SEED)
                n = events(chance, (simulated, customers))
                sample = drawn(chance, n, alike, draw)
                found = clusters(chance, sample.n, sample.total, is_grouped)
                yield _held(interval(sample, found), truth), _held(interval(sample, _alone(sample)), truth)


def _rates(customers: int, is_grouped: bool, simulated: int) -> Iterator[tuple[float, float]]:
    """Customers differ in how often they make contact, by a gamma distribution."""
    for rate in (0.05, 0.2, 1.0):
        for events in EVENTS.values():
            for shape in (None, 1.0):
                chance = np.random.default_rng(SEED)
                n = events(chance, (simulated, customers))
                own = 1.0 if shape is None else chance.gamma(shape, 1 / shape, n.shape)
                total = chance.poisson(rate * n * own).astype(float)
                sample = Sample(n, total, total, total)
                found = clusters(chance, n, total, is_grouped)
                yield _held(_rate(sample, found), rate), _held(_rate(sample, _alone(sample)), rate)


def _alone(sample: Sample) -> Clusters:
    """As if each event were another customer's."""
    return Clusters.of({"n": sample.n.sum(1)})


def _held(interval: tuple[Array, Array], truth: float) -> float:
    """How often intervals hold the truth, of those that are shown."""
    low, high = interval
    is_shown = ~np.isnan(low)
    is_held: Held = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
    return float(is_held[is_shown].mean()) if is_shown.any() else 1.0


def coverage(kind: str, customers: int, is_grouped: bool, simulated: int = SIMULATED) -> Coverage:
    """How often the intervals of a kind hold, over its grid of truths."""
    each = _rates(customers, is_grouped, simulated) if kind == "rates" else None
    held, naive = zip(*(each or _coverages(kind, customers, is_grouped, simulated)), strict=True)
    return Coverage(kind, customers, is_grouped, min(held), float(np.mean(held)), min(naive))


def table() -> Iterator[Coverage]:
    """All of them."""
    for kind in (*KINDS, "rates"):
        yield from (coverage(kind, *size) for size in SIZES)


def row(found: Coverage) -> str:
    """A line of the table in docs/kpis.md."""
    grouped = ", in groups" if found.is_grouped else ""
    return f"| {found.what} | {found.customers}{grouped} | {found.least:.1%} | {found.mean:.1%} | {found.naive:.1%} |"
