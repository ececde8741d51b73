"""From a published value to its components, to the events behind it, to the raw records in the landing zone.

The value is counted anew from the events that the warehouse holds now, and every step is checked against the one
before: the numbers add up, or `Trace.checks` says which do not, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from cxflow.errors import ConfigError
from cxflow.kpis import landed_events, left_out, read
from cxflow.kpis.behind import Behind, By, Sides
from cxflow.kpis.cell_values import cell_values
from cxflow.kpis.cells import Cut, named
from cxflow.kpis.estimators import Estimator
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.landed_events import Event, Place, Totals
from cxflow.kpis.periods import Period, Periods
from cxflow.kpis.publication import NOTHING, CellValue, slices_of
from cxflow.kpis.read import KpiValue
from cxflow.kpis.slices import Slices, capped
from cxflow.settings import Settings
from cxflow.warehouse.tables import pending_kpi


@dataclass(frozen=True, slots=True)
class Check:
    """Whether two numbers that must be equal are."""

    what: str
    """The two numbers, in words."""
    expected: float
    """The first one."""
    found: float
    """The second one."""
    why: str = ""
    """Why they differ, as far as it is known."""

    @property
    def adds_up(self) -> bool:
        """Whether they are equal, but for the order in which a database adds."""
        return math.isclose(self.expected, self.found, rel_tol=1e-9, abs_tol=1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A value and what it stands on."""

    value: KpiValue
    """As it is published."""
    left_out: Mapping[str, int]
    """Reason to the events left out for it."""
    events: Sequence[Event] | None
    """The first of them; None: this KPI's events cannot be listed one by one."""
    places: Sequence[Place]
    """Where they come from, the most events first; as many as were asked for."""
    more_places: int
    """How many further ones there are."""
    counts: Mapping[str, int]
    """events, customers, records and places: how many there are in all."""
    sides: Sides
    """Of a KPI that compares events with each other: each side to what its events come to."""
    checks: Sequence[Check]

    @property
    def adds_up(self) -> bool:
        """Whether all numbers add up."""
        return all(check.adds_up for check in self.checks)


def trace(
    connection: Connection,
    settings: Settings,
    kpi: Kpi,
    period: Period,
    by: By = None,
    rows: int = 10,
) -> Trace:
    """Trace the current value of a KPI in a period, of everything or of one slice, down to its raw records.

    `rows`: at most how many events and places are listed. Raises ConfigError if nothing is published for that cell.
    """
    estimator, zone = kpi.estimator(settings), ZoneInfo(settings.project.timezone)
    slices = slices_of(connection, kpi)
    value = published_value(connection, kpi, period, by, slices)
    now = _counted(connection, settings, kpi, estimator, period, by, slices)
    reasons = left_out.of_cell(connection, kpi, period, by, slices)
    checks = _of_published(value, now, sum(reasons.values()), _pending(connection, estimator))
    behind = estimator.behind
    if behind is None:
        return Trace(
            value=value,
            left_out=reasons,
            events=None,
            places=(),
            more_places=0,
            counts={},
            sides={},
            checks=checks,
        )
    traced = landed_events.traced(behind, period, by, slices, zone).subquery()
    places = landed_events.places(connection, traced)
    totals = landed_events.totals(connection, traced, behind)
    landed = [place for place in places if place.batch is not None]
    counts = {
        "events": sum(place.events for place in places),
        "customers": totals.customers,
        "records": sum(place.records for place in landed),
        "places": len(landed),
    }
    sides = {} if behind.side is None else landed_events.sides(connection, traced)
    checks += _of_events(behind, now, totals)
    checks += _of_sides(behind, now, sides)
    checks.append(
        Check(
            "events and those with a raw record",
            counts["events"],
            sum(place.events for place in landed),
            "the registry of source records does not know where the others were landed",
        )
    )
    return Trace(
        value=value,
        left_out=reasons,
        events=landed_events.listed(connection, traced, rows),
        places=places[:rows],
        more_places=max(len(places) - rows, 0),
        counts=counts,
        sides=sides,
        checks=checks,
    )


