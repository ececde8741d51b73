"""From a published value to its components, to the events behind it, to the raw records in the landing zone.

The value is counted anew from the events that the warehouse holds now, and every step is checked against the one
before: the numbers add up, or `Trace.checks` says which do not, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, func, literal, null, select

from cxflow.errors import ConfigError
from cxflow.kpis import left_out, read
from cxflow.kpis.cell_values import cell_values
from cxflow.kpis.cells import Cut
from cxflow.kpis.estimators import Behind, Estimator
from cxflow.kpis.facts import FROM_RECORD, FROM_STREAM, Rows
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.periods import Period, Periods
from cxflow.kpis.publication import NOTHING, CellValue, slices_of
from cxflow.kpis.read import KpiValue
from cxflow.kpis.slices import OTHER, Slices, capped, published_name
from cxflow.settings import Settings
from cxflow.warehouse.tables import order_header, pending_kpi, source_record, support_case, touchpoint


@dataclass(frozen=True, slots=True)
class Event:
    """One event behind a value: a row of a canonical table, and the raw record that it was made from."""

    at: datetime
    """When it happened, as the KPI dates it."""
    gives: float | str | None
    """Its part of the numerator or, of a quantile, its measure; None: nothing but that it is there."""
    customer_id: str | None
    """Of whom; None: nobody known."""
    connection: str | None
    """The connection that it came through."""
    stream: str | None
    """None, like all below: the registry of source records does not know it."""
    record: str | None
    """The record's key."""
    batch: str | None
    """The landed batch with the raw record."""
    file: str | None
    """The file, table or request that it came from."""
    row: int | None
    """Its row in that batch, from 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Raw records of one file in one landed batch, and the events that they became."""

    connection: str | None
    """The connection that they came through."""
    stream: str | None
    """None, like batch and file: the registry of source records does not know it."""
    batch: str | None
    """The landed batch."""
    file: str | None
    """The file, table or request."""
    records: int
    """Raw records."""
    events: int
    """What they became."""


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
    by: tuple[str, str] | None = None,
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
    checks = [
        Check("events published and counted now", value.n, now.n, _pending(connection, estimator)),
        Check("events left out, and by reason", value.left_out or 0, sum(reasons.values())),
    ]
    if value.numerator is not None and now.numerator is not None:
        checks.insert(
            1,
            Check(
                "numerator published and counted now",
                value.numerator,
                now.numerator,
                _pending(connection, estimator),
            ),
        )
    behind = estimator.behind
    if behind is None:
        return Trace(
            value=value, left_out=reasons, events=None, places=(), more_places=0, counts={}, checks=checks
        )
    traced = _traced(behind, period, by, slices, zone).subquery()
    places = _places(connection, traced)
    events = sum(place.events for place in places)
    totals = connection.execute(
        select(
            func.count(traced.c.customer_id.distinct()),
            func.sum(traced.c.is_counted),
            func.sum(traced.c.gives),
        )
        if behind.is_sum
        else select(func.count(traced.c.customer_id.distinct()), func.sum(traced.c.is_counted), null())
    ).one()
    customers, counted, given = int(totals[0]), int(totals[1] or 0), totals[2]
    if behind.is_per_customer:
        checks.append(Check("n and the customers of the events", now.n, customers))
    else:
        checks.append(Check("n and the events listed", now.n, counted))
    if behind.is_sum and now.numerator is not None:
        checks.append(Check("numerator and what the events give", now.numerator, float(given or 0)))
    landed = sum(place.events for place in places if place.batch is not None)
    checks.append(
        Check(
            "events and those with a raw record",
            events,
            landed,
            "the registry of source records does not know where the others were landed",
        )
    )
    return Trace(
        value=value,
        left_out=reasons,
        events=_listed(connection, traced, rows),
        places=places[:rows],
        more_places=max(len(places) - rows, 0),
        counts={
            "events": events,
            "customers": customers,
            "records": sum(place.records for place in places if place.batch is not None),
            "places": sum(place.batch is not None for place in places),
        },
        checks=checks,
    )


def published_value(
    connection: Connection, kpi: Kpi, period: Period, by: tuple[str, str] | None, slices: Slices
) -> KpiValue:
    """The current value of a cell. Raises ConfigError if there is none."""
    dimension, name = by or ("", "")
    found = read.cells(connection, period.grain, [period.start], [kpi.name], dimension)
    for each in found:
        if each.dimension_value == name and (each.n or each.left_out):
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
    by: tuple[str, str] | None,
    slices: Slices,
) -> CellValue:
    """The cell, counted from the events that the warehouse holds now."""
    zone = settings.project.timezone
    only = Periods({period.grain: frozenset({period.start})})
    spans = only.spans((period.grain,), ZoneInfo(zone), estimator.looks_back)
    starts = None if period.grain == "all" else (period.start,)
    dimension, name = by or ("", "")
    cut = Cut(period.grain, (dimension,) if by else (), zone, starts, spans, capped(slices))
    rows = connection.execute(estimator.cells(cut)).all()
    found = cell_values(kpi, estimator, rows, settings.kpis.min_n)
    return found.get((period.grain, period.start, dimension, name), NOTHING)


