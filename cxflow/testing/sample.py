"""The sample of a connector: its source, its service and its project, shared by the checks of one suite."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from cxflow import flow, sources
from cxflow.connect.connector import Connector
from cxflow.connect.http.budget import Budget
from cxflow.connect.http.stream import RestStream
from cxflow.load.batch import LoadReport
from cxflow.model.reading import Checkpoint, Cursor
from cxflow.model.window import Window
from cxflow.testing import faults, pulled
from cxflow.testing.project import TestProject
from cxflow.testing.pulled import Pulled

Source = Callable[[Path], None]
"""Writes the sample source into the project's folder (or starts a server for it)."""

NewWarehouse = Callable[[], Mapping[str, Any]]
"""Creates an empty database, and returns the `[warehouse]` of a project that uses it."""

NAME = "sample"
"""The connection."""
_MOST_STREAMS = 3


@dataclass(frozen=True)
class Kit:
    """What a plugin's author gives."""

    connection: Mapping[str, Any] | Callable[[str], Mapping[str, Any]]
    source: Source
    service: Callable[[], Any] | None
    project: Mapping[str, Any]
    environment: Mapping[str, str]
    end: datetime | None

    def configuration(self, url: str) -> dict[str, Any]:
        """The project, its connection leading to the service at this address, if it is one to a service."""
        if callable(self.connection):
            found = dict(self.connection(url))
        else:
            found = dict(self.connection) | ({"base_url": url, "private_network": True} if url else {})
        return {**self.project, "connections": {NAME: found}}


@dataclass
class Sample:
    """What the checks share. Everything is read and loaded once, when a check first needs it."""

    kit: Kit
    new_folder: Callable[[], Path]
    new_warehouse: NewWarehouse
    url: str
    """Where the proxy before the service is; "" if there is none."""
    _proxy: faults.FaultyProxy | None = None
    _whole: dict[str, Pulled] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.end = self.kit.end or datetime.now(UTC)
        """Of all windows."""

    @cached_property
    def project(self) -> TestProject:
        """A project that has loaded nothing yet, or what `loaded` says."""
        return self.new_project()

    def new_project(self) -> TestProject:
        """A further project with the same source."""
        folder = self.new_folder()
        self.kit.source(folder)
        return TestProject(folder, self.kit.configuration(self.url), warehouse=self.new_warehouse())

    @property
    def proxy(self) -> faults.FaultyProxy:
        """Between the connector and the service."""
        assert self._proxy is not None
        return self._proxy

    @property
    def streams(self) -> list[str]:
        """Their names."""
        return flow.streams(self.project.settings, NAME)

    def connector(self) -> Connector:
        """The connector, as a new process has it."""
        return sources.open_connection(self.project.settings, NAME)

    def whole(self, stream: str) -> Pulled:
        """Everything of a stream."""
        if stream not in self._whole:
            self._whole[stream] = self.read(stream)
        return self._whole[stream]

    def read(
        self,
        stream: str,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        cursor: Cursor | None = None,
        after: Checkpoint | None = None,
        checkpoints: int | None = None,
    ) -> Pulled:
        """Read a window in memory, with a new connector; `after` a checkpoint, or up to so many `checkpoints`."""
        connector = self.connector()
        asked = (connector.stream(stream), Window(start, end or self.end), cursor)
        reading = connector.read(*asked) if after is None else connector.resume(*asked, after)
        return pulled.pull(reading, checkpoints)

    @cached_property
    def middle(self) -> datetime:
        """An instant amid the sample's times."""
        points = [at for stream in self.streams for at in pulled.turning_points(self.whole(stream), self.end)]
        return sorted(points)[len(points) // 2] if points else self.end

    @cached_property
    def largest(self) -> list[str]:
        """The streams with most records: those that a costly check takes."""
        return sorted(self.streams, key=lambda stream: -len(self.whole(stream).records))[:_MOST_STREAMS]

    @cached_property
    def loaded(self) -> list[dict[str, LoadReport]]:
        """Scheduled runs: of the largest streams up to the middle of the sample's times, and of all up to its end."""
        first: dict[str, LoadReport] = {}
        for stream in (each for each in self.streams if each in self.largest):
            first |= self.project.run(NAME, stream, end=self.middle)
        return [first, self.project.run(end=self.end)]

    @cached_property
    def digest(self) -> dict[str, str]:
        """What was loaded."""
        assert self.loaded
        return self.project.digest()

    @cached_property
    def backfilled(self) -> TestProject:
        """Another project, whose warehouse was filled by one backfill."""
        other = self.new_project()
        other.run(mode="backfill", end=self.end)
        return other

    @cached_property
    def personal_values(self) -> set[str]:
        """The values of records in columns that the streams tag as personal."""
        found: set[str] = set()
        for name, stream in self.connector().streams.items():
            for tagged in stream.pii:
                found |= pulled.values_at(self.whole(name).records, tagged.replace('"', ""))
        return {value for value in found if len(value) > 5}

    def tells_of_a_person(self, what: Any) -> bool:
        """Whether something, as JSON, holds a personal value."""
        told = json.dumps(what, default=str, ensure_ascii=False)
        return any(value in told for value in self.personal_values)

    @contextmanager
    def faulty(
        self, fault: faults.Fault | None, *, stays: bool = False, stream: str | None = None
    ) -> Iterator[faults.FaultyProxy]:
        """The same service with a fault. For a `stream`: it answers no more requests than any honest reading needs, and
        lists of different parents are different lists."""
        most, apart = None, frozenset[str]()
        if stream is not None:
            whole, declared = self.whole(stream), self.connector().stream(stream)
            most = 50 + 20 * len(whole.checkpoints) + 4 * len(whole.records)
            for call in declared.calls if isinstance(declared, RestStream) else ():
                apart |= {name for name, value in call.params.items() if "{parent" in value}
        self.proxy.set(fault, stays=stays, most=most, apart=apart)
        try:
            yield self.proxy
        finally:
            self.proxy.set()


@contextmanager
def opened(kit: Kit, new_folder: Callable[[], Path], new_warehouse: NewWarehouse = dict) -> Iterator[Sample]:
    """The sample, for the block: with its environment, and its service behind a proxy. Nothing waits: there is no
    budget, and no pause between tries."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in kit.environment.items():
            patch.setenv(name, value)
        proxy, url = None, ""
        if kit.service is not None:
            from cxflow.testing.service import served, without_pauses

            patch.setattr(Budget, "reserve", lambda *_: 0.0)
            proxy = faults.FaultyProxy(kit.service())
            stack.enter_context(without_pauses())
            url = stack.enter_context(served(proxy))
        yield Sample(kit, new_folder, new_warehouse, url, proxy)
