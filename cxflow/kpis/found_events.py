"""The events of additive KPIs, found once and stored: a KPI reads its events several times, and many KPIs count parts
of the same fact."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import ClauseElement, ColumnClause, Connection, FromClause, select

from cxflow.kpis import days, shared
from cxflow.kpis.cells import Cut, kept
from cxflow.kpis.estimators import Additive, Estimator
from cxflow.kpis.facts import Fact
from cxflow.kpis.periods import Periods

_NAME = "kpi_found"

DaysOf = Callable[[Periods], Cut]
"""Makes the cut of the days of some periods."""


class FoundEvents:
    """Stores the events of one fact at a time, in a temporary table: consecutive KPIs share it."""

    def __init__(self, connection: Connection, estimators: Iterable[Estimator]) -> None:
        self._connection = connection
        self._of_whole: dict[int, list[Additive]] = {}
        """A whole to the estimators that count it, or parts of it."""
        for each in estimators:
            if isinstance(each, Additive):
                self._of_whole.setdefault(id(each.counted.whole), []).append(each)
        self._of: Fact | None = None
        self._cut: Cut | None = None
        self._stored: shared.Stored | None = None

    def find(self, estimator: Additive, periods: Periods, days_of: DaysOf) -> FromClause | None:
        """What a KPI counts in some periods, stored; None if it is read once, and so not worth storing."""
        counted, cut = estimator.counted, days_of(periods)
        several = self._of_whole.get(id(counted.whole), [estimator])
        # What all of them count, or the whole of which they count parts.
        is_one = all(each is estimator or each.counted is counted for each in several)
        fact = counted if is_one else counted.whole
        if fact is not self._of or cut != self._cut:
            self.forget()
            if len(several) < 2 and not fact.looks_around and not estimator.over_customers:
                return None
            # Without dimensions: the slices are stored for themselves.
            whole = replace(cut, dimensions=())
            columns = {"customer_id"}.union(*(_named(each.cells(whole)) for each in several))
            pieces = days.pieces(self._connection, fact, cut.zone, periods)
            by_customer = any(each.over_customers for each in several)
            rows = (
                kept(fact, (days_of(piece),), columns=columns, with_hashes=by_customer) for piece in pieces
            )
            self._stored = shared.store_all(self._connection, rows, _NAME)
            self._of, self._cut = fact, cut
        return self.of(counted, cut)

    def of(self, fact: Fact, cut: Cut) -> FromClause | None:
        """The events of a fact for a cut of days, if they are stored."""
        if self._stored is None or cut != self._cut:
            return None
        rows = self._stored.rows
        if fact is self._of:
            return rows
        if fact.whole is self._of and _named(fact.condition) <= set(rows.c.keys()):
            return select(rows).where(fact.condition).subquery()
        return None

    def forget(self) -> None:
        """Drop what is stored."""
        if self._stored is not None:
            self._stored.drop()
        self._of = self._cut = self._stored = None


def _named(element: ClauseElement) -> set[str]:
    """The columns that a SELECT or a condition names without a table, as it names those of a fact."""
    names: set[str] = set()
    met: set[ClauseElement] = set()
    left: list[Any] = [element]
    # Not `visitors.iterate`, which walks a shared part once for each that has it.
    while left:
        each = left.pop()
        if each in met:
            continue
        met.add(each)
        if isinstance(each, ColumnClause) and each.table is None:
            names.add(each.name)
        left += each.get_children()
    return names
