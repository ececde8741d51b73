"""Metrics of KPIs for BI tools: from the declarations to SQL over `mart_kpi`, so that no formula is written twice.

The published components of days add up. Over any days, and not only over those of a published period, the value of
a KPI is its factor × the sum of the numerators ÷ that of the denominators, or without a denominator the sum itself. A
KPI whose value does not follow from its parts (a quantile, a share of customers) has no such metric: `mart_kpi` has its
published values.
"""

from __future__ import annotations

from collections.abc import Mapping

from cxflow.duck import literal
from cxflow.kpis.kpi import Kpi
from cxflow.settings import Settings


def rolled_up(kpis: Mapping[str, Kpi], settings: Settings) -> dict[str, str]:
    """KPI to its value over the days that are selected, as SQL over `mart_kpi`."""
    found = {}
    for name, kpi in kpis.items():
        estimator = kpi.estimator(settings)
        if estimator.indivisible or "day" not in kpi.grains:
            continue
        numerator = _sum(name, "numerator")
        if estimator.divides:
            found[name] = f"{estimator.factor!r} * {numerator} / NULLIF({_sum(name, 'denominator')}, 0)"
        else:
            found[name] = numerator
    return found


def _sum(kpi: str, component: str) -> str:
    is_its = f"kpi = {literal(kpi)} AND grain = 'day' AND dimension = ''"
    return f"SUM(CASE WHEN {is_its} THEN {component} END)"
