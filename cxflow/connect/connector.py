"""What every connector is: it declares its streams, checks its connection and reads one window of a stream.

`extract` calls `read` with a sink of the landing zone. A connector knows nothing of conforming, validating or
loading, and keeps no state: what it must remember is the cursor that it returns.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

import duckdb
from pydantic import ValidationError

from cxflow.errors import ConfigError
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Settings, explain, nearest

Cursor = dict[str, Any]
"""What a stream remembers between scheduled runs: JSON, in the connector's own words."""


class Sink(Protocol):
    """Where a connector puts what it reads. Nothing is kept unless `read` returns.

    Who wants to see only the first records ends the reading by an exception: let it pass, and close what is open.
    """

    def records(self, records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime) -> None:
        """Land JSON-like records, in chunks, as they come.

        `origin` says where they are from (an endpoint, a file), `received_at` when the source delivered them.
        """

    def query(self, database: duckdb.DuckDBPyConnection, sql: str, *, record_bytes: int = 0) -> int:
        """Land what a DuckDB query yields, without passing through Python; returns how many records that were.
        `record_bytes` is the length of the longest, where that is known: of long ones fewer are held in memory.

        It yields the raw columns (or one text column `_payload`, holding JSON) and `_origin`, `_received_at`.
        """

    def malformed(self, database: duckdb.DuckDBPyConnection, sql: str) -> int:
        """Land what could not even be read as a record: `_origin`, `_received_at`, `reason`, `payload`, and `raw`
        where the text of the payload is not all there was: its bytes. Returns how many there were.

        They count as extracted and go to quarantine under the rule `malformed`.
        """

    def counted(self, records: int, *, origin: str, place: str = "", remark_none: bool = False) -> None:
        """Say how many records an origin holds, counted by other means than those that read them: line ends, a
        format's own metadata, `count(*)` in the same snapshot.

        A batch lands only if exactly as many records and malformed ones of that origin did. `place` says which
        piece of the origin was counted (a byte range), for the error. With `remark_none` the load's report tells of
        an origin without records: of a file that is not empty.
        """


class Connector(ABC):
    """A kind of source. Subclasses declare the class attributes and write `read` (and `plan`)."""

    name: ClassVar[str]
    """What `connector = "…"` says in `cxflow.toml`."""
    title: ClassVar[str]
    """One line on what it reads."""
    connection_model: ClassVar[type[Connection]] = Connection
    """Its settings: `Connection` with fields of its own."""
    stream_model: ClassVar[type[Stream]] = Stream
    """A stream's settings: `Stream` with fields of its own."""
    declared: ClassVar[tuple[Stream, ...]] = ()
    """The streams it knows by itself; `cxflow.toml` may change any of their fields."""
    distribution: ClassVar[str] = "cxflow-framework"
    """The installed package it comes with, for its version."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Raises ConfigError where a stream's declaration is not valid."""
        self.settings = settings
        self.connection = connection
        self.streams: dict[str, Stream] = self._streams()

    @classmethod
    def version(cls) -> str:
        """The version of its distribution, as manifests and the ledger keep it."""
        try:
            return importlib.metadata.version(cls.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    def stream(self, name: str) -> Stream:
        """One of its streams. Raises ConfigError with the nearest name."""
        if name not in self.streams:
            raise ConfigError(
                f"there is no stream {name!r}{nearest(name, self.streams)}",
                connection=self.connection.name,
                value=name,
            )
        return self.streams[name]

    def check(self, stream: Stream) -> None:  # noqa: B027  a connector with nothing to check is complete
        """Whether the stream could be read now: paths, credentials, rights.

        Raises ConfigError or SourceError. Reads no record. Called by `cxflow doctor` and before every
        extraction.
        """

    def plan(self, stream: Stream, window: Window, cursor: Cursor | None) -> list[str]:  # noqa: ARG002
        """What `read` would read, a line each, for `cxflow run --dry-run`."""
        return [f"{stream.name} of {window}"]

    @abstractmethod
    def read(self, stream: Stream, window: Window, cursor: Cursor | None, sink: Sink) -> Cursor:
        """Read the stream's window into the sink and return the next cursor.

        A scheduled run passes the last cursor ({} at the first run); a backfill passes None, reads the window
        whole whatever was read before, and what it returns is not kept. Raises TransientError where trying
        again may help, SourceError where it will not.
        """

    def _streams(self) -> dict[str, Stream]:
        known = {stream.name: stream for stream in self.declared}
        changes = self.connection.streams
        streams: dict[str, Stream] = {}
        for name in [*known, *(name for name in changes if name not in known)]:
            if "name" in changes.get(name, {}):
                raise ConfigError(
                    f"connections.{self.connection.name}.streams.{name}.name: unknown setting; a stream's name is "
                    "its table's",
                    connection=self.connection.name,
                    stream=name,
                )
            base = known[name].model_dump(exclude_unset=True) if name in known else {}
            try:
                streams[name] = self.stream_model.model_validate(
                    {**base, **changes.get(name, {}), "name": name},
                    context={"folder": self.settings.folder},
                )
            except ValidationError as problem:
                text = explain(
                    problem, self.stream_model, f"connections.{self.connection.name}.streams.{name}"
                )
                if name not in known and known:
                    text += f"\n(the connector {self.name} has no stream {name!r}{nearest(name, known)})"
                raise ConfigError(text, connection=self.connection.name, stream=name) from problem
        for name in self.connection.only:
            if name not in streams:
                raise ConfigError(
                    f"only names the stream {name!r}, which is not there{nearest(name, streams)}",
                    connection=self.connection.name,
                    value=name,
                )
        return {name: streams[name] for name in self.connection.only or streams}
