"""Models of customers who buy until they silently stop: how often they will buy, and for how much.

BG/NBD (Fader, Hardie and Lee 2005, "Counting your customers" the easy way): while active, a customer buys at a rate of
their own, gamma-distributed over customers, and stops after each purchase with a probability of their own, which is
beta-distributed. Gamma–gamma (Fader, Hardie and Lee 2005, "RFM and CLV"): what a customer spends varies around a mean
of their own, whose scale is gamma-distributed over customers. Both are fitted by maximum likelihood.

scipy is imported inside the functions that need it, because importing it takes longer than a small run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cxflow.kpis.intervals import Array

_TOLERANCE = 1e-10
_MOST_STEPS = 4000
_FURTHEST = 20.0
"""How far from 0 the logarithm of a parameter is looked for."""
_TOLD = (-10.0, 10.0)
"""Between which the logarithm of a parameter is, if the data tell it."""
_MOST_ALIKE = 3000.0
"""The largest `b`: with more, customers are as alike in stopping as they can be seen to be."""


class NotFittedError(ValueError):
    """The data do not determine the parameters of a model."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """How often customers buy."""

    r: float
    """Shape of the rates of buying."""
    alpha: float
    """Their scale: the mean rate of an active customer is r ÷ alpha per unit of time."""
    a: float
    """First shape of the probabilities to stop after a purchase, whose mean is a ÷ (a + b)."""
    b: float
    """Second shape of these."""

    @classmethod
    def fit(cls, repeats: Array, recency: Array, age: Array) -> BgNbd:
        """Fit to customers. `repeats`: purchases after the first; `recency`: time from the first to the last; `age`:
        time from the first one to now; both in one unit. Raises NotFittedError if nobody came back."""
        if not (repeats > 0).any():
            raise NotFittedError("nobody has bought twice")
        seen, customers = np.unique(np.stack([repeats, recency, age]), axis=1, return_counts=True)
        unit = float(age.max())
        x, last, until = seen[0], seen[1] / unit, seen[2] / unit

        def loss(r: float, alpha: float, odds: float, b: float) -> float:
            from scipy.special import betaln, gammaln

            a, b = _shapes(odds, b)
            shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
            alive = -(r + x) * np.log(alpha + until)
            gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last)
            either = np.logaddexp(alive, np.where(x > 0, gone, -np.inf))
            return -float(customers @ (shared + either) / len(age))

        # In a young shop, hardly anybody may seem to stop. Then the odds are next to nothing, and nothing tells `b`.
        untold = ((-np.inf, _TOLD[1]), (-np.inf, np.inf))
        starts = [(1.0, 1.0, odds, 1.0) for odds in (1.0, 0.1, 0.001)]
        r, alpha, odds, b = _least(loss, starts, (_TOLD, _TOLD, *untold))
        return cls(r, alpha * unit, *_shapes(odds, b))

    def alive(self, repeats: Array, recency: Array, age: Array) -> Array:
        """The probability that a customer has not stopped yet."""
        found: Array = 1 / (1 + self._odds_of_gone(repeats, recency, age))
        return found

    def expected(self, ahead: float, repeats: Array, recency: Array, age: Array) -> Array:
        """How many more purchases to expect of each customer in the time `ahead`."""
        from scipy.special import hyp2f1

        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        passed = ahead / (alpha + age + ahead)
        series = hyp2f1(r + repeats, b + repeats, a + b + repeats - 1, passed)
        share = 1 - (1 - passed) ** (r + repeats) * series
        found: Array = (a + b + repeats - 1) / (a - 1) * share * self.alive(repeats, recency, age)
        return found

    def _odds_of_gone(self, repeats: Array, recency: Array, age: Array) -> Array:
        longer = ((self.alpha + age) / (self.alpha + recency)) ** (self.r + repeats)
        return np.where(repeats > 0, self.a / (self.b + np.maximum(repeats, 1) - 1) * longer, 0.0)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """For how much customers buy."""

    p: float
    """Shape of the amounts of one customer."""
    q: float
    """Shape of the scales over customers."""
    v: float
    """Scale of the scales; the mean over customers is p × v ÷ (q − 1)."""

    @classmethod
    def fit(cls, purchases: Array, mean: Array) -> GammaGamma:
        """Fit to customers with at least one purchase that counts: how many, and for how much on average, above 0.
        Raises NotFittedError without such customers, and if they spend all alike or too unlike to have a mean."""
        if len(mean) == 0 or np.ptp(mean) <= 1e-9 * mean.max():
            raise NotFittedError("no amounts that differ")
        unit = float(mean.mean())
        x, m = purchases, mean / unit

        def loss(p: float, q: float, v: float) -> float:
            from scipy.special import betaln

            found = q * np.log(v) - betaln(p * x, q) + (p * x - 1) * np.log(m) + p * x * np.log(x)
            found -= (p * x + q) * np.log(x * m + v)
            return -float(found.mean())

        p, q, v = _least(loss, [(1.0, 2.0, 1.0)], (_TOLD,) * 3)
        if q <= 1:
            raise NotFittedError("amounts so unlike that their mean is not known")
        return cls(p, q, v * unit)

    def expected(self, purchases: Array, mean: Array) -> Array:
        """What to expect of each customer's next purchase; of one without a purchase that counts, as of all."""
        total = np.where(purchases > 0, purchases * mean, 0.0)
        found: Array = self.p * (self.v + total) / (self.p * purchases + self.q - 1)
        return found


def _shapes(odds: float, b: float) -> tuple[float, float]:
    """`a` and `b` of BgNbd, from the odds of their mean."""
    b = min(b, _MOST_ALIKE)
    return odds * b, b


def _least(
    loss: Callable[..., float],
    starts: Sequence[tuple[float, ...]],
    told: Sequence[tuple[float, float]],
) -> tuple[float, ...]:
    """The positive parameters for which the loss is least, looked for from several starts: from one alone, a lesser
    minimum may be found. Raises NotFittedError if there are none, or if the logarithm of one is not where the data tell
    it."""
    from scipy.optimize import minimize

    def of_logarithms(logarithms: Array) -> float:
        with np.errstate(all="ignore"):
            found = loss(*np.exp(np.clip(logarithms, -_FURTHEST, _FURTHEST)))
        return found if np.isfinite(found) else 1e12

    options = {"maxiter": _MOST_STEPS, "maxfev": _MOST_STEPS, "xatol": 1e-7, "fatol": _TOLERANCE}
    all_found = [
        minimize(of_logarithms, np.log(start), method="Nelder-Mead", options=options) for start in starts
    ]
    found = min(all_found, key=lambda each: float(each.fun))
    is_told = all(low <= each <= high for each, (low, high) in zip(found.x, told, strict=True))
    if not (found.success and is_told):
        raise NotFittedError("too few customers who came back to tell")
    return tuple(float(each) for each in np.exp(np.clip(found.x, -_FURTHEST, _FURTHEST)))
