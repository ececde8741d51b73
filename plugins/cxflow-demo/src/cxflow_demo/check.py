"""Compares a warehouse with the truth. Called by `cxflow demo` and the end-to-end test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from cxflow.kpis import read
from cxflow.kpis.periods import BEGINNING
from cxflow.kpis.read import KpiValue
from cxflow.settings import Settings
from cxflow.warehouse import tables, transactions

TOLERANCE = 1e-6
"""Relative difference of a KPI's value that counts as rounding."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of the truth, with the warehouse's."""

    what: str
    """records, customers, quarantine or kpi."""
    place: str
    """The stream, with its rule; or the KPI, with its period and slice."""
    expected: float | int
    found: float | int | None
    expected_n: int | None = None
    found_n: int | None = None
    """Observations of a KPI."""
    is_suppressed: bool = False
    """True if the warehouse hides the value because n is under the minimum; only n is compared then."""

    @property
    def agrees(self) -> bool:
        """Whether both agree."""
        if self.expected_n != self.found_n:
            return False
        if self.is_suppressed:
            return True
        return self.found is not None and math.isclose(
            self.expected, self.found, rel_tol=TOLERANCE, abs_tol=1e-9
        )


def facts(
    settings: Settings, state: Mapping[str, Any], refused: Mapping[str, Mapping[str, int]]
) -> list[Fact]:
    """Every number of a state of the truth, and of the refused records up to then, with the warehouse's.

    What the warehouse has beyond the truth (a rule that nothing should have broken) is included with 0
    expected.
    """
    return [
        *_records(settings, state["live"]),
        _customers(settings, state["customers"]),
        *_refused(settings, refused),
        *_kpis(settings, state["kpis"]),
    ]


def _records(settings: Settings, live: Mapping[str, int]) -> Iterator[Fact]:
    t = tables.source_record.c
    query = (
        sa.select(t.source_system, t.source_object, sa.func.count())
        .where(~t.is_deleted)
        .group_by(t.source_system, t.source_object)
    )
    with transactions.reading(settings) as warehouse:
        found = {f"{system}.{stream}": int(count) for system, stream, count in warehouse.execute(query)}
    for place in sorted({*live, *found}):
        yield Fact("records", place, live.get(place, 0), found.get(place, 0))


def _customers(settings: Settings, expected: int) -> Fact:
    t = tables.customer
    query = sa.select(sa.func.count()).select_from(t).where(t.c.merged_into_id.is_(None))
    with transactions.reading(settings) as warehouse:
        return Fact("customers", "all", expected, int(warehouse.scalar(query) or 0))


def _refused(settings: Settings, refused: Mapping[str, Mapping[str, int]]) -> Iterator[Fact]:
    expected = {(stream, rule): count for stream, rules in refused.items() for rule, count in rules.items()}
    t = tables.quarantine.c
    # A record that breaks a rule in several columns has an entry for each.
    record = sa.func.concat(t.batch_id, "/", t.row_number)
    query = sa.select(t.source_system, t.source_object, t.rule, sa.func.count(record.distinct())).group_by(
        t.source_system, t.source_object, t.rule
    )
    with transactions.reading(settings) as warehouse:
        found = {
            (f"{system}.{stream}", rule): int(count)
            for system, stream, rule, count in warehouse.execute(query)
        }
    for stream, rule in sorted({*expected, *found}):
        place = (stream, rule)
        yield Fact("quarantine", f"{stream} {rule}", expected.get(place, 0), found.get(place, 0))


def _kpis(settings: Settings, kpis: list[dict[str, Any]]) -> Iterator[Fact]:
    with transactions.reading(settings) as warehouse:
        cuts = {(kpi["grain"], kpi["dimension"]) for kpi in kpis}
        found = {
            (value.kpi, value.grain, value.period_start, value.dimension, value.dimension_value): value
            for grain, dimension in sorted(cuts)
            for value in read.values(warehouse, grain=grain, by=dimension or None)
        }
    for kpi in kpis:
        start = date.fromisoformat(kpi["period_start"]) if kpi["period_start"] else BEGINNING
        value = found.get((kpi["kpi"], kpi["grain"], start, kpi["dimension"], kpi["dimension_value"]))
        place = [kpi["kpi"], kpi["period_start"] or kpi["grain"], kpi["dimension_value"]]
        yield Fact(
            what="kpi",
            place=" ".join(name for name in place if name),
            expected=kpi["value"],
            found=value.value if value else None,
            expected_n=kpi["n"],
            found_n=value.n if value else None,
            is_suppressed=bool(
                value and value.is_suppressed and _counted(kpi["n"], value) < settings.kpis.min_n
            ),
        )


def _counted(n: int, value: KpiValue) -> int:
    """What the minimum n holds for: the observations or, if they are fewer, their customers."""
    return n if value.customers is None else min(n, value.customers)
