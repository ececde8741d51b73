"""`cxflow kpis`: published values, with their interval and number of observations."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table
from cxflow.errors import ConfigError
from cxflow.kpis.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.read import KpiValue
    from cxflow.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, rich_help_panel="Look")(kpis)


def kpis(
    call: Call,
    name: Annotated[str | None, typer.Argument(help="One KPI; all of them unless given.")] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="DIMENSION", help="Sliced by this: channel, source, segment, agent, …"),
    ] = None,
    grain: Annotated[
        Grain | None, typer.Option(help="Periods; the whole time unless given, days with --since or --until.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="First day not wanted.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="ISO", help="As published at that moment.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Which KPIs there are, and their formulas.")] = False,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute all periods anew first: after rows were changed by hand."),
    ] = False,
) -> None:
    """Show KPIs: value, 95 % interval, observations."""
    from cxflow import flow
    from cxflow.cli import project, warehouse
    from cxflow.settings import nearest

    settings = call.settings
    known = flow.kpis(settings)
    if name is not None and name not in known:
        raise ConfigError(f"there is no KPI {name!r}{nearest(name, known)}", value=name)
    asked_for = {key: kpi for key, kpi in known.items() if name in (None, key)}
    if listed:
        _list(call, asked_for)
        return
    if by is not None:
        _check_dimension(by, asked_for, settings, is_past=as_of is not None)
    warehouse.require(settings)
    if recompute:
        with call.out.progress() as step:
            step("KPIs")
            flow.compute_kpis(settings, everything=True)
    edges = _day(since, "--since"), _day(until, "--until")
    moment_asked = project.instant(settings, as_of, "--as-of") if as_of else None
    asked = grain or ("day" if since or until else None)
    found = _values(call, known, name, asked, by, edges, moment_asked)
    rows = [_row(known.get(value.kpi), value, settings.project.currency) for value in found]
    data = [_as_json(known.get(value.kpi), value) for value in found]
    columns = ("KPI", "period", by or "slice", "value", "95 % interval", "n")
    kept = [0, 1, *([2] if by else []), 3, 4, 5]
    shown = table(_title(call, as_of), [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])
    is_narrow = any((by, grain, since, until, as_of))
    none = "no values of that" if is_narrow else "no values yet; `cxflow run` computes them"
    call.out.answer(data, shown if rows else none)


def _values(
    call: Call,
    known: Mapping[str, Kpi],
    name: str | None,
    grain: Grain | None,
    by: str | None,
    edges: tuple[date | None, date | None],
    as_of: datetime | None,
) -> list[KpiValue]:
    """The values asked for. Without a grain: the whole time or, for a KPI that lacks it, the widest that has values."""
    from cxflow.kpis import read
    from cxflow.warehouse import revisions, transactions

    found: list[KpiValue] = []
    with transactions.reading(call.settings) as connection:
        revisions.require(connection)
        for kpi in [name] if name else known:
            for each in [grain] if grain else _widest_first(known[kpi]):
                rows = read.values(connection, kpi, each, by, edges[0], edges[1], as_of)
                if shown := [value for value in rows if value.n]:
                    found += shown
                    break
    return found


def _widest_first(kpi: Kpi) -> Sequence[Grain]:
    """The grains that may stand for a KPI as a whole."""
    return ("all",) if "all" in kpi.grains else kpi.grains[::-1]


def _check_dimension(by: str, kpis: Mapping[str, Kpi], settings: Settings, *, is_past: bool) -> None:
    """Raises ConfigError where no KPI has slices of a dimension; in the past, it may have had them."""
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
            "unit": kpi.unit,
            "better": kpi.better,
            "formula": kpi.formula,
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
    """A value for people."""

    def worded(number: float | None) -> str | None:
        return with_unit(number, kpi, currency)

    if value.is_suppressed:
        shown: str | None = "too few to say"
    else:
        shown = worded(value.value)
    period = {
        "all": "whole time",
        "day": f"{value.period_start}",
        "week": f"week of {value.period_start}",
        "month": f"{value.period_start:%Y-%m}",
        "quarter": f"{value.period_start:%Y}-Q{(value.period_start.month + 2) // 3}",
        "year": f"{value.period_start:%Y}",
    }[value.grain]
    between = None
    if value.ci_low is not None and value.ci_high is not None:
        between = f"{worded(value.ci_low)} to {worded(value.ci_high)}"
    return (kpi.title if kpi else value.kpi, period, value.dimension_value, shown, between, value.n)


def with_unit(number: float | None, kpi: Kpi | None, currency: str) -> str | None:
    """A number as people write it in its KPI's unit."""
    if number is None:
        return None
    match kpi.unit if kpi else "":
        case "share":
            return f"{100 * number:.1f} %"
        case "points":
            is_wide = kpi is not None and (kpi.highest or 0) > 10  # a net score, not a scale of a few points
            return f"{number:.1f}" if is_wide else f"{number:.2f}"
        case "seconds":
            return f"{number:,.1f} s"
        case "minutes":
            return f"{number:,.1f} min" if number < 180 else f"{number / 60:,.1f} h"
        case "project currency":
            return f"{number:,.2f} {currency}"
        case _:
            return f"{number:,.2f} {kpi.unit if kpi else ''}".rstrip()


def _as_json(kpi: Kpi | None, value: KpiValue) -> dict[str, Any]:
    """A value for scripts; the whole time has no first day."""
    row = asdict(value)
    if value.grain == "all":
        row["period_start"] = None
    return {"title": kpi.title if kpi else None, "unit": kpi.unit if kpi else None, **row}


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{option} is not a date: {text!r}", value=text, fix="such as 2026-03-25") from None
