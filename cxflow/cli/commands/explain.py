"""`cxflow explain`: what a KPI's value stands on, down to the raw records, and what moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.errors import ConfigError
from cxflow.kpis.periods import Period, parse_period

if TYPE_CHECKING:
    from cxflow.kpis.kpi import Kpi


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(explain)


def explain(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="KPI", help="The KPI.")],
    period: Annotated[
        str | None,
        typer.Option(help="2026, 2026-Q1, 2026-03, 2026-W10 or 2026-03-25; default: the whole time."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="DIMENSION=VALUE", help="One slice; with --against, DIMENSION: the slices to compare by."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="PERIOD", help="An earlier period: show what moved the value since."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Maximum number of listed events.")] = 10,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the raw records, which are personal data.")
    ] = False,
) -> None:
    """Explain a value: its components, the events behind it, and their raw records; or what moved it."""
    from cxflow.cli import kpi_movement, kpi_trace, warehouse
    from cxflow.kpis import catalogue
    from cxflow.kpis.periods import BEGINNING
    from cxflow.settings import nearest

    known = catalogue.of_project(call.settings)
    if name not in known:
        raise ConfigError(f"there is no KPI {name!r}{nearest(name, known)}", value=name)
    kpi = known[name]
    whole = Period("all", BEGINNING)
    chosen = parse_period(period) if period else whole
    warehouse.require(call.settings)
    if against is not None:
        earlier = parse_period(against, "--against")
        if chosen.grain != earlier.grain:
            raise ConfigError(
                f"--against is a {earlier.grain}, --period {'is missing' if chosen is whole else f'a {chosen.grain}'}",
                value=against,
                fix="name two periods of the same length",
            )
        dimensions = _dimensions(call, kpi, by)
        kpi_movement.show(call, kpi, earlier, chosen, dimensions)
        return
    kpi_trace.show(call, kpi, chosen, _slice(call, kpi, by), rows, reveal=reveal)


def _slice(call: Call, kpi: Kpi, by: str | None) -> tuple[str, str] | None:
    if by is None:
        return None
    dimension, equals, value = by.partition("=")
    _dimensions(call, kpi, dimension)
    if not equals or not value:
        raise ConfigError(f"--by names no value: {by!r}", value=by, fix=f"such as --by {dimension}=VALUE")
    return dimension, value


def _dimensions(call: Call, kpi: Kpi, by: str | None) -> tuple[str, ...]:
    """The dimension that is asked for, or all by which the KPI is sliced. Raises ConfigError for another one."""
    from cxflow.kpis.slicing import dimensions_of
    from cxflow.settings import nearest

    sliced = dimensions_of(kpi, call.settings)
    if by is not None and by not in sliced:
        raise ConfigError(
            f"--by: {kpi.name} is not sliced by {by!r} in this project{nearest(by, sliced)}",
            value=by,
            fix=f"it is sliced by: {', '.join(sliced) or 'nothing'}",
        )
    return sliced if by is None else (by,)
