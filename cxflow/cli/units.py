"""Writes numbers of KPIs with their units."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxflow.kpis.kpi import Kpi


def with_unit(number: float | None, kpi: Kpi | None, currency: str) -> str | None:
    """A number with its KPI's unit."""
    if number is None:
        return None
    if kpi is None:
        return f"{number:,.2f}"
    unit = kpi.unit
    match kpi.unit:
        case "share":
            number, unit = 100 * number, "%"
        case "points":
            unit = ""
        case "seconds":
            unit = "s"
        case "minutes":
            number, unit = (number, "min") if number < 180 else (number / 60, "h")
        case "project currency":
            unit = currency
    return f"{number:,.{kpi.shown_decimals}f} {unit}".rstrip()