def _pending(connection: Connection, estimator: Estimator) -> str:
    """What was loaded and not computed yet, in words; empty: nothing that a KPI reads."""
    p = pending_kpi.c
    days = connection.scalar(
        select(func.count(p.day.distinct())).where(p.table_name.in_(sorted(estimator.reach)))
    )
    if days:
        return f"loads changed {days:,} days since the last computation: `cxflow run` computes them"
    return "rows were changed by hand, or the settings since: `cxflow kpis --recompute` computes it anew"


def _traced(
    behind: Behind, period: Period, by: tuple[str, str] | None, slices: Slices, zone: ZoneInfo
) -> Rows:
    """The events of a cell: `at`, `gives`, `is_counted` (1 or 0), `customer_id`, `connection`, `stream`, `record`,
    `batch`, `file` and `row`."""
    fact = behind.fact
    if period.grain != "all":
        fact = fact.between(*(period.before if behind.of_period_before else period).instants(zone))
    row = fact.rows.subquery()
    gives: ColumnElement[Any] = null() if behind.gives is None else behind.gives
    counts: ColumnElement[Any] = literal(1) if behind.counts is None else case((behind.counts, 1), else_=0)
    slice_: ColumnElement[Any] = literal("") if by is None else published_name(fact.dimension(by[0]))
    event = select(
        row, gives.label("event_gives"), counts.label("event_counts"), slice_.label("event_slice")
    ).subquery()
    made: Any = touchpoint.c
    joined: Any = event
    nothing = cast(null(), String)
    place: tuple[ColumnElement[Any], ...]
    if FROM_RECORD in event.c:
        place = event.c.source, event.c[FROM_STREAM], event.c[FROM_RECORD]
    elif "touchpoint_id" in event.c:
        # What happened without a touchpoint, a late delivery that is judged, comes from its order or case.
        joined = joined.outerjoin(touchpoint, made.touchpoint_id == event.c.touchpoint_id)
        origins = [made]
        for table, name in ((order_header, "order_id"), (support_case, "case_id")):
            if name in event.c:
                is_its = and_(table.c[name] == event.c[name], made.touchpoint_id.is_(None))
                joined = joined.outerjoin(table, is_its)
                origins.append(table.c)
        place = tuple(
            func.coalesce(*(each[name] for each in origins), nothing)
            for name in ("source_system", "source_object", "source_record_id")
        )
    else:
        place = nothing, nothing, nothing
    known = source_record.c
    joined = joined.outerjoin(
        source_record,
        and_(
            known.source_system == place[0],
            known.source_object == place[1],
            known.source_record_id == place[2],
        ),
    )
    return (
        select(
            event.c.at,
            event.c.event_gives.label("gives"),
            event.c.event_counts.label("is_counted"),
            event.c.customer_id,
            place[0].label("connection"),
            place[1].label("stream"),
            place[2].label("record"),
            known.batch_id.label("batch"),
            known.origin.label("file"),
            known.row_number.label("row"),
        )
        .select_from(joined)
        .where(*_of_slice(event.c.event_slice, by, slices))
    )


def _of_slice(
    name: ColumnElement[str], by: tuple[str, str] | None, slices: Slices
) -> list[ColumnElement[bool]]:
    if by is None:
        return []
    dimension, wanted = by
    own = [each for each in slices.get(dimension, ()) if each != OTHER]
    is_shared = wanted == OTHER and OTHER in slices.get(dimension, ())
    return [name.not_in(own) if is_shared else name == wanted]


def _places(connection: Connection, traced: Any) -> list[Place]:
    t = traced.c
    place = (t.connection, t.stream, t.batch, t.file)
    events = func.count().label("events")
    rows = connection.execute(
        select(*place, func.count(t.row.distinct()), events)
        .group_by(*place)
        .order_by(events.desc(), *(each.nulls_last() for each in place))
    )
    return [Place(*row) for row in rows]


def _listed(connection: Connection, traced: Any, rows: int) -> list[Event]:
    t = traced.c
    columns = [t[name] for name in Event.__dataclass_fields__]
    found = connection.execute(select(*columns).order_by(t.at, t.record, t.customer_id).limit(rows))
    return [Event(*row) for row in found]
