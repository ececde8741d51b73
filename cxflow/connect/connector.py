"""What every connector is: it declares its streams, checks its connection and reads one window of a stream.

`extract` pulls what `read` yields. A connector knows nothing of landing, conforming, validating or loading, and
keeps no state: what it must remember is the cursor that it returns.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, cast, get_args, get_origin

from pydantic import ValidationError
from typing_extensions import TypeVar, get_original_bases

from cxflow.connect import templates
from cxflow.errors import ConfigError, FatalError
from cxflow.model.dataset import Dataset
from cxflow.model.reading import Checkpoint, Cursor, Reading
from cxflow.model.stream import Projection, Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Settings, explain, nearest

ConnectionT = TypeVar("ConnectionT", bound=Connection, default=Any)
StreamT = TypeVar("StreamT", bound=Stream, default=Any)


class Connector(ABC, Generic[ConnectionT, StreamT]):
    """A kind of source. Subclasses declare the class attributes and write `read` (and `plan`).

    `Connector[DeskConnection, DeskStream]` names the models of its settings, and gives `self.connection` and each
    stream their types; what is left out is a plain `Connection` or `Stream`.
    """

    name: ClassVar[str]
    """What `connector = "…"` says in `cxflow.toml`."""
    title: ClassVar[str]
    """One line on what it reads."""
    connection_model: ClassVar[type[Connection]] = Connection
    """Its settings: the first of the class's types."""
    stream_model: ClassVar[type[Stream]] = Stream
    """A stream's settings: the second."""
    declared: ClassVar[tuple[Stream, ...]] = ()
    """The streams it knows by itself; `cxflow.toml` may change any of their fields."""
    distribution: ClassVar[str] = "cxflow-framework"
    """The installed package it comes with, for its version."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Raises ConfigError where a stream's declaration is not valid."""
        self.settings = settings
        self.connection = cast("ConnectionT", connection)
        self.all_streams = cast("dict[str, StreamT]", self._streams())
        """Also those that `only` leaves out: a child stream needs its parent, as `cxflow.toml` changes it."""
        self.streams = {name: self.all_streams[name] for name in connection.only or self.all_streams}

    def __init_subclass__(cls) -> None:
        """Takes the models of the settings from `Connector[…]`."""
        super().__init_subclass__()
        for base in get_original_bases(cls):
            kind = get_origin(base)
            is_ours = isinstance(kind, type) and issubclass(kind, Connector)
            for model in get_args(base) if is_ours else ():
                if isinstance(model, type) and issubclass(model, Connection):
                    cls.connection_model = model
                elif isinstance(model, type) and issubclass(model, Stream):
                    cls.stream_model = model

    @classmethod
    def version(cls) -> str:
        """The version of its distribution, for manifests and the ledger."""
        try:
            return importlib.metadata.version(cls.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    def stream(self, name: str) -> StreamT:
        """One of its streams. Raises ConfigError with the nearest name."""
        if name not in self.streams:
            raise ConfigError(
                f"there is no stream {name!r}{nearest(name, self.streams)}",
                connection=self.connection.name,
                value=name,
            )
        return self.streams[name]

    def check(self, stream: StreamT) -> None:
        """Check that the stream can be read now: paths, credentials, rights.

        Raises ConfigError or SourceError. Reads no record. Called by `cxflow doctor` and before every
        extraction.
        """

    def columns(self, stream: StreamT, *, offline: bool = False) -> Sequence[str] | None:  # noqa: ARG002
        """The names of the raw columns that a reading would give; None if they cannot be told cheaply.

        `cxflow lint` (with `offline`: no network, no database) and `cxflow doctor` compare them with the mapping. Reads
        no record. Raises ConfigError or SourceError for what `read` would refuse.
        """
        return None

    def remarks(self, stream: StreamT) -> list[str]:  # noqa: ARG002
        """What to know about a stream that can be read, one sentence per item, such as a setting that does not fit the
        source. Shown by `cxflow doctor` after `check`; must be quick, and quote no record."""
        return []

    def plan(self, stream: StreamT, window: Window, cursor: Cursor | None) -> list[str]:  # noqa: ARG002
        """What `read` would read, one line per item, for `cxflow run --dry-run`."""
        return [f"{stream.name} of {window}"]

    def datasets(self, stream: StreamT) -> list[Dataset]:
        """What the stream is read from, by OpenLineage's naming rules: as other tools call it. Opens nothing, and names
        no credential and no query string. The default names the stream itself."""
        return [Dataset(f"cxflow://{self.settings.project.name}", f"{self.connection.name}.{stream.name}")]

    def available(self, stream: StreamT) -> str | None:  # noqa: ARG002
        """Between which times (or cursor values) there is something to read, as a clause; None if that is not known.

        `cxflow backfill` shows it if its window held nothing: a window goes by the time of delivery or change, which is
        easily taken for the time of the event. Reads no record.
        """
        return None

    @abstractmethod
    def read(self, stream: StreamT, window: Window, cursor: Cursor | None) -> Reading:
        """Yield the records of the stream's window, and return the next cursor.

        A scheduled run passes the last cursor ({} in the first run). A backfill passes None, reads the whole window
        regardless of earlier runs, and ignores the returned cursor. There is no batch unless reading runs to its end;
        pages up to a checkpoint are kept for `resume`. Raise TransientError if a retry may help, SourceError if not. A
        text that is not a record is a `Reject` of its page.
        """

    def sample(self, stream: StreamT, window: Window, cursor: Cursor | None) -> Reading:
        """Yield a window's first records, for `cxflow read` and dry runs, which stop after some of them.

        The default reads as a run does. Override it if that asks a service for more than the records that are wanted:
        for a page ahead, or for all parents before the first child. The order of records is free.
        """
        return self.read(stream, window, cursor)

    def resume(
        self,
        stream: StreamT,
        window: Window,  # noqa: ARG002
        cursor: Cursor | None,  # noqa: ARG002
        checkpoint: Checkpoint,  # noqa: ARG002
    ) -> Reading:
        """Yield the records after the page with this checkpoint, and return the next cursor.

        Window and cursor are those of the interrupted `read`. Required of connectors that yield checkpoints. Raise
        StaleCheckpointError if the service no longer knows the checkpoint: cxflow then drops the kept pages and calls
        `read`.
        """
        raise FatalError(
            f"the connector {self.name} yields checkpoints and cannot resume from one",
            stream=stream.name,
            fix="it needs a method resume(stream, window, cursor, checkpoint); please tell its author",
        )

    def reads_anew(self, stream: StreamT, cursor: Cursor) -> bool:  # noqa: ARG002
        """Whether the records before this cursor were read under other settings, so that a scheduled run reads them
        again. The raw schema known so far then counts no more."""
        return False

    def is_windowed(self, stream: StreamT) -> bool:  # noqa: ARG002
        """Whether a window limits what is read. False for a list that is always read whole."""
        return True

    @property
    def can_resume(self) -> bool:
        """Whether its class overrides `resume`."""
        return type(self).resume is not Connector.resume

    def known_streams(self) -> Sequence[Stream]:
        """The streams it knows by itself. Override it if they depend on the connection's settings."""
        return self.declared

    def _streams(self) -> dict[str, Stream]:
        known = {stream.name: stream for stream in self.known_streams()}
        changes = self.connection.streams
        streams: dict[str, Stream] = {}
        for name in [*known, *(name for name in changes if name not in known)]:
            own = templates.completed(
                self.settings.templates, self.connection.name, name, changes.get(name, {})
            )
            if "name" in own:
                raise ConfigError(
                    f"connections.{self.connection.name}.streams.{name}.name: unknown setting; a stream's name is "
                    "its table's",
                    connection=self.connection.name,
                    stream=name,
                )
            base = _settings(known[name]) if name in known else {}
            try:
                streams[name] = self.stream_model.model_validate(
                    {**templates.merged(base, own), "name": name},
                    context={"folder": self.settings.folder},
                )
            except ValidationError as problem:
                text = explain(
                    problem, self.stream_model, f"connections.{self.connection.name}.streams.{name}"
                )
                if template := changes.get(name, {}).get(templates.KEY):
                    text += f"\n(what that table does not say is in templates.{template})"
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
        return streams


def _settings(stream: Stream) -> dict[str, Any]:
    """A stream's settings as `cxflow.toml` would have them; a table with one projection in the short form."""
    found = {name: getattr(stream, name) for name in stream.model_fields_set}
    if "to" in found:
        found["to"] = {
            table: _short(projections[0]) if len(projections) == 1 else projections
            for table, projections in stream.to.items()
        }
    return found


def _short(projection: Projection) -> dict[str, str]:
    others = {"where": projection.where, "for_each": projection.for_each}
    return {**projection.columns, **{name: text for name, text in others.items() if text is not None}}
