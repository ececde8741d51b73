"""`cxflow kpis`: published values, with their interval and number of observations."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table
from cxflow.errors import ConfigError
from cxflow.kpis.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cxflow.kpis.kpi import Kpi
    from cxflow.kpis.read import KpiValue

# The names of kpis.cells, which would bring SQLAlchemy along.
By = Literal["channel", "source", "segment"]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, rich_help_panel="Look")(kpis)


def kpis(
    call: Call,
    name: Annotated[str | None, typer.Argument(help="One KPI; all of them unless given.")] = None,
    by: Annotated[By | None, typer.Option(help="Sliced by this.")] = None,
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
    if listed:
        _list(call, {key: kpi for key, kpi in known.items() if name in (None, key)})
        return
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
    asked_for = any((by, grain, since, until, as_of))
    none = "no values of that" if asked_for else "no values yet; `cxflow run` computes them"
    call.out.answer(data, shown if rows else none)


def _values(
    call: Call,
    known: Mapping[str, Kpi],
    name: str | None,
    grain: Grain | None,
    by: By | None,
    edges: tuple[date | None, date | None],
    as_of: datetime | None,
) -> list[KpiValue]:
    """The values asked for. Without a grain: the whole time or, for a KPI that lacks it, its widest grain."""
    from cxflow.kpis import read
    from cxflow.store import engine, schema

    wanted = [name] if name else list(known)
    with engine.reading(call.settings) as connection:
        schema.require(connection)
        return [
            value
            for kpi in wanted
            for value in read.values(
                connection, kpi, grain or known[kpi].grains[-1], by, edges[0], edges[1], as_of
            )
            if value.n
        ]


def _list(call: Call, known: Mapping[str, Kpi]) -> None:
    data = [
        {
            "kpi": kpi.name,
            "version": kpi.version,
            "title": kpi.title,
            "unit": kpi.unit,
            "better": kpi.better,
            "formula": kpi.formula,
            "grains": kpi.grains,
            "dimensions": kpi.dimensions,
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
