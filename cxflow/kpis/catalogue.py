"""The KPIs of a project: those of cxflow and those of its plugins."""

from __future__ import annotations

from cxflow.connect import registry
from cxflow.kpis import slicing
from cxflow.kpis.kpi import Kpi, checked
from cxflow.settings import Settings


def of_project(settings: Settings) -> dict[str, Kpi]:
    """All KPIs by name.

    Raises ConfigError for a declaration that is not a `Kpi`, and for a dimension in `[kpis]` that no KPI offers.
    """
    found = checked(registry.kpis(registry.of_project(settings)))
    slicing.check(found, settings)
    return found
