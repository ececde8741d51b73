"""Shows what moved a value between two periods: `cxflow explain KPI --against PERIOD`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cxflow.cli.output import table
from cxflow.cli.units import with_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from cxflow.cli.call import Call
    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.movement import Movement, Part
    from cxflow.kpis.periods import Period


def show(call: Call, kpi: Kpi, earlier: Period, later: Period, dimensions: Sequence[str]) -> None:
    """Take the difference apart by each dimension, and show the parts."""
    from cxflow.kpis.changes import difference
    from cxflow.kpis.movement import movement
    from cxflow.warehouse import revisions, transactions

    with transactions.reading(call.settings) as connection:
        revisions.require(connection)
        found = [
            movement(connection, call.settings, kpi, earlier, later, dimension) for dimension in dimensions
        ]
    currency = call.settings.project.currency
    parts: list[Any] = [_table(kpi, each, currency) for each in found]
    if found:
        change = difference(found[0].earlier, found[0].later)
        if change is not None:
            low, high = (_signed(kpi, end, currency) for end in (change.low, change.high))
            is_clear = not change.low <= 0 <= change.high
            parts.append(
                f"difference {_signed(kpi, change.difference, currency)}, 95 % interval {low} to {high}"
                + ("" if is_clear else ": chance alone may have made it")
            )
    call.out.answer([_as_json(each) for each in found], *(parts or [f"{kpi.name} is not sliced by anything"]))


def _table(kpi: Kpi, found: Movement, currency: str) -> Table:
    from cxflow.kpis.periods import Period

    periods = [str(Period(each.grain, each.period_start)) for each in (found.earlier, found.later)]
    whole = [with_unit(each.value, kpi, currency) for each in (found.earlier, found.later)]
    mix, rate = (sum(getattr(part, name) for part in found.parts) for name in ("mix", "rate"))
    numbers = [_signed(kpi, number, currency) for number in (mix, rate, found.difference)]
    return table(
        f"{kpi.title} by {found.dimension}: {whole[0]} in {periods[0]}, {whole[1]} in {periods[1]}",
        (found.dimension, "weight", "before", "now", "by mix", "by rate", "together"),
        [_row(kpi, part, currency) for part in found.parts],
        total=("sum", "", *whole, *numbers),
    )


def _row(kpi: Kpi, part: Part, currency: str) -> tuple[Any, ...]:
    before, after = (f"{100 * weight:.1f} %" for weight in part.weights)
    return (
        part.name,
        f"{before} → {after}" if any(part.weights) else None,
        *(with_unit(value, kpi, currency) for value in part.values),
        *(_signed(kpi, number, currency) for number in (part.mix, part.rate, part.total)),
    )


def _signed(kpi: Kpi, number: float, currency: str) -> str:
    """A difference in the unit of the KPI; of shares, in points."""
    text = str(with_unit(number, kpi, currency))
    text = text.replace(" %", " points") if kpi.unit == "share" else text
    return text if text.startswith("-") else f"+{text}"


def _as_json(found: Movement) -> dict[str, Any]:
    return {
        "kpi": found.later.kpi,
        "dimension": found.dimension,
        "period_start": found.later.period_start,
        "against": found.earlier.period_start,
        "value": found.later.value,
        "before": found.earlier.value,
        "difference": found.difference,
        "parts": [{**asdict(part), "total": part.total} for part in found.parts],
    }
