"""What the shell completes: names of connections, streams and KPIs of the project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cxflow.settings import Settings


def streams(context: typer.Context, incomplete: str) -> list[str]:
    """`CONNECTION` and `CONNECTION.STREAM`. A connection with a fault completes to its name alone."""
    return _beginning(incomplete, _streams(context))


def kpis(context: typer.Context, incomplete: str) -> list[str]:
    """KPIs, those of plugins too."""
    from cxflow.kpis import catalogue

    with suppress(Exception):  # a project with faults completes nothing, and its commands say why
        return _beginning(incomplete, iter(catalogue.of_project(_settings(context))))
    return []


def _streams(context: typer.Context) -> Iterator[str]:
    from cxflow.connect import registry

    with suppress(Exception):
        settings = _settings(context)
        yield from settings.connections
        for name in settings.connections:
            with suppress(Exception):
                connector = registry.open_connection(settings, name, offline=True)
                yield from (f"{name}.{stream}" for stream in connector.streams)


def _settings(context: typer.Context) -> Settings:
    from cxflow import settings as configuration
    from cxflow.cli import project

    root: dict[str, Any] = context.find_root().params
    return configuration.load(project.find(context.params.get("project") or root.get("project")))


def _beginning(incomplete: str, names: Iterator[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
