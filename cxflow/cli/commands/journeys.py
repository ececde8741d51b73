"""`cxflow journeys`: shows the most frequent ways to a purchase, to a complaint, and to leaving."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxflow.cli.call import Call, command
from cxflow.cli.output import table

if TYPE_CHECKING:
    from cxflow.kpis.experience.paths import Path, Paths, Step


class _Goal(StrEnum):
    purchase = "purchase"
    complaint = "complaint"
    leaving = "leaving"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Inspect")(journeys)


def journeys(
    call: Call,
    before: Annotated[_Goal, typer.Option(help="What the journeys lead to.")],
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="End day, exclusive.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many paths.")] = 10,
) -> None:
    """Show the most frequent last steps before customers bought, complained or left, and the time between."""
    from cxflow.cli import project, warehouse
    from cxflow.kpis.experience import paths
    from cxflow.warehouse import revisions, transactions

    settings = call.settings
    first, end = (
        project.instant(settings, text, option) if text else None
        for text, option in ((since, "--since"), (until, "--until"))
    )
    warehouse.require(settings)
    few = settings.kpis.min_n
    with transactions.reading(settings) as connection:
        revisions.require(connection)
        found = paths.read(connection, before.value, min_customers=few, most=most, since=first, until=end)
    call.out.answer(_as_json(found), *_parts(found, few))


def _parts(found: Paths, few: int) -> list[Any]:
    """For people: the table of paths, and how many journeys there are."""
    leaving = found.before == "leaving"
    if not found.journeys:
        return ["nobody left" if leaving else f"nothing led to a {found.before}"]
    rows = [
        (f"{path.journeys / found.journeys:.1%}", path.journeys, path.customers, _way(path))
        for path in found.paths
    ]
    title = "Before leaving" if leaving else f"Before a {found.before}"
    counted = f"{found.journeys:,} journeys of {found.customers:,} customers"
    if found.others:
        counted += (
            f", {found.others:,} of them on rarer paths; those of fewer than {few} customers are not shown"
        )
    return [*([table(title, ("share", "journeys", "customers", "path"), rows)] if rows else []), counted]


def _way(path: Path) -> str:
    """`opened_campaign (email) → 3 h → visited_page (web) → 20 min`."""
    found = []
    for number, step in enumerate(path.steps):
        found.append(_step(step))
        if number < len(path.hours):
            found.append(_duration(path.hours[number]))
    return " → ".join(found) or "nothing in the 30 days before"


def _step(step: Step) -> str:
    return f"{step.activity} ({step.channel})" if step.channel else step.activity


def _duration(hours: float | None) -> str:
    """A time in its largest unit that leaves more than one of it."""
    if hours is None:
        return "?"
    if hours >= 48:
        return f"{hours / 24:,.0f} d"
    return f"{hours:.0f} h" if hours >= 1 else f"{60 * hours:.0f} min"


def _as_json(found: Paths) -> dict[str, Any]:
    return {
        "before": found.before,
        "journeys": found.journeys,
        "customers": found.customers,
        "others": found.others,
        "paths": [
            {
                "steps": [
                    {
                        "activity": step.activity,
                        "channel": step.channel,
                        "hours_to_next": path.hours[number] if number < len(path.hours) else None,
                    }
                    for number, step in enumerate(path.steps)
                ],
                "journeys": path.journeys,
                "customers": path.customers,
                "share": path.journeys / found.journeys,
            }
            for path in found.paths
        ],
    }
