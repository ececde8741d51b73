"""The intervals worked out another way, one value at a time: from sums of probabilities and by halving."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Ends = tuple[float, float]


def solved(rising: Callable[[float], float], goal: float, low: float, high: float) -> float:
    """Where a rising function reaches the goal."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < goal else (low, middle)
    return (low + high) / 2


def probability(n: int, k: int, p: float) -> float:
    """Of k of n."""
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def share(hits: int, n: int) -> Ends:
    """Each end is where the tail, with 0.7 of the observed count, has 2.5 %."""

    def tail(p: float) -> float:
        return 0.7 * probability(n, hits, p) + sum(probability(n, k, p) for k in range(hits + 1, n + 1))

    def other_tail(p: float) -> float:
        return 0.7 * probability(n, hits, p) + sum(probability(n, k, p) for k in range(hits))

    low = solved(tail, 0.025, 0, 1) if hits else 0.0
    high = solved(lambda p: -other_tail(p), -0.025, 0, 1) if hits < n else 1.0
    return low, high


def net(plus: int, minus: int, n: int) -> Ends:
    """From the two shares and their correlation, −1 to 1."""
    p, d = plus / n, minus / n
    (p_low, p_high), (d_low, d_high) = share(plus, n), share(minus, n)
    together = -1.0 if n in (plus, minus) else -math.sqrt(p * d / (1 - p) / (1 - d))

    def distance(one: float, other: float) -> float:
        return math.sqrt(one**2 + other**2 - 2 * together * one * other)

    return p - d - distance(p - p_low, d_high - d), p - d + distance(p_high - p, d - d_low)


def rating(ratings: Sequence[float], lowest: float, highest: float, t: float) -> Ends:
    """Every rating twice and each end of the scale once: as many as 2 × (n + 1), which count by half."""
    twice = [*ratings, *ratings, lowest, highest]
    n = len(ratings) + 1
    mean = sum(twice) / (2 * n)
    variance = sum((each - mean) ** 2 for each in twice) / 2 / (n - 1)
    return mean - t * math.sqrt(variance / n), mean + t * math.sqrt(variance / n)


def amounts(observed: Sequence[float], t: float, about: float | None = None) -> Ends:
    """The means whose distance Hall's transformation takes to ±t, or Student's if they are wider. `about`: from what
    deviations are counted, if not from the mean."""
    n = len(observed)
    mean = sum(observed) / n
    centre = mean if about is None else about
    squares, cubes = (sum((each - centre) ** power for each in observed) for power in (2, 3))
    error = math.sqrt(squares / (n - 1) / n)
    a = (1 + 10 / n) * (cubes / n) / (squares / n) ** 1.5 / math.sqrt(n)

    def transformed(distance: float) -> float:
        return distance + a * distance**2 / 3 + a**2 * distance**3 / 27 + a / 6

    low = mean - error * max(t, solved(transformed, t, -1e6, 1e6))
    high = mean - error * min(-t, solved(transformed, -t, -1e6, 1e6))
    return low, high
