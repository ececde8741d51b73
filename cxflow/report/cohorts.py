"""Reads what KPIs publish of cohorts: who orders again, and what customers are worth. Called by `contents`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from cxflow.kpis import read
from cxflow.kpis.periods import next_period
from cxflow.kpis.read import KpiValue
from cxflow.report.edition import Edition
from cxflow.warehouse.tables import kpi_value

RETENTION, LIFETIME = "cohort_retention", "customer_lifetime_value"
MOST_COHORTS = 18
MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers whose first order was in one month."""

    month: date
    values: Mapping[int, KpiValue]
    """Months since the first order to the value of that month; only months that are over."""

    @property
    def size(self) -> int:
        """Customers."""
        return max(each.n for each in self.values.values())


def read_all(connection: sa.Connection, edition: Edition, kpi: str) -> list[Cohort]:
    """The newest cohorts of a KPI, oldest first; none if it is not published."""
    if edition.period is None or edition.known_until is None:
        return []
    t = kpi_value.c
    dimensions = connection.scalars(sa.select(t.dimension).where(t.kpi == kpi, t.dimension != "").distinct())
    last_day = edition.known_until.astimezone(edition.zone).date()
    found: dict[date, dict[int, KpiValue]] = {}
    for dimension in dimensions:
        for each in read.values(connection, kpi, "month", dimension, as_of=edition.as_of):
            if each.dimension_value.isdecimal() and each.n:
                age = int(each.dimension_value)
                if age <= MOST_MONTHS and _end(each.period_start, age) <= last_day:
                    found.setdefault(each.period_start, {})[age] = each
    return [Cohort(month, found[month]) for month in sorted(found)[-MOST_COHORTS:]]


def _end(month: date, age: int) -> date:
    """The day after the month that is `age` months after another."""
    for _ in range(age + 1):
        month = next_period("month", month)
    return month
