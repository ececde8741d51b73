"""Shows which KPIs changed: `cxflow kpis --changes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from cxflow.cli.output import first_of, table
from cxflow.cli.units import with_unit
from cxflow.kpis.periods import Period

if TYPE_CHECKING:
    from datetime import date, datetime

    from rich.table import Table

    from cxflow.cli.call import Call
    from cxflow.kpis.changes import Comparison
    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.periods import Grain
    from cxflow.kpis.read import KpiValue
    from cxflow.kpis.scan import Scan


class Asked(NamedTuple):
    """What to compare."""

    kpi: str | None
    """None: every KPI."""
    grain: Grain | None
    by: str | None
    period: Period | None
    until: date | None
    year_ago: bool
    as_of: datetime | None


def show(call: Call, known: Mapping[str, Kpi], asked: Asked) -> None:
    """Compare, and show what changed; with one KPI, all that was compared."""
    from cxflow.cli import warehouse
    from cxflow.kpis.scan import scan

    with warehouse.reading(call) as read:
        found = scan(read.connection, **asked._asdict(), most_left_out=call.settings.kpis.max_left_out)
    shown = [each for each in found.comparisons if each.is_called or (asked.kpi and each.change)]
    data = {
        "grain": found.grain,
        "compared": found.compared,
        "changed": len(found.called),
        "correction": "Benjamini-Hochberg, 5 %",
        "comparisons": [_as_json(each) for each in found.comparisons],
    }
    against = "a year before" if asked.year_ago else "the period before"
    parts: list[Any] = []
    if shown:
        parts.append(_table(call, known, shown, asked.by, f"Changes against {against}"))
    call.out.answer(data, *parts, *_notes(found, against))


def _table(
    call: Call, known: Mapping[str, Kpi], shown: Sequence[Comparison], by: str | None, title: str
) -> Table:
    columns = ("KPI", by or "slice", "period", "before", "now", "difference", "95 % interval", "change")
    rows = [_row(known.get(_of(each).kpi), each, call.settings.project.currency) for each in shown]
    kept = [i for i in range(len(columns)) if by or i != 1]
    return table(title, [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _row(kpi: Kpi | None, one: Comparison, currency: str) -> tuple[Any, ...]:
    value, change = _of(one), one.change
    assert change is not None
    assert one.earlier is not None

    def worded(number: float | None) -> str | None:
        return with_unit(number, kpi, currency)

    def signed(number: float) -> str:
        text = f"{worded(number)}"
        points = text.replace(" %", " points") if kpi and kpi.unit == "share" else text
        return points if points.startswith("-") else f"+{points}"

    return (
        kpi.title if kpi else value.kpi,
        value.dimension_value,
        str(Period(value.grain, value.period_start)),
        worded(one.earlier.value),
        worded(value.value),
        signed(change.difference),
        f"{signed(change.low)} to {signed(change.high)}",
        _verdict(kpi, one),
    )


def _verdict(kpi: Kpi | None, one: Comparison) -> str:
    """What the difference means: none of it is called a change if chance may have made it."""
    if not one.is_called or one.change is None:
        return "no clear change"
    rises = one.change.difference > 0
    if kpi is None or kpi.better == "neither":
        return "higher" if rises else "lower"
    return "better" if rises == (kpi.better == "higher") else "worse"


def _notes(found: Scan, against: str) -> Iterator[str]:
    """How many were compared and called, and what was not compared, one line per reason."""
    if not found.compared:
        yield f"no {found.grain} of a KPI can be compared with {against}"
    else:
        yield (
            f"{found.compared:,} compared by {found.grain}, {len(found.called):,} changed "
            "(corrected for all comparisons: of those called changes, at most 5 % are chance, on average)"
        )
    by_reason: dict[str, list[str]] = {}
    for each in found.comparisons:
        if each.why_not:
            value = _of(each)
            slice_ = f" {value.dimension_value}" if value.dimension_value else ""
            by_reason.setdefault(each.why_not, []).append(f"{value.kpi}{slice_}")
    for reason, names in by_reason.items():
        yield f"not compared: {reason}: {', '.join(first_of(names, 12))}"


def _of(one: Comparison) -> KpiValue:
    """The later value or, without it, the earlier one."""
    value = one.later or one.earlier
    assert value is not None
    return value


def _as_json(one: Comparison) -> dict[str, Any]:
    value = _of(one)
    change = None if one.change is None else asdict(one.change)
    return {
        "kpi": value.kpi,
        "dimension": value.dimension,
        "dimension_value": value.dimension_value,
        "period_start": one.later.period_start if one.later else None,
        "against": one.earlier.period_start if one.earlier else None,
        "value": one.later.value if one.later else None,
        "before": one.earlier.value if one.earlier else None,
        "change": change,
        "is_change": one.is_called,
        "not_compared": one.why_not or None,
    }
