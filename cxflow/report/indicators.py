"""Reads what the report says of each KPI: its value, its change, its trend and its slices. Called by `contents`.

Only published values are read; nothing is computed anew but the difference of two (`cxflow.kpis.changes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from cxflow.kpis import changes, read, status
from cxflow.kpis.changes import Change, Comparison
from cxflow.kpis.experience.net import JUDGED_SHARE
from cxflow.kpis.periods import Grain, Period
from cxflow.kpis.read import KpiValue
from cxflow.kpis.slices import OTHER
from cxflow.report.edition import Edition
from cxflow.report.phrases import Language
from cxflow.warehouse.tables import kpi_definition

HEADLINES = (
    "nps",
    "csat",
    "ces",
    "net_experience",
    "memory_index",
    "review_rating",
    "contact_rate",
    "first_contact_resolution",
    "first_reply_minutes",
    "resolution_minutes",
    "service_level_80_20",
    "abandonment_rate",
    "on_time_delivery_rate",
    "retention_rate",
    "average_order_value",
    "repeat_purchase_rate",
    "return_rate",
    "lead_conversion_rate",
)
"""The KPIs to show first, where they have a value: what customers say, what they live through, what they do next."""
MOST_HEADLINES = 12
MOST_SLICES = 12
"""Slices shown per dimension and KPI: those with the most observations."""

_USUAL_LAG = timedelta(hours=1)
"""Services withhold their newest records for minutes: that makes no source late."""

Verdict = Literal["better", "worse", "higher", "lower", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The newest definition of a KPI, in the language of the report where it has been translated."""

    kpi: str
    title: str
    description: str
    formula: str
    """In words, in English."""
    formula_worded: str
    """The same in the language of the report; in English where it has not been translated."""
    unit: str
    decimals: int
    """Of a share, those of its percentage."""
    better: str
    """higher, lower, or anything else: neither."""
    interval_method: str
    """In English."""

    @property
    def is_open(self) -> bool:
        """Whether the value of a period that is over still grows, by its formula: of orders with a return *so far*,
        those of the newest period have had the least time for one."""
        return changes.still_grows(self.formula)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a KPI in the period, and in the one before."""

    name: str
    """The value of the dimension."""
    value: KpiValue | None
    before: KpiValue | None

    @property
    def n(self) -> int:
        """Observations in the period."""
        return self.value.n if self.value else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A KPI in one edition."""

    definition: Definition
    value: KpiValue | None
    """In the edition's period; None: nothing was published for it."""
    before: KpiValue | None
    """In the period before."""
    comparison: Comparison
    """Of the two."""
    trend: tuple[KpiValue | None, ...] = ()
    """Aligned with the edition's trend."""
    newest: KpiValue | None = None
    """If the period has no value: the newest earlier one that has."""
    absence: str = ""
    """Why the KPI has no value in any period, in English; empty if it has one."""
    is_failed: bool = False
    """Whether its last computation failed: its values are those from before."""
    late: tuple[str, ...] = ()
    """Sources with events in the period before that are not known up to the end of this one: it may lack events."""
    slices: Mapping[str, tuple[Slice, ...]] = field(default_factory=dict)
    """Dimension to its slices in the period, the most observations first, `(other)` last."""
    left_over: Mapping[str, int] = field(default_factory=dict)
    """Dimension to the number of slices with events beyond MOST_SLICES."""

    @property
    def change(self) -> Change | None:
        """The difference from the period before, with its interval; None if the two are not compared."""
        return self.comparison.change

    @property
    def is_open(self) -> bool:
        """Whether its value may still change: by its formula, or because not all that it needs is loaded."""
        return self.definition.is_open or (self.value is not None and self.value.is_open)

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing to say of it but why."""
        return bool(self.absence) and not self.is_failed and not (self.value or self.before or self.newest)

    @property
    def verdict(self) -> Verdict | None:
        """What the change means: `same` if it is called none. None if there is nothing to compare."""
        found = self.change
        if found is None:
            return None
        if not self.comparison.is_called:
            return "same"
        rises = found.difference > 0
        if self.definition.better not in ("higher", "lower"):
            return "higher" if rises else "lower"
        return "better" if rises == (self.definition.better == "higher") else "worse"


def read_all(
    connection: sa.Connection,
    edition: Edition,
    overall: Mapping[Grain, Sequence[KpiValue]],
    language: Language,
    known: Mapping[str, datetime],
    most_left_out: float,
) -> list[Indicator]:
    """Every defined KPI, the headlines first, then by title. `overall`: the values of everything by grain, as far as
    they were read. `known`: source to the instant up to which it is known. `most_left_out`: values that leave out a
    larger share of their events are not compared."""
    states = status.read(connection)
    sliced = _slices(connection, edition)
    definitions = _definitions(connection, language)
    compared = _compared(definitions, edition.period, overall, most_left_out)
    found = []
    for definition in definitions:
        state = states.get(definition.kpi)
        of_grain = _by_start(overall, edition.period, definition.kpi)
        dimensions = sliced.get(definition.kpi, {})
        found.append(
            Indicator(
                definition=definition,
                value=of_grain.get(edition.period.start) if edition.period else None,
                before=of_grain.get(edition.period.before.start) if edition.period else None,
                comparison=compared[definition.kpi],
                trend=_trend(edition.trend, overall, definition.kpi),
                newest=_newest(edition.period, of_grain),
                absence=(state.reason or "") if state and state.status != "computed" else "",
                is_failed=state is not None and state.status == "failed",
                late=_late(dimensions.get("source", ()), edition, known),
                slices={name: _largest(slices) for name, slices in dimensions.items()},
                left_over={name: len(_eventful(each)[MOST_SLICES:]) for name, each in dimensions.items()},
            )
        )
    order = {name: place for place, name in enumerate(HEADLINES)}
    return sorted(found, key=lambda each: (order.get(each.definition.kpi, len(order)), each.definition.title))


def _compared(
    definitions: Sequence[Definition],
    period: Period | None,
    overall: Mapping[Grain, Sequence[KpiValue]],
    most_left_out: float,
) -> dict[str, Comparison]:
    """Each KPI in the period compared with the one before: all together, because chance is corrected for all."""
    kpis = [each.kpi for each in definitions]
    if period is None:
        return dict.fromkeys(kpis, Comparison(None, None))
    starts = (period.before.start, period.start)
    known = {(each.kpi, each.period_start): each for each in overall.get(period.grain, ())}
    found = changes.compare(
        [(known.get((kpi, starts[0])), known.get((kpi, starts[1]))) for kpi in kpis],
        most_left_out=most_left_out,
        judged_shares={
            changes.cell_of(each): each for (kpi, _), each in known.items() if kpi == JUDGED_SHARE
        },
        growing={each.kpi for each in definitions if each.is_open},
    )
    return dict(zip(kpis, found, strict=True))


def headlines(indicators: Sequence[Indicator]) -> list[Indicator]:
    """The KPIs to show as tiles: those with a value in the period."""
    return [each for each in indicators if each.value and each.value.value is not None][:MOST_HEADLINES]


def _definitions(connection: sa.Connection, language: Language) -> list[Definition]:
    rows = connection.execute(sa.select(kpi_definition).order_by(kpi_definition.c.version)).mappings()
    newest = {row["kpi"]: row for row in rows}
    return [_definition(row, language) for row in newest.values()]


def _definition(row: sa.RowMapping, language: Language) -> Definition:
    def translated(name: str) -> str:
        spanish = row.get(f"{name}_es") if language == "es" else None
        return str(spanish or row.get(name) or "")

    return Definition(
        kpi=row["kpi"],
        title=translated("title"),
        description=translated("description"),
        formula=row["formula"],
        formula_worded=translated("formula"),
        unit=row["unit"],
        decimals=_decimals(row),
        better=row["better"],
        interval_method=row["interval_method"],
    )


def _decimals(row: sa.RowMapping) -> int:
    given = row.get("decimals")
    if given is not None:
        return int(given)
    is_net = row["unit"] == "points" and (row["highest"] or 0) > 10  # not a scale of a few points
    return 1 if is_net or row["unit"] in ("share", "seconds", "minutes") else 2


def _by_start(
    overall: Mapping[Grain, Sequence[KpiValue]], period: Period | None, kpi: str
) -> dict[date, KpiValue]:
    values = overall.get(period.grain, ()) if period else ()
    return {each.period_start: each for each in values if each.kpi == kpi}


def _trend(
    trend: Sequence[Period], overall: Mapping[Grain, Sequence[KpiValue]], kpi: str
) -> tuple[KpiValue | None, ...]:
    found = _by_start(overall, trend[-1], kpi) if trend else {}
    return tuple(found.get(each.start) for each in trend)


def _newest(period: Period | None, values: Mapping[date, KpiValue]) -> KpiValue | None:
    if period is None:
        return None
    earlier = [start for start, each in values.items() if start < period.start and each.value is not None]
    here = values.get(period.start)
    return values[max(earlier)] if earlier and (here is None or here.value is None) else None


def _slices(connection: sa.Connection, edition: Edition) -> dict[str, dict[str, list[Slice]]]:
    """KPI and dimension to the slices with events in the period or the one before."""
    if (period := edition.period) is None:
        return {}
    starts = (period.before.start, period.start)
    cells: dict[tuple[str, str, str], dict[date, KpiValue]] = {}
    for each in read.slices(connection, period.grain, starts, edition.as_of):
        cells.setdefault((each.kpi, each.dimension, each.dimension_value), {})[each.period_start] = each
    found: dict[str, dict[str, list[Slice]]] = {}
    for (kpi, dimension, name), values in cells.items():
        one = Slice(name, values.get(period.start), values.get(period.before.start))
        found.setdefault(kpi, {}).setdefault(dimension, []).append(one)
    return found


def _eventful(slices: Sequence[Slice]) -> list[Slice]:
    return [each for each in slices if each.n]


def _largest(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    shown = sorted(_eventful(slices), key=lambda each: (each.name == OTHER, -each.n, each.name))
    return tuple(shown[:MOST_SLICES])


def _late(sources: Sequence[Slice], edition: Edition, known: Mapping[str, datetime]) -> tuple[str, ...]:
    if edition.period is None:
        return ()
    end = edition.period.instants(edition.zone)[1] - _USUAL_LAG
    usual = (each.name for each in sources if each.before and each.before.n)
    return tuple(name for name in usual if name in known and known[name] < end)
