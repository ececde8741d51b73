"""Every fault of a project's connections, found without reading a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cxflow import flow
from cxflow.connect import registry
from cxflow.errors import CxflowError
from cxflow.settings import Settings

if TYPE_CHECKING:
    from cxflow.cli.call import Call


def faults(settings: Settings, connection: str) -> Iterator[CxflowError]:
    """What is wrong with a connection: the first fault of each of its streams, or of the connection."""
    try:
        flow.lint(settings, connection)
    except CxflowError as first:
        told = set()
        for stream in _declared(settings, connection):
            try:
                flow.lint(_alone(settings, connection, stream), connection)
            except CxflowError as problem:
                if str(problem) not in told:
                    told.add(str(problem))
                    yield problem
        if not told:
            yield first


def _declared(settings: Settings, connection: str) -> list[str]:
    """The names of a connection's streams, as far as they can be told of a faulty one."""
    table = settings.connections[connection]
    kind = registry.connectors(registry.of_project(settings)).get(table.get("connector", ""))
    changes = table.get("streams")
    names = [stream.name for stream in kind.declared] if kind else []
    names += [name for name in changes if name not in names] if isinstance(changes, dict) else []
    return [name for name in names if name in table.get("only", names)]


def _alone(settings: Settings, connection: str, stream: str) -> Settings:
    """The settings as if a connection had only one stream."""
    table = settings.connections[connection]
    changes = table.get("streams", {})
    alone = {**table, "streams": {stream: changes[stream]} if stream in changes else {}, "only": [stream]}
    return settings.model_copy(update={"connections": {**settings.connections, connection: alone}})


def ready(call: Call, chosen: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The streams to load: those without a fault. A fault is told before anything is read."""
    ready = []
    for connection, wanted in chosen.items():
        found = list(faults(call.settings, connection))
        faulty = {problem.stream for problem in found}
        told = [problem for problem in found if not wanted or problem.stream in (None, *wanted)]
        for problem in told:
            call.fail(problem)
        if None in faulty:
            continue
        try:
            connector = flow.open_connection(call.settings, connection)
            names = [connector.stream(name).name for name in wanted or connector.streams]
        except CxflowError as problem:
            if not told:
                call.fail(problem)
            continue
        ready += [(connection, name) for name in names if name not in faulty]
    return ready
