"""What the plugin contract knows of a KPI; its formula belongs to `kpis`."""

from __future__ import annotations

from typing import Protocol


class KpiDeclaration(Protocol):
    """A KPI as a plugin hands it over: `kpis.kpi.Kpi` is one."""

    @property
    def name(self) -> str:
        """Unique among all KPIs."""

    @property
    def title(self) -> str:
        """For people."""
