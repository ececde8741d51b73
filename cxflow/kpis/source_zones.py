"""The time zone of each source: a day that a shop promises is one of its own days, wherever the report is read."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, case

from cxflow.kpis.cells import local_day
from cxflow.settings import Settings


def zones(settings: Settings) -> dict[str, str]:
    """Connection to its time zone, where it sets another one than the project's. For `Kpi.depends_on`, too."""
    set_ = {name: tree.get("timezone") for name, tree in sorted(settings.connections.items())}
    return {name: str(zone) for name, zone in set_.items() if zone and zone != settings.project.timezone}


def day_at_source(
    at: ColumnElement[Any], source: ColumnElement[str], settings: Settings
) -> ColumnElement[Any]:
    """The local date of an instant in the zone of its source, or else in the project's."""
    found = sorted(zones(settings).items(), key=lambda pair: pair[1])
    elsewhere = [
        (source.in_([name for name, _ in pairs]), local_day(at, zone))
        for zone, pairs in groupby(found, key=lambda pair: pair[1])
    ]
    here = local_day(at, settings.project.timezone)
    return case(*elsewhere, else_=here) if elsewhere else here
