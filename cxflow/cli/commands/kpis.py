"""`cxflow kpis`: shows published values with their interval and number of observations."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli import completion, explanation, kpi_changes, kpi_history
from cxflow.cli.call import Call, command
from cxflow.cli.output import table
from cxflow.cli.units import with_unit
from cxflow.errors import ConfigError
from cxflow.kpis.periods import Grain, Period, parse_period
from cxflow.kpis.report import problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.table import Table
    from sqlalchemy import Connection

    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.read import KpiValue
    from cxflow.kpis.status import Status
    from cxflow.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(kpis)


def kpis(
    call: Call,
    name: Annotated[
        str | None, typer.Argument(help="One KPI; default: all.", autocompletion=completion.kpis)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="DIMENSION", help="Slice by channel, source, segment, agent, …"),
    ] = None,
    grain: Annotated[
        Grain | None,
        typer.Option(help="Period length; default: the whole time, or day with --since or --until."),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="End day, exclusive.")] = None,
    period: Annotated[
        str | None,
        typer.Option(
            help="One period instead of grain and days: 2026, 2026-Q1, 2026-03, 2026-W10, 2026-03-25."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="ISO", help="Values as published at that instant.")
    ] = None,
    changes: Annotated[
        bool,
        typer.Option("--changes", help="Compare the last complete period of each KPI with the one before."),
    ] = False,
    year_ago: Annotated[
        bool, typer.Option("--year-ago", help="With --changes: compare with the same period a year before.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Every value that was published, and why it was replaced.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the KPIs and their formulas.")] = False,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Recompute all periods first, after manual changes of rows."),
    ] = False,
) -> None:
    """Show KPI values, their 95 % intervals and numbers of observations."""
    from cxflow.cli import project, warehouse
    from cxflow.kpis import catalogue, read
    from cxflow.settings import nearest

    settings = call.settings
    known = catalogue.of_project(settings)
    if name is not None and name not in known:
        raise ConfigError(f"there is no KPI {name!r}{nearest(name, known)}", value=name)
    selected = {key: kpi for key, kpi in known.items() if name in (None, key)}
    if listed:
        _list(call, selected)
        return
    if by is not None:
        _check_dimension(by, selected, settings, is_past=as_of is not None)
    if recompute:
        from cxflow import flow

        warehouse.require(settings)
        with call.out.progress() as step:
            step("KPIs")
            flow.compute_kpis(settings, everything=True)
    moment = project.instant(settings, as_of, "--as-of") if as_of else None
    edges = _day(since, "--since"), _day(until, "--until")
    one = parse_period(period) if period else None
    if one is not None and (grain or since or until):
        raise ConfigError("--period says which grain and which days", value=period, fix="leave those out")
    if history:
        if name is None or as_of or changes:
            raise ConfigError("--history is that of one KPI", fix="such as `cxflow kpis nps --history`")
        span = kpi_history.Span(
            one.grain if one else grain or ("day" if since or until else _longest_first(known[name])[0]),
            *((one.start, one.end) if one else edges),
        )
        kpi_history.show(call, known[name], by, span)
        return
    if changes:
        if since:
            raise ConfigError(
                "--changes needs no --since", value=since, fix="name the later period: --period"
            )
        asked = kpi_changes.Asked(name, grain, by, one, edges[1], year_ago, moment)
        kpi_changes.show(call, known, asked)
        return
    if one is not None:
        grain, edges = one.grain, (one.start, one.end)
    effective = grain or ("day" if since or until else None)
    with warehouse.reading(call) as found:
        values = _values(found.connection, known, name, effective, by, edges, moment)
        why = {} if by or moment else explanation.reasons(found.connection, values)
        complete = read.complete_until(found.connection)
        statuses = explanation.statuses(found.connection, selected)
        first = read.first_published(found.connection) if moment and not values else None
    nothing = "no such values"
    if first is not None and moment is not None and first > moment:
        nothing = (
            f"nothing was published by then; the first values are of {first.isoformat(timespec='seconds')}"
        )
    is_filtered = any((by, grain, since, until, as_of))
    absent = set() if is_filtered else set(selected) - {value.kpi for value in values}
    currency = settings.project.currency
    parts: list[Any] = [
        _table(_title(call, as_of), by, [_row(known.get(v.kpi), v, currency) for v in values])
    ]
    parts += explanation.of_left_out(values, why, settings.kpis.max_left_out, always=name is not None)
    parts += explanation.of_open(values, complete, settings.project.timezone)
    parts += explanation.of_absent({key: statuses[key] for key in selected if key in absent})
    data = [_as_json(known.get(value.kpi), value, why, statuses) for value in values]
    data += [_without_value(known[key], statuses[key]) for key in selected if key in absent]
    call.out.answer(data, *(parts[0 if values else 1 :] or [nothing]))
    failed = {key: each.reason or "" for key, each in statuses.items() if each.status == "failed"}
    for problem in problems(failed):
        call.fail(problem)


def _table(title: str, by: str | None, rows: Sequence[tuple[Any, ...]]) -> Table:
    """The table of values, without columns that say nothing."""
    columns = ("KPI", "period", by or "slice", "value", "95 % interval", "n", "customers", "left out")
    is_told = any(row[6] not in (None, row[5]) for row in rows), any(row[7] for row in rows)
    kept = [0, 1, *([2] if by else []), 3, 4, 5, *(6 + i for i in (0, 1) if is_told[i])]
    return table(title, [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _values(
    connection: Connection,
    known: Mapping[str, Kpi],
    name: str | None,
    grain: Grain | None,
    by: str | None,
    edges: tuple[date | None, date | None],
    as_of: datetime | None,
) -> list[KpiValue]:
    """The selected values. Without a grain: the whole time or, for a KPI without it, the longest grain with values."""
    from cxflow.kpis import read

    names = [name] if name else list(known)
    grains: dict[str, Sequence[Grain]] = {
        kpi: [grain] if grain else _longest_first(known[kpi]) for kpi in names
    }
    found: dict[str, list[KpiValue]] = {}
    for rank in range(max(map(len, grains.values()), default=0)):
        wanted: dict[Grain, list[str]] = {}
        for kpi in names:
            if kpi not in found and rank < len(grains[kpi]):
                wanted.setdefault(grains[kpi][rank], []).append(kpi)
        if not wanted:
            break
        for value in read.values_of_grains(connection, wanted, by, *edges, as_of):
            if value.n or value.left_out:
                found.setdefault(value.kpi, []).append(value)
    return [value for kpi in names for value in found.get(kpi, ())]


def _longest_first(kpi: Kpi) -> Sequence[Grain]:
    """The grains that can show a KPI as a whole, longest first."""
    return ("all",) if "all" in kpi.grains else kpi.grains[::-1]


def _check_dimension(by: str, kpis: Mapping[str, Kpi], settings: Settings, *, is_past: bool) -> None:
    """Raise ConfigError if no KPI is sliced by `by`; a past value may be, even if the settings changed since."""
    from cxflow.kpis.slicing import dimensions_of, is_offered, worded
    from cxflow.settings import nearest

    offered = {name for kpi in kpis.values() for name in kpi.offers(settings)}
    one = next(iter(kpis)) if len(kpis) == 1 else None
    if not is_offered(by, offered):
        raise ConfigError(
            f"--by: {f'{one} cannot' if one else 'no KPI can'} be sliced by {by!r}{nearest(by, offered)}",
            value=by,
            fix=f"offered: {', '.join(worded(offered))}",
        )
    if not is_past and not any(by in dimensions_of(kpi, settings) for kpi in kpis.values()):
        raise ConfigError(
            f"--by: {one or 'no KPI'} is {'not ' if one else ''}sliced by {by!r} in this project",
            value=by,
            fix="add it to kpis.dimensions, or to kpis.dimensions_of for one KPI, and run",
        )


def _list(call: Call, known: Mapping[str, Kpi]) -> None:
    from cxflow.kpis.slicing import dimensions_of, worded

    data = [
        {
            "kpi": kpi.name,
            "version": kpi.version,
            "title": kpi.title,
            "title_es": kpi.title_es or kpi.title,
            "description": kpi.description,
            "description_es": kpi.description_es or kpi.description,
            "unit": kpi.unit,
            "decimals": kpi.shown_decimals,
            "better": kpi.better,
            "formula": kpi.formula,
            "formula_es": kpi.formula_es or kpi.formula,
            "grains": kpi.grains,
            "dimensions": dimensions_of(kpi, call.settings),
            "offers": worded(kpi.offers(call.settings)),
        }
        for kpi in known.values()
    ]
    columns = ("kpi", "title", "unit", "better", "formula")
    call.out.answer(data, table("KPIs", columns, [[each[column] for column in columns] for each in data]))


def _title(call: Call, as_of: str | None) -> str:
    project = call.settings.project
    return f"KPIs of {project.name} ({project.timezone}" + (f", as of {as_of})" if as_of else ")")


def _row(kpi: Kpi | None, value: KpiValue, currency: str) -> tuple[Any, ...]:
    """A value as a table row."""

    def worded(number: float | None) -> str | None:
        return with_unit(number, kpi, currency)

    if not value.n:
        shown: str | None = "nothing to count"
    elif value.is_suppressed:
        shown = "too few to say"
    else:
        shown = worded(value.value)
    period = f"{Period(value.grain, value.period_start)}{' (open)' if value.is_open else ''}"
    between = value.interval_note
    if value.ci_low is not None and value.ci_high is not None:
        between = f"{worded(value.ci_low)} to {worded(value.ci_high)}"
    title = kpi.title if kpi else value.kpi
    return (
        title,
        period,
        value.dimension_value,
        shown,
        between,
        value.n,
        value.customers,
        value.left_out or None,
    )


def _as_json(
    kpi: Kpi | None, value: KpiValue, why: explanation.Reasons, statuses: Mapping[str, Status]
) -> dict[str, Any]:
    """A value for `--json`; the whole time has no first day."""
    row = asdict(value)
    if value.grain == "all":
        row["period_start"] = None
    row["left_out_reasons"] = why.get((value.kpi, value.period_start), {})
    status = statuses.get(value.kpi)
    return {
        "title": kpi.title if kpi else None,
        "unit": kpi.unit if kpi else None,
        **row,
        "status": status.status if status else None,
        "status_reason": status.reason if status else None,
    }


def _without_value(kpi: Kpi, status: Status) -> dict[str, Any]:
    """A KPI that has no value, for `--json`."""
    from cxflow.kpis.read import KpiValue

    row: dict[str, Any] = dict.fromkeys(field.name for field in fields(KpiValue))
    row |= {"kpi": kpi.name, "version": kpi.version, "dimension": "", "dimension_value": "", "n": 0}
    return {
        "title": kpi.title,
        "unit": kpi.unit,
        **row,
        "left_out_reasons": {},
        "status": status.status,
        "status_reason": status.reason,
    }


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{option} is not a date: {text!r}", value=text, fix="such as 2026-03-25") from None
