"""The plugin contract's view of a KPI. Its formula belongs to `kpis`."""

from __future__ import annotations

from typing import Protocol


class KpiDeclaration(Protocol):
    """A KPI as a plugin provides it: a `kpis.kpi.Kpi`."""

    @property
    def name(self) -> str:
        """Unique among all KPIs."""

    @property
    def title(self) -> str:
        """The display name."""
