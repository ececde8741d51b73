"""Shows every value of a KPI that was published, and why each replaced the one before: `cxflow kpis KPI --history`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from cxflow.cli.output import moment, table
from cxflow.cli.units import with_unit
from cxflow.kpis.periods import Period

if TYPE_CHECKING:
    from datetime import date

    from cxflow.cli.call import Call
    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.periods import Grain
    from cxflow.kpis.read import KpiValue


class Span(NamedTuple):
    """The periods to show."""

    grain: Grain
    since: date | None
    until: date | None


def show(call: Call, kpi: Kpi, by: str | None, span: Span) -> None:
    """Show the history of a KPI's values, of everything or of the slices of a dimension."""
    from cxflow.kpis import read
    from cxflow.warehouse import revisions, transactions

    with transactions.reading(call.settings) as connection:
        revisions.require(connection)
        found = read.history(connection, kpi.name, span.grain, by, span.since, span.until)
    zone, currency = call.settings.project.timezone, call.settings.project.currency
    columns = ("period", by or "slice", "published", "version", "value", "n", "left out", "because")
    kept = [i for i in range(len(columns)) if by or i != 1]
    rows = [_row(kpi, each, zone, currency) for each in found]
    shown = table(
        f"{kpi.title}: every published value ({zone})",
        [columns[i] for i in kept],
        [[row[i] for i in kept] for row in rows],
    )
    call.out.answer([asdict(each) for each in found], shown if found else "no such values")


def _row(kpi: Kpi, value: KpiValue, zone: str, currency: str) -> tuple[Any, ...]:
    shown = with_unit(value.value, kpi, currency)
    if shown is None:
        shown = "too few to say" if value.n else "nothing to count"
    return (
        f"{Period(value.grain, value.period_start)}{' (open)' if value.is_open else ''}",
        value.dimension_value,
        moment(value.as_of, zone),
        value.version,
        shown,
        value.n,
        value.left_out or None,
        value.restated_because or "first published",
    )
