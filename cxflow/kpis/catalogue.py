"""The KPIs of a project: those of cxflow and those of its plugins."""

from __future__ import annotations

from dataclasses import replace

from cxflow.connect import registry
from cxflow.kpis import slicing
from cxflow.kpis.kpi import Kpi, checked
from cxflow.settings import Settings


def of_project(settings: Settings) -> dict[str, Kpi]:
    """All KPIs by name, each with its estimator under these settings: made once, its SQL is built once.

    Raises ConfigError for a declaration that is not a `Kpi`, and for a dimension in `[kpis]` that no KPI offers.
    """
    declared = checked(registry.kpis(registry.of_project(settings)))
    found = {name: replace(kpi, of=kpi.estimator(settings)) for name, kpi in declared.items()}
    slicing.check(found, settings)
    return found
