"""Finds every fault of a project's connections without reading a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cxflow import sources
from cxflow.connect import registry
from cxflow.errors import CxflowError
from cxflow.settings import Settings

if TYPE_CHECKING:
    from cxflow.cli.call import Call


def faults(settings: Settings, connection: str) -> Iterator[CxflowError]:
    """Yield the faults of a connection: the first one of each of its streams, or of the connection itself."""
    try:
        sources.lint(settings, connection)
    except CxflowError as first:
        seen = set()
        for stream in _declared(settings, connection):
            try:
                sources.lint(_single_stream(settings, connection, stream), connection)
            except CxflowError as problem:
                if str(problem) not in seen:
                    seen.add(str(problem))
                    yield problem
        if not seen:
            yield first


def _declared(settings: Settings, connection: str) -> list[str]:
    """The names of a connection's streams, as far as a faulty connection has them."""
    table = settings.connections[connection]
    kind = registry.connector(registry.of_project(settings), str(table.get("connector", "")))
    changes = table.get("streams")
    names = [stream.name for stream in kind.declared] if kind else []
    names += [name for name in changes if name not in names] if isinstance(changes, dict) else []
    return [name for name in names if name in table.get("only", names)]


def _single_stream(settings: Settings, connection: str, stream: str) -> Settings:
    """The settings with a connection reduced to one stream."""
    table = settings.connections[connection]
    changes = table.get("streams", {})
    reduced = {**table, "streams": {stream: changes[stream]} if stream in changes else {}, "only": [stream]}
    return settings.model_copy(update={"connections": {**settings.connections, connection: reduced}})


def ready(call: Call, chosen: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The (connection, stream) pairs to load: those without a fault. Faults are reported before anything is read."""
    ready = []
    for connection, wanted in chosen.items():
        found = list(faults(call.settings, connection))
        faulty = {problem.stream for problem in found}
        relevant = [problem for problem in found if not wanted or problem.stream in (None, *wanted)]
        for problem in relevant:
            call.fail(problem)
        if None in faulty:
            continue
        try:
            connector = sources.open_connection(call.settings, connection)
            names = [connector.stream(name).name for name in wanted or connector.streams]
        except CxflowError as problem:
            if not relevant:
                call.fail(problem)
            continue
        ready += [(connection, name) for name in names if name not in faulty]
    return ready
