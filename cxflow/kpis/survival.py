"""The estimator of a median time to an event that has not come for all yet: Kaplan and Meier's.

Of ten cases, five answered within the hour and five without an answer for a week, the median of the answers says an
hour. Kaplan and Meier (1958) keep the others at risk for as long as they were watched: the share that still waits after
t is the product, over the times t′ ≤ t of events, of 1 − events at t′ ÷ those still watched at t′.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, case, cast, func, select

from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import KEY, Cut, cells, kept
from cxflow.kpis.estimators import Components, Estimate, OfFact
from cxflow.kpis.facts import Rows
from cxflow.kpis.intervals import Z

NOT_REACHED = "more than half still wait"
_HALF = math.log(0.5)
_EXACTLY = 1e-9
"""A product of shares that is one half may be off by the rounding of its logarithms."""


@dataclass(frozen=True)
class SurvivalMedian(OfFact):
    """The time after which half of the events are over, those counted that are not over yet.

    It lies half-way between two times if exactly half are over between them: without anything open it is the usual
    median. No value if more than half still wait. Its interval is Brookmeyer and Crowley's (1982), with Greenwood's
    variance on the scale log(−log S): the times at which the band of the curve crosses one half, null where it does
    not.
    """

    duration: ColumnElement[Any]
    """How long it took, or has been watched for: an expression over the columns of the fact, not negative."""
    is_over: ColumnElement[bool]
    """Whether it is over."""
    method = "Brookmeyer and Crowley's, log-log scale"
    indivisible = "the median of the whole does not follow from those of its slices"

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, self.duration)

    @property
    def _measure(self) -> ColumnElement[float]:
        """Both in one number, what is still open at or under −1; to three significant digits, so that the curve of a
        million events has a few thousand steps."""
        duration = cast(self.duration, Double)
        unit = func.power(10.0, func.floor(func.log(func.greatest(duration, 1e-9))) - 2, type_=Double)
        # Not `round`: of two numbers as near, PostgreSQL takes the even one, DuckDB the larger.
        rounded = func.floor(duration / unit + 0.5, type_=Double) * unit
        return case((self.is_over, rounded), else_=-1 - rounded)

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, measure=self._measure)

    def cells(self, cut: Cut) -> Rows:
        found = cells(
            self.counted, cut, measure=self._measure, per_measure=True, leaving=func.count()
        ).subquery()
        key = [found.c[name] for name in KEY]
        is_over = found.c.measure >= 0
        after = case((is_over, found.c.measure), else_=-1 - found.c.measure)
        # What is seen open until the very time of an event was at risk of it.
        from_last = (after.desc(), is_over)
        watched = func.sum(found.c.leaving).over(partition_by=key, order_by=from_last, rows=(None, 0))
        at_risk = select(
            *key,
            after.label("after"),
            is_over.label("is_over"),
            found.c.leaving.label("leaving"),
            cast(watched, Double).label("watched"),
        ).subquery()
        key = [at_risk.c[name] for name in KEY]
        over = case((at_risk.c.is_over, cast(at_risk.c.leaving, Double)), else_=0.0)
        stay = at_risk.c.watched - over
        # The last one's end leaves nobody: the logarithm of zero is further down than any that is asked for.
        step = case((stay > 0, func.ln(func.greatest(stay, 0.5) / at_risk.c.watched)), else_=-1e6)
        spread = case((stay > 0, over / (at_risk.c.watched * func.greatest(stay, 0.5))), else_=1e6)

        def so_far(term: ColumnElement[Any]) -> ColumnElement[Any]:
            return func.sum(term).over(partition_by=key, order_by=at_risk.c.after, rows=(None, 0))

        curve = select(
            *key,
            at_risk.c.after,
            at_risk.c.leaving,
            stay.label("stay"),
            so_far(step).label("log_share"),
            so_far(spread).label("variance"),
        ).subquery()
        return self._crossings(curve.c)

    def _crossings(self, point: Any) -> Rows:
        """For each cell, the times at which the curve and its band first are at one half, and under it."""
        log_share, after = point.log_share, point.after
        has_band = (log_share < 0) & (point.stay > 0)
        half = case((has_band, Z * func.sqrt(point.variance) / -func.least(log_share, -1e-300)), else_=0.0)
        below = case((point.stay > 0, log_share * func.exp(half)), else_=log_share)

        def first(condition: ColumnElement[bool]) -> ColumnElement[Any]:
            return func.min(after).filter(condition)

        found = {
            "n": func.sum(point.leaving),
            "at_half": first(log_share <= _HALF + _EXACTLY),
            "under_half": first(log_share < _HALF - _EXACTLY),
            "low": first(below <= _HALF),
            "high": first(has_band & (log_share * func.exp(-half) <= _HALF)),
        }
        key = [point[name] for name in KEY]
        return select(*key, *(each.label(name) for name, each in found.items())).group_by(*key)

    def estimate(self, components: Components) -> Estimate:
        n, at_half, under = (components[name] for name in ("n", "at_half", "under_half"))
        value = (at_half + np.where(np.isnan(under), at_half, under)) / 2
        notes = np.full(n.shape, None, dtype=object)
        notes[np.isnan(value)] = NOT_REACHED
        none = np.full_like(n, np.nan)
        return Estimate(n, none, none, none, none, value, components["low"], components["high"], notes)
