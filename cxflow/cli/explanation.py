"""Explains KPI values: what they leave out, and why there is none. Called by `kpis`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection

    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.read import KpiValue
    from cxflow.kpis.status import Status

    Reasons = Mapping[tuple[str, date], Mapping[str, int]]
    """KPI and period to reason and number of events left out."""


def reasons(connection: Connection, values: Sequence[KpiValue]) -> Reasons:
    """Why events were left out of values."""
    from cxflow.kpis import left_out

    found: dict[tuple[str, date], dict[str, int]] = {}
    for grain in sorted({value.grain for value in values if value.left_out}):
        kpis = {value.kpi for value in values if value.left_out and value.grain == grain}
        for each in left_out.reasons(connection, kpis, grain):
            found.setdefault((each.kpi, each.period_start), {})[each.reason] = each.events
    return found


def statuses(connection: Connection, kpis: Mapping[str, Kpi]) -> dict[str, Status]:
    """The status of each KPI."""
    from cxflow.kpis import status

    known = status.read(connection)
    never = status.Status("no events", "not computed yet; `cxflow run` computes it")
    return {name: known.get(name, never) for name in kpis}


def of_left_out(values: Iterable[KpiValue], why: Reasons, most: float, *, always: bool) -> list[str]:
    """One line per KPI with its reasons, if it leaves out more than the share `most`, or `always`."""
    counted: dict[str, int] = {}
    found: dict[str, dict[str, int]] = {}
    for value in values:
        counted[value.kpi] = counted.get(value.kpi, 0) + value.n
        for reason, events in why.get((value.kpi, value.period_start), {}).items():
            of_kpi = found.setdefault(value.kpi, {})
            of_kpi[reason] = of_kpi.get(reason, 0) + events
    lines = []
    for kpi, each in found.items():
        left = sum(each.values())
        if always or left > most * (left + counted[kpi]):
            worded = ", ".join(f"{events:,} {reason}" for reason, events in each.items())
            lines.append(f"{kpi} leaves out {left:,} of {left + counted[kpi]:,} events: {worded}")
    return lines


def of_open(
    values: Iterable[KpiValue], until: Mapping[str, Mapping[str, datetime | None]], zone: str
) -> list[str]:
    """What the shown values of open periods wait for, one line per source and instant."""
    from cxflow.cli.output import moment
    from cxflow.kpis.delivered import ALL

    by_cause: dict[tuple[str, str], list[str]] = {}
    for kpi in dict.fromkeys(value.kpi for value in values if value.is_open):
        of_kpi = until.get(kpi, {})
        last = of_kpi.get(ALL)
        late = [source for source, at in of_kpi.items() if source != ALL and at == last]
        cause = f"by the deliveries of {', '.join(late)}" if late else "for now"
        by_cause.setdefault((moment(last, zone) or "nobody knows when", cause), []).append(kpi)
    lines = [
        f"open: not over, or not all of it is delivered; complete until {last} ({cause}): {', '.join(kpis)}"
        for (last, cause), kpis in by_cause.items()
    ]
    hint = "(a connection that delivers no more: set `ended = true` in it)"
    return [*lines, hint] if lines else []


def of_absent(statuses: Mapping[str, Status]) -> list[str]:
    """Why KPIs have no value, one line per reason."""
    by_reason: dict[str, list[str]] = {}
    for kpi, status in statuses.items():
        if status.status != "failed":  # that is an error of its own
            by_reason.setdefault(status.reason or "no events", []).append(kpi)
    return [f"no value of {', '.join(kpis)}: {reason}" for reason, kpis in by_reason.items()]
