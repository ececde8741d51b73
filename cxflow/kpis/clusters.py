"""What several events of one customer do to an interval.

Somebody who calls ten times tells less than ten people who call once. The events of one customer are a cluster; the
design effect (Kish 1965) is how many times larger the variance of a value is than if all its events were independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cxflow.kpis import intervals
from cxflow.kpis.cells import GROUPS
from cxflow.kpis.intervals import TAIL, Array, Notes

COMPONENTS = (
    "known",
    "known_numerator",
    "customers",
    "squares_of_customers",
    "cubes_of_customers",
    "sizes_of_customers",
    "is_grouped",
)
"""What the database sums up over the customers of a cell."""

_PRIOR_CUSTOMERS = 2.0
"""So many customers count for the belief that all events of a customer are alike; the customers who differ in the data
count against it. Without it, few hits would pass for independent ones: `tests/kpis/cluster_coverage.py`."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The customers of each cell, whose value is the sum of y ÷ the sum of n over their events: one element per
    cell."""

    n: Array
    """Observations."""
    alone: Array
    """Of them, those without a known customer, which are taken for independent."""
    units: Array
    """Customers, or random groups of them."""
    squares: Array
    """Sum over the customers of (their y − their common value × their n)²."""
    cubes: Array
    """Sum of the cubes."""
    sizes: Array
    """Sum over the customers of n²."""
    customers: Array
    """How many there are, each event without a known customer counted as one; at least so many where it is grouped."""
    unknown: Array
    """The part of y that is of no known customer."""
    is_grouped: Array
    """Whether a day had too many customers to keep each: 1 or 0."""

    @classmethod
    def of(cls, components: Mapping[str, Array]) -> Clusters:
        """The customers of some cells; without such components, each observation is somebody else's."""
        n = components["n"]
        if "known" not in components:
            none = np.zeros_like(n)
            return cls(n, n, n, none, none, none, n, components.get("numerator", none), none)
        known, numerator, found, squares, cubes, sizes, is_grouped = (
            np.nan_to_num(components[name]) for name in COMPONENTS
        )
        alone = n - known
        # Of customers who were dealt at random to the groups, the sums of a group vary as those of its customers do.
        dealt = np.where(is_grouped > 0, GROUPS / (GROUPS - 1), 1.0)
        in_groups = np.maximum((sizes - known**2 / GROUPS) * dealt, known)
        return cls(
            n=n,
            alone=alone,
            units=np.where(is_grouped > 0, GROUPS, found + alone),
            squares=squares * dealt,
            cubes=cubes,
            sizes=np.where(is_grouped > 0, in_groups, sizes),
            customers=found + alone,
            unknown=components["numerator"] - numerator,
            is_grouped=is_grouped,
        )

    @property
    def most(self) -> Array:
        """The design effect if all events of each customer were alike."""
        found: Array = np.maximum((self.sizes + self.alone) / np.maximum(self.n, 1), 1)
        return found

    @property
    def several(self) -> Array:
        """So many customers with equal numbers of events would say as much; at least 2."""
        found: Array = np.maximum(np.minimum(self.n / self.most, self.units), 2)
        return found

    def between(self, spread: Array) -> Array:
        """The sum of squares of customers, of which the variance of the value follows as that of a mean does from the
        squared deviations of its events (`spread`)."""
        units, n = np.maximum(self.units, 2), np.maximum(self.n, 1)
        found: Array = self.squares * units / (units - 1) * (n - 1) / n + self.alone / n * spread
        return found

    def effect(self, spread: Array, furthest: Array) -> Array:
        """The design effect, at least 1; n ÷ it is how many independent events say as much.

        `spread`: the sum of the events' squared deviations from their mean; `furthest`: how far an event can lie from
        it. Where few customers differ from the others, their number says little of how alike the events of one are.
        The quantile of Student's t for the number of customers is part of it.
        """
        most, n = self.most, np.maximum(self.n, 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = np.where(spread > 0, self.between(spread) / spread, 1.0)
            differing = np.nan_to_num(spread / furthest**2) / most
        found = (differing * np.maximum(seen, 1) + _PRIOR_CUSTOMERS * most) / (differing + _PRIOR_CUSTOMERS)
        found *= _widened(self.several, n)
        is_single = most < 1 + 1e-9
        return np.where(is_single, 1.0, np.clip(found, 1, n))

    def effect_of_rate(self, events: Array) -> Array:
        """The design effect of a rate, whose number of events would be Poisson's if they were independent."""
        units = np.maximum(self.units, 2)
        squares = self.squares * units / (units - 1) + self.unknown
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.maximum(np.nan_to_num(squares / events, nan=1.0), 1)
        several = np.maximum(np.minimum(events / found, self.several), 2)
        widened = found * _widened(several, np.maximum(events, 2))
        return np.where(found > 1, np.clip(widened, 1, np.maximum(events, 1)), 1.0)

    def effect_of_mean(self, spread: Array) -> Array:
        """The design effect of a mean, at least 1, without a quantile."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.nan_to_num(self.between(spread) / spread, nan=1.0, posinf=1.0)
        return np.where(self.most < 1 + 1e-9, 1.0, np.maximum(found, 1))

    def skewed(self, mean: Array, spread: Array, skew: Array) -> tuple[Array, Array, Notes]:
        """The interval of a mean of measures that may be skewed: the wider of those over events and over customers, at
        each end, and none where either has none.

        `spread` and `skew`: the sums of squared and cubed deviations of the events.
        """
        low, high, notes = intervals.skewed(mean, spread, skew, self.n)
        per_unit = self.n / self.several
        alone = self.alone / np.maximum(self.n, 1)
        wide_low, wide_high, why = intervals.skewed(
            mean,
            self.between(spread) / per_unit**2,
            (self.cubes + alone * skew) / per_unit**3,
            self.several,
        )
        is_shared = self.most >= 1 + 1e-9
        low = np.where(is_shared, np.minimum(low, wide_low), low)
        high = np.where(is_shared, np.maximum(high, wide_high), high)
        is_told = is_shared & np.equal(notes, None)  # type: ignore[call-overload]
        return low, high, np.where(is_told, why, notes)

    def rate(self, events: Array) -> tuple[Array, Array, Array]:
        """The interval of a rate, events ÷ n, and its design effect: Garwood's of the events that would say as much if
        they were independent, or Hall's over customers where that is wider."""
        effect = self.effect_of_rate(events)
        low, high = (end * effect / self.n for end in intervals.garwood(events / effect))
        per_unit = self.n / self.several
        squares = (self.squares + self.unknown) / per_unit**2
        cubes = (self.cubes + self.unknown) / per_unit**3
        wide_low, wide_high, _ = intervals.skewed(events / self.n, squares, cubes, self.several)
        is_shared = effect > 1
        low = np.where(is_shared, np.fmin(low, wide_low), low)
        return np.maximum(low, 0), np.where(is_shared, np.fmax(high, wide_high), high), effect


def _widened(several: Array, n: Array) -> Array:
    """How much more variance an interval has to allow for, whose Student's t is that of `several` customers instead of
    that of `n` events."""
    from scipy.special import stdtrit

    ratio: Array = stdtrit(several - 1, 1 - TAIL) / stdtrit(n - 1, 1 - TAIL)
    return ratio**2
