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
    def where(self) -> str:
        """The condition on its rows."""
        return f"kpi = {literal(self.kpi)}"

    @property
    def sql(self) -> str:
        """The value of the selected rows, as an aggregate.

        Null where there is none: where rows of several grains or dimensions would count events twice, where every row
        is suppressed (a row that is not has the minimum n, and so has a sum with it), and where several rows cannot be
        added up.
        """
        rows = f"FILTER (WHERE {self.where})"
        if self.indivisible:
            return f"CASE WHEN COUNT(*) {rows} = 1 THEN MAX(value) {rows} END"
        value = f"SUM(numerator) {rows}"
        if not self.is_total:
            times = "" if self.factor == 1 else f"{self.factor:g} * "
            value = f"{times}{value} / NULLIF(SUM(denominator) {rows}, 0)"
        shown = f"COUNT(*) FILTER (WHERE {self.where} AND NOT is_suppressed) > 0"
        alike = " AND ".join(f"MIN({name}) {rows} = MAX({name}) {rows}" for name in ("grain", "dimension"))
        return f"CASE WHEN {shown} AND {alike} THEN {value} END"


def rollup(kpi: Kpi, settings: Settings, *, has_denominator: bool) -> Rollup:
    """How a KPI's values add up. `has_denominator`: whether its published values have one."""
    estimator = kpi.estimator(settings)
    return Rollup(kpi.name, estimator.factor, not has_denominator, estimator.indivisible)
