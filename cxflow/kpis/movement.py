"""What moved a value from one period to another: the mix of its slices, or their own values.

A value that is a numerator ÷ a denominator is the mean of its slices' values, weighted by their parts of the
denominator. A slice moves the whole in two ways: its weight changes (mix), or its value does (rate). With the weights w
and values r of a slice and the values R of the whole, before (0) and after (1):

    mix = (w1 − w0) × ((r0 + r1) ÷ 2 − (R0 + R1) ÷ 2)
    rate = (w0 + w1) ÷ 2 × (r1 − r0)

Their sum over all slices is R1 − R0 exactly, without a rest, and its negative if the periods change places (the base is
the mean of both: Marshall and Edgeworth, 1887). A slice that is in only one of the periods moves it by mix alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from cxflow.errors import ConfigError
from cxflow.kpis import read
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Period
from cxflow.kpis.publication import slices_of
from cxflow.kpis.read import KpiValue
from cxflow.kpis.trace import published_value
from cxflow.settings import Settings

FEW = "(too few to say)"
"""The slices that are suppressed in either period, together."""
WITHOUT = "(without)"
"""The events without a value of the dimension, which belong to no slice."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one slice did to the value, in the KPI's unit."""

    name: str
    """The dimension's value, FEW or WITHOUT."""
    weights: tuple[float, float]
    """Its part of the denominator before and after, 0 to 1."""
    values: tuple[float | None, float | None]
    """Before and after; None: nothing to count."""
    mix: float
    """What its changed weight moved the whole by."""
    rate: float
    """What its changed value moved the whole by."""

    @property
    def total(self) -> float:
        """What it moved the whole by."""
        return self.mix + self.rate


@dataclass(frozen=True, slots=True)
class Movement:
    """A difference, taken apart by the slices of one dimension."""

    dimension: str
    """By whose slices."""
    earlier: KpiValue
    later: KpiValue
    parts: Sequence[Part]
    """What moved the value most comes first. Their totals add up to the difference."""

    @property
    def difference(self) -> float:
        """Later − earlier."""
        assert self.later.value is not None
        assert self.earlier.value is not None
        return self.later.value - self.earlier.value


@dataclass(frozen=True, slots=True)
class _Sums:
    """The numerator and denominator of a slice in both periods."""

    numerators: tuple[float, float]
    denominators: tuple[float, float]

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(_added(self.numerators, other.numerators), _added(self.denominators, other.denominators))

    def __sub__(self, other: _Sums) -> _Sums:
        return self + _Sums(_times(-1, other.numerators), _times(-1, other.denominators))


_NONE = _Sums((0, 0), (0, 0))


def movement(
    connection: Connection, settings: Settings, kpi: Kpi, earlier: Period, later: Period, dimension: str
) -> Movement:
    """Take the difference between two periods apart by the slices of a dimension.

    Raises ConfigError for a KPI whose value does not follow from its slices, and for periods without a value.
    """
    estimator = kpi.estimator(settings)
    if estimator.indivisible:
        raise ConfigError(
            f"what moved {kpi.name} cannot be split by slices: {estimator.indivisible}",
            value=kpi.name,
            fix="ask for a share, a mean or a rate; `cxflow kpis --changes --by` compares the slices one by one",
        )
    slices = slices_of(connection, kpi)
    before, after = (published_value(connection, kpi, each, None, slices) for each in (earlier, later))
    for value in (before, after):
        if value.value is None:
            raise ConfigError(
                f"{kpi.name} has too few observations in {Period(value.grain, value.period_start)}: n {value.n:,}",
                value=kpi.name,
            )
    sums = _slices(connection, kpi, earlier, later, dimension)
    total = _sums(before, after)
    rest = total - sum(sums.values(), _NONE)
    if any(
        abs(each) > 1e-9 * max(map(abs, (*total.numerators, *total.denominators)))
        for each in (*rest.numerators, *rest.denominators)
    ):
        sums[WITHOUT] = rest
    factor = estimator.factor if before.denominator is not None else None
    parts = [_part(name, each, total, factor) for name, each in sums.items()]
    found = Movement(dimension, before, after, sorted(parts, key=lambda part: (-abs(part.total), part.name)))
    moved = math.fsum(part.total for part in parts)
    scale = max(abs(value.value or 0) for value in (before, after))
    if not math.isclose(moved, found.difference, rel_tol=1e-6, abs_tol=1e-9 * max(scale, 1)):
        raise ConfigError(
            f"the slices of {kpi.name} by {dimension} do not add up to it: they moved by {moved:g}, it by "
            f"{found.difference:g}",
            value=kpi.name,
            fix="`cxflow kpis --recompute` computes it anew",
        )
    return found


def _slices(
    connection: Connection, kpi: Kpi, earlier: Period, later: Period, dimension: str
) -> dict[str, _Sums]:
    """Slice to its sums; those that are suppressed in a period are one."""
    values = read.cells(connection, later.grain, {earlier.start, later.start}, [kpi.name], dimension)
    known = {(each.dimension_value, each.period_start): each for each in values if each.n}
    sums: dict[str, _Sums] = {}
    for name in dict.fromkeys(name for name, _ in known):
        before, after = known.get((name, earlier.start)), known.get((name, later.start))
        is_hidden = any(each is not None and each.is_suppressed for each in (before, after))
        place = FEW if is_hidden else name
        sums[place] = sums.get(place, _NONE) + _sums(before, after)
    return sums


def _sums(before: KpiValue | None, after: KpiValue | None) -> _Sums:
    both = before, after
    return _Sums(
        _pair(*((each.numerator if each else None) for each in both)),
        _pair(*((each.denominator if each else None) for each in both)),
    )


def _part(name: str, sums: _Sums, whole: _Sums, factor: float | None) -> Part:
    if factor is None:  # a total, which is the sum of its slices
        before, after = sums.numerators
        return Part(name, (0, 0), (before, after), 0, after - before)
    weights = _pair(*(d / of for d, of in zip(sums.denominators, whole.denominators, strict=True)))
    rates = [factor * n / d if d else None for n, d in zip(sums.numerators, sums.denominators, strict=True)]
    before, after = (factor * n / of for n, of in zip(sums.numerators, whole.denominators, strict=True))
    mean = sum(factor * n / of for n, of in zip(whole.numerators, whole.denominators, strict=True)) / 2
    moved = after - before - (weights[1] - weights[0]) * mean
    rate = 0.0
    if rates[0] is not None and rates[1] is not None:
        rate = sum(weights) / 2 * (rates[1] - rates[0])
    return Part(name, weights, (rates[0], rates[1]), moved - rate, rate)


def _pair(one: float | None, other: float | None) -> tuple[float, float]:
    return one or 0.0, other or 0.0


def _added(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def _times(factor: float, of: tuple[float, float]) -> tuple[float, float]:
    return factor * of[0], factor * of[1]
