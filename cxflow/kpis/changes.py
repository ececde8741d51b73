"""What changed between two periods: differences of published values, corrected for how many are compared.

The command line and the report call it. Only published values are read; nothing but differences is computed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from cxflow.kpis.experience.net import RESTING_ON_JUDGED_SHARE
from cxflow.kpis.intervals import TAIL
from cxflow.kpis.periods import Grain
from cxflow.kpis.read import KpiValue
from cxflow.warehouse.tables import kpi_definition

FALSE_CHANGES = 0.05
"""Of the differences that are called changes, at most this share is chance, on average. Where nothing changed at all,
that is the share of scans that call anything."""
MOST_APART = 0.10
"""Net experiences are not compared where the shares of judged touchpoints differ by more."""

Cell = tuple[Grain, date, str, str]
"""Grain, first day, dimension and its value."""
Pair = tuple[KpiValue | None, KpiValue | None]
"""The values of one KPI and slice in the earlier and in the later period; None: nothing was published."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two values, in the KPI's unit."""

    difference: float
    """Later − earlier."""
    low: float
    """The lower end of its 95 % interval."""
    high: float
    """The upper end."""
    p_value: float
    """How likely a difference as large is by chance alone: under 0.05 exactly where the interval excludes zero."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values of a KPI, compared or not."""

    earlier: KpiValue | None
    later: KpiValue | None
    change: Change | None = None
    """None if they are not compared."""
    is_called: bool = False
    """Whether it is called a change: the interval of the difference excludes zero, also after the correction for all
    comparisons of the scan."""
    why_not: str = ""
    """Why they are not compared, in a few words; empty if they are."""


def difference(earlier: KpiValue, later: KpiValue) -> Change | None:
    """The difference between two independent values; None if either has no value or no interval.

    Each end of its interval is the difference ± the root of the summed squares of the two distances from value to
    interval end that push it that way. For shares this is Newcombe's hybrid score interval (1998, method 10); for the
    others it is the same method, by Zou and Donner (2008), which for symmetric intervals is the root of the summed
    squares of the half widths.

    The p-value is read off the same interval: the distance from the difference to the end on zero's side counts as the
    97.5 % point of Student's t, with the degrees of freedom that Satterthwaite (1946) gives two estimates.
    """
    ends = (earlier.value, earlier.ci_low, earlier.ci_high, later.value, later.ci_low, later.ci_high)
    if any(end is None for end in ends):
        return None
    before, before_low, before_high, after, after_low, after_high = (
        float(end) for end in ends if end is not None
    )
    found = after - before
    down = after - after_low, before_high - before
    up = after_high - after, before - before_low
    to_zero = down if found > 0 else up
    p = _p_value(found, to_zero, (_observations(later), _observations(earlier)))
    return Change(found, found - math.hypot(*down), found + math.hypot(*up), p)


def _observations(value: KpiValue) -> float:
    """How many independent observations a value stands on, as far as it is known."""
    known = (value.n, value.customers, value.effective_n)
    return min(float(each) for each in known if each is not None)


def _p_value(found: float, to_zero: tuple[float, float], observations: tuple[float, float]) -> float:
    from scipy.special import stdtr, stdtrit

    half = math.hypot(*to_zero)
    if half == 0:
        return 1.0 if found == 0 else 0.0
    # Each variance is that of a mean with one degree of freedom less than it has observations.
    parts = [(side / half) ** 4 / max(n - 1, 1) for side, n in zip(to_zero, observations, strict=True)]
    freedom = 1 / sum(parts)
    distance = abs(found) / half * stdtrit(freedom, 1 - TAIL)
    return float(2 * stdtr(freedom, -distance))


def compare(
    pairs: Sequence[Pair],
    *,
    most_left_out: float,
    judged_shares: Mapping[Cell, KpiValue],
    growing: Collection[str] = (),
) -> list[Comparison]:
    """Compare pairs of values, and call changes among them by Benjamini and Hochberg's procedure (1995).

    `most_left_out`: values that leave out a larger share of their events are not compared. `judged_shares`: the values
    of `judged_share` in the same cells. `growing`: KPIs whose values still grow after their period.
    """
    found = []
    for earlier, later in pairs:
        why_not = _why_not(earlier, later, most_left_out, judged_shares, growing)
        change = difference(earlier, later) if earlier and later and not why_not else None
        found.append(Comparison(earlier, later, change, why_not=why_not))
    limit = _limit([each.change.p_value for each in found if each.change is not None])
    return [_called(each, limit) for each in found]


def _called(one: Comparison, limit: float) -> Comparison:
    change = one.change
    if change is None or change.p_value > limit or change.low <= 0 <= change.high:
        return one
    return Comparison(one.earlier, one.later, change, is_called=True)


def _limit(p_values: Sequence[float]) -> float:
    """The largest p-value to call a change: the last, in ascending order, under its place's part of FALSE_CHANGES."""
    ordered = sorted(p_values)
    called = [p for place, p in enumerate(ordered, 1) if p <= FALSE_CHANGES * place / len(ordered)]
    return max(called, default=-1.0)


def _why_not(
    earlier: KpiValue | None,
    later: KpiValue | None,
    most_left_out: float,
    judged_shares: Mapping[Cell, KpiValue],
    growing: Collection[str],
) -> str:
    """Why two values cannot be compared; empty if they can."""
    if earlier is None or later is None or not (earlier.n and later.n):
        return "nothing to count in one of the periods"
    both = earlier, later
    if later.kpi in growing:
        return "values still grow after their period"
    if earlier.version != later.version:
        return "formulas of different versions"
    if not all(map(_is_whole, both)):
        return "a period that is not complete"
    if any(each.is_suppressed for each in both):
        return "too few observations in one of the periods"
    if any((each.left_out or 0) > most_left_out * (each.n + (each.left_out or 0)) for each in both):
        return f"more than {most_left_out:.0%} of the events left out"
    if any(each.denominator is None and each.numerator is not None for each in both):
        return "totals, which follow the length of the period"
    if later.kpi in RESTING_ON_JUDGED_SHARE and not _are_judged_alike(earlier, later, judged_shares):
        return f"judged shares over {100 * MOST_APART:.0f} points apart"
    if any(None in (each.value, each.ci_low, each.ci_high) for each in both):
        return "no interval"
    return ""


def _is_whole(value: KpiValue) -> bool:
    """Whether a value is that of a whole period, and not of the part that is over or delivered so far."""
    return not value.is_open


def _are_judged_alike(earlier: KpiValue, later: KpiValue, judged_shares: Mapping[Cell, KpiValue]) -> bool:
    """Whether the shares of judged touchpoints are known of both, and close to each other."""
    one, other = (judged_shares.get(cell_of(each)) for each in (earlier, later))
    shares = [each.value if each else None for each in (one, other)]
    known = [share for share in shares if share is not None]
    return len(known) == 2 and abs(known[0] - known[1]) <= MOST_APART


def cell_of(value: KpiValue) -> Cell:
    """The period and slice of a value."""
    return value.grain, value.period_start, value.dimension, value.dimension_value


def growing(connection: Connection) -> set[str]:
    """The KPIs whose values still grow after their period is over, by their newest formula: of orders with a return
    *so far*, those of the last period have had the least time for one."""
    t = kpi_definition.c
    newest = {
        row.kpi: row.formula for row in connection.execute(select(t.kpi, t.formula).order_by(t.version))
    }
    return {kpi for kpi, formula in newest.items() if still_grows(formula)}


def still_grows(formula: str) -> bool:
    """Whether a formula counts something *so far*."""
    return "so far" in formula