def _of_published(value: KpiValue, now: CellValue, left: int, why: str) -> list[Check]:
    """Whether what is published is what is counted now."""
    checks = [Check("events published and counted now", value.n, now.n, why)]
    if value.numerator is not None and now.numerator is not None:
        checks.append(Check("numerator published and counted now", value.numerator, now.numerator, why))
    elif value.value is not None and now.value is not None:
        checks.append(Check("value published and counted now", value.value, now.value, why))
    return [*checks, Check("events left out, and by reason", value.left_out or 0, left)]


def _of_events(behind: Behind, now: CellValue, totals: Totals) -> list[Check]:
    """Whether the events are those of the components."""
    checks = [
        Check("n and the customers of the events", now.n, totals.customers)
        if behind.is_per_customer
        else Check("n and the events that it counts", now.n, totals.counted)
    ]
    what, whole = ("value", now.value) if now.numerator is None else ("numerator", now.numerator)
    if behind.is_sum and whole is not None:
        checks.append(Check(f"{what} and what the events give", whole, totals.given))
    return checks


def _of_sides(behind: Behind, now: CellValue, sides: Sides) -> list[Check]:
    """Whether the sides are those of the components."""
    found = {} if behind.comes_to is None else behind.comes_to(sides)
    counted = {"numerator": now.numerator, "denominator": now.denominator, "value": now.value}
    return [
        Check(f"{what} and what the events give", whole, found[what])
        for what, whole in counted.items()
        if what in found and whole is not None
    ]


def published_value(connection: Connection, kpi: Kpi, period: Period, by: By, slices: Slices) -> KpiValue:
    """The current value of a cell. Raises ConfigError if there is none."""
    dimension, name = by or ("", "")
    found = read.cells(connection, period.grain, [period.start], [kpi.name], dimension)
    for each in found:
        if each.dimension_value == name and (each.n or each.left_out):
            if each.version != kpi.version:
                raise ConfigError(
                    f"{kpi.name} is published by version {each.version} of its formula, which is now {kpi.version}",
                    value=kpi.name,
                    fix="`cxflow run` computes it",
                )
            return each
    where = f" for {dimension}={name}" if by else ""
    known = ", ".join(sorted(each.dimension_value for each in found if each.n)) or None
    fix = (
        f"it has values for: {known}" if by and known else f"`cxflow kpis {kpi.name} --grain {period.grain}`"
    )
    if by and name in slices.get(dimension, ()):
        fix = "that slice has none in this period"
    if period.grain == "all" and "all" not in kpi.grains:
        fix = "name a period: --period 2026-03"
    raise ConfigError(f"{kpi.name} has no value of {period}{where}", value=str(period), fix=fix)


def _counted(
    connection: Connection,
    settings: Settings,
    kpi: Kpi,
    estimator: Estimator,
    period: Period,
    by: By,
    slices: Slices,
) -> CellValue:
    """The cell, counted from the events that the warehouse holds now."""
    zone = settings.project.timezone
    only = Periods({period.grain: frozenset({period.start})})
    spans = only.spans((period.grain,), ZoneInfo(zone), estimator.looks_back)
    starts = None if period.grain == "all" else (period.start,)
    dimension, name = by or ("", "")
    cut = Cut(period.grain, (dimension,) if by else (), zone, starts, spans, capped(slices))
    rows = connection.execute(named(estimator.cells(cut), cut)).all()
    found = cell_values(kpi, estimator, rows, settings.kpis.min_n)
    return found.get((period.grain, period.start, dimension, name), NOTHING)


def _pending(connection: Connection, estimator: Estimator) -> str:
    """Why a value may differ from what is counted now, in words."""
    p = pending_kpi.c
    days = connection.scalar(
        select(func.count(p.day.distinct())).where(p.table_name.in_(sorted(estimator.reach)))
    )
    if days:
        return f"loads changed {days:,} days since the last computation: `cxflow run` computes them"
    return "rows were changed by hand, or the settings since: `cxflow kpis --recompute` computes it anew"
