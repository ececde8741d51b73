"""`cxflow lint`: finds the faults of cxflow.toml without reading a record, and rows that an earlier mapping made."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from cxflow.cli import outcome
from cxflow.cli.call import Call, command
from cxflow.cli.options import Names
from cxflow.errors import ConfigError, CxflowError

if TYPE_CHECKING:
    from cxflow.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Check")(lint)


def lint(call: Call, connections: Names = None) -> None:
    """Check cxflow.toml: settings, mappings, expectations, and columns against the headers of local files.

    Reports every fault; reads no records.
    """
    from cxflow import sources
    from cxflow.cli import project
    from cxflow.cli.faults import faults
    from cxflow.connect import registry, templates
    from cxflow.kpis import catalogue
    from cxflow.warehouse import transactions

    settings = call.settings
    registry.of_project(settings)  # if its plugins do not load, everything else is a fault
    for check in (transactions.database, catalogue.of_project):
        try:
            check(settings)
        except ConfigError as problem:
            call.fail(problem)
    checked = []
    for connection, wanted in project.chosen(settings, connections or ()).items():
        found = [
            fault for fault in faults(settings, connection) if not wanted or fault.stream in (None, *wanted)
        ]
        for fault in found:
            call.fail(fault)
        if not found:
            for stream in wanted or sources.open_connection(settings, connection, offline=True).streams:
                try:
                    sources.check_columns(settings, connection, stream, offline=True)
                except CxflowError as problem:
                    call.fail(problem)
                else:
                    checked.append(f"{connection}.{stream}")
    old = _outdated(settings, checked)
    said = {name: sources.remarks(settings, *name.split(".", 1)) for name in checked}
    remarks = {name: each for name, each in said.items() if each}
    unused = templates.unused(settings)
    call.out.report(
        {
            "ok": not call.failed,
            "checked": checked,
            "outdated": old,
            "remarks": remarks,
            "unused_templates": unused,
        },
        *(f"✓ {name}" for name in checked),
        *(f"{name}: {remark}" for name, each in remarks.items() for remark in each),
        *(f"templates.{name}: no stream uses it" for name in unused),
        *(f"{name}: {outcome.outdated(name, records)}" for name, records in old.items()),
    )


def _outdated(settings: Settings, streams: list[str]) -> dict[str, int]:
    """Streams with loaded records that an earlier mapping made. Nothing, if there is no warehouse to ask."""
    from cxflow import sources

    places = [(connection, stream) for connection, _, stream in (name.partition(".") for name in streams)]
    with suppress(CxflowError):
        return {".".join(place): records for place, records in sources.outdated(settings, places).items()}
    return {}
