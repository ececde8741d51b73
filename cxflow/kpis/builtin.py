"""The built-in plugin that brings the KPIs of this package, through the same hook as any plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxflow.hookspecs import hookimpl

if TYPE_CHECKING:
    from cxflow.kpis.kpi import Kpi


@hookimpl
def cxflow_kpis() -> tuple[Kpi, ...]:
    """The built-in KPIs; imported, with NumPy, by the commands that ask for KPIs."""
    from cxflow.kpis.declared import KPIS

    return KPIS
