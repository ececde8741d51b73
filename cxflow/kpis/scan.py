"""Scans the KPIs for changes: the last complete period of each against the one before, or a year before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from cxflow.kpis import read
from cxflow.kpis.changes import Comparison, Pair, cell_of, compare, growing
from cxflow.kpis.experience.net import JUDGED_SHARE, RESTING_ON_JUDGED_SHARE
from cxflow.kpis.periods import Grain, Period


@dataclass(frozen=True, slots=True)
class Scan:
    """All comparisons of one scan."""

    grain: Grain
    """How long the compared periods are."""
    comparisons: tuple[Comparison, ...]
    """Ordered by KPI and slice."""

    @property
    def compared(self) -> int:
        """How many differences the correction is for."""
        return sum(each.change is not None for each in self.comparisons)

    @property
    def called(self) -> list[Comparison]:
        """Those that are called changes."""
        return [each for each in self.comparisons if each.is_called]


def scan(
    connection: Connection,
    *,
    kpi: str | None = None,
    grain: Grain | None = None,
    by: str | None = None,
    period: Period | None = None,
    until: date | None = None,
    year_ago: bool = False,
    as_of: datetime | None = None,
    most_left_out: float,
) -> Scan:
    """Compare the last complete period of each KPI, or of one, with the one before, or with the same a year ago.

    `by` compares the slices of a dimension instead of the whole. Without a grain: months or, where no KPI has two that
    are complete, weeks or days. `period`: this one instead of the last complete one. `until` (exclusive): the last
    complete one that ends by then. `as_of`: values as they were published at that instant.
    """
    if period is not None:
        return _scanned(connection, period.grain, kpi, by, period, year_ago, as_of, most_left_out)
    grains: tuple[Grain, ...] = (grain,) if grain else ("month", "week", "day")
    for each in grains:
        found = _scanned(connection, each, kpi, by, until, year_ago, as_of, most_left_out)
        if found.compared:
            break
    return found


def _scanned(
    connection: Connection,
    grain: Grain,
    kpi: str | None,
    by: str | None,
    which: Period | date | None,
    year_ago: bool,
    as_of: datetime | None,
    most_left_out: float,
) -> Scan:
    wanted = None if kpi is None else {kpi, *([JUDGED_SHARE] if kpi in RESTING_ON_JUDGED_SHARE else [])}
    last: dict[str, date] = {}
    if not isinstance(which, Period):
        last = read.last_complete(connection, grain, wanted, which, as_of)
        starts = set(last.values())
    else:
        starts = {which.start}

    def reference(start: date) -> date:
        here = Period(grain, start)
        return (here.year_ago if year_ago else here.before).start

    every = starts | {reference(start) for start in starts}
    values = read.cells(connection, grain, every, wanted, by or "", as_of)
    known = {(each.kpi, each.dimension_value, each.period_start): each for each in values}
    pairs: list[Pair] = []
    for name, slice_ in dict.fromkeys((each.kpi, each.dimension_value) for each in values):
        start = which.start if isinstance(which, Period) else last.get(name)
        if start is None or kpi not in (None, name):
            continue
        pair = known.get((name, slice_, reference(start))), known.get((name, slice_, start))
        if any(each is not None and each.n for each in pair):
            pairs.append(pair)
    shares = {cell_of(each): each for each in values if each.kpi == JUDGED_SHARE}
    compared = compare(pairs, most_left_out=most_left_out, judged_shares=shares, growing=growing(connection))
    return Scan(grain, tuple(compared))
