"""How the values of a KPI in `mart_kpi` add up, as SQL over its rows: from the KPI's estimator, which has the formula.

The numerators and denominators of most KPIs are sums over events, so the value of several periods or slices is factor ×
sum ÷ sum. Of the others (quantiles, customers, stocks) only the published value of one row can be shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxflow.duck import literal
from cxflow.kpis.kpi import Kpi
from cxflow.settings import Settings

TABLE = "mart_kpi"


@dataclass(frozen=True, slots=True)
class Rollup:
    """How rows of one KPI become one value."""

    kpi: str
    factor: float
    """The value is this × numerator ÷ denominator."""
    is_total: bool
    """Whether its numerator is the value: it has no denominator."""
    indivisible: str
    """Why rows cannot be added up; empty: they can."""

    @property
    def sql(self) -> str:
        """The value of the selected rows, as an aggregate."""
        return self.sql_over("")

    def sql_over(self, table: str) -> str:
        """The same, with columns written as those of a table.

        Null where there is none: where rows of several grains or dimensions would count events twice, where every row
        is suppressed (a row that is not has the minimum n, and so has a sum with it), and where several rows cannot be
        added up.
        """
        of = f"{table}." if table else ""
        where = f"{of}kpi = {literal(self.kpi)}"
        rows = f"FILTER (WHERE {where})"
        if self.indivisible:
            return f"CASE WHEN COUNT(*) {rows} = 1 THEN MAX({of}value) {rows} END"
        value = self.value(f"SUM({of}numerator) {rows}", f"SUM({of}denominator) {rows}")
        shown = f"COUNT(*) FILTER (WHERE {where} AND NOT {of}is_suppressed) > 0"
        names = (f"{of}grain", f"{of}dimension")
        alike = " AND ".join(f"MIN({name}) {rows} = MAX({name}) {rows}" for name in names)
        return f"CASE WHEN {shown} AND {alike} THEN {value} END"

    def value(self, numerator: str, denominator: str) -> str:
        """The SQL of the value, from that of both sums."""
        if self.is_total:
            return numerator
        times = "" if self.factor == 1 else f"{self.factor:g} * "
        return f"{times}{numerator} / NULLIF({denominator}, 0)"


def rollup(kpi: Kpi, settings: Settings) -> Rollup:
    """How a KPI's values add up."""
    estimator = kpi.estimator(settings)
    return Rollup(kpi.name, estimator.factor, not estimator.divides, estimator.indivisible)
