"""What the connectors of both protocols share: settings, and records as they come out of a program."""

from __future__ import annotations

import importlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from cxflow import (
    Checkpoint,
    ConfigError,
    Connection,
    Connector,
    Cursor,
    Page,
    Reading,
    Reject,
    Secret,
    SourceError,
    Stream,
    Window,
)
from pydantic import Field

from cxflow_bridge import environment
from cxflow_bridge.program import Program

_PAGE_RECORDS = 20_000
_CHECKPOINT_RECORDS = 1_000
"""Fewer records do not make a page for the sake of a state."""


class BridgedConnection(Connection):
    """A program that reads a source."""

    program: str
    """Its name in the environment: `tap-jsonl`, `source-declarative-manifest`."""
    environment: str | None = None
    """The environment that `cxflow bridge install` made; unset: named like the program."""
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The program's own settings. A secret is a table that says where it is found: `{ env = "NAME" }`. A setting that
    is a whole document, as a declared connector's manifest, is named by its file: `{ document = "manifest.yaml" }`."""
    start_setting: str = "start_date"
    """The setting that says where a first run or a backfill begins; it gets the window's start if there is one."""


@dataclass(slots=True)
class Batch:
    """Records of one stream between two states, and what the program says of them."""

    records: list[bytes] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    state: Any = None
    """The state after these records; None: none came since the last page."""


class Bridged(Connector[BridgedConnection]):
    """Runs a program for one stream, and lands what it writes for it."""

    distribution: ClassVar[str] = "cxflow-bridge"

    @abstractmethod
    def discovered(self, program: Program) -> dict[str, dict[str, Any]]:
        """The streams that the program offers: name to its entry in the catalogue."""

    @abstractmethod
    def batches(
        self, program: Program, entry: dict[str, Any], stream: Stream, config: dict[str, Any], state: Any
    ) -> Iterator[Batch]:
        """Run the program for one stream, from a state on."""

    def check(self, stream: Stream) -> None:  # noqa: ARG002
        """Check that the program is there and its secrets can be read."""
        self._program()
        self._config(None)

    def columns(self, stream: Stream, *, offline: bool = False) -> list[str] | None:
        """The columns that the program's catalogue has for the stream."""
        if offline:
            return None
        schema = self._schema(self._entry(stream))
        return list(schema.get("properties", {})) or None

    def is_windowed(self, stream: Stream) -> bool:  # noqa: ARG002
        """The program goes on from its state, whatever the window."""
        return False

    def plan(self, stream: Stream, window: Window, cursor: Cursor | None) -> list[str]:  # noqa: ARG002
        """Which program would run, and from where."""
        where = "its state" if cursor and "state" in cursor else "the beginning"
        return [f"{self.connection.program}: {stream.name} from {where}"]

    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        """From the state that the last load kept; a backfill, from the window's start."""
        return (yield from self._read(stream, window, (cursor or {}).get("state")))

    def resume(
        self,
        stream: Stream,
        window: Window,
        cursor: Cursor | None,  # noqa: ARG002
        checkpoint: Checkpoint,
    ) -> Reading:
        """From the last state whose records were kept. What the program writes again has the same keys."""
        return (yield from self._read(stream, window, checkpoint["state"]))

    def _read(self, stream: Stream, window: Window, state: Any) -> Reading:
        program, entry = self._program(), self._entry(stream)
        whole = _nulls(self._schema(entry))
        origin = f"{self.connection.program}/{stream.name}"
        is_first = True
        config = self._config(window.start if state is None else None)
        for batch in self.batches(program, entry, stream, config, state):
            if batch.state is not None:
                state = batch.state
            if batch.records and is_first:
                batch.records[0], is_first = _with_every_key(batch.records[0], whole), False
            yield Page(
                origin,
                datetime.now(UTC),
                batch.records,
                batch.rejects,
                checkpoint=None if batch.state is None else {"state": batch.state},
            )
        return {} if state is None else {"state": state}

    def _program(self) -> Program:
        connection = self.connection
        name = connection.environment or connection.program
        return Program(environment.program(self.settings, name, connection.program), {})

    def _entry(self, stream: Stream) -> dict[str, Any]:
        """The stream's entry in the catalogue. Raises ConfigError with the streams that there are."""
        found = self.discovered(self._program())
        if stream.name not in found:
            raise ConfigError(
                f"{self.connection.program} has no stream {stream.name!r}",
                stream=stream.name,
                value=stream.name,
                fix=f"it has {', '.join(sorted(found)) or 'none'}",
            )
        return found[stream.name]

    @staticmethod
    def _schema(entry: Mapping[str, Any]) -> dict[str, Any]:
        return dict(entry.get("schema") or entry.get("json_schema") or {})

    def _config(self, start: datetime | None) -> dict[str, Any]:
        """The program's settings, secrets revealed."""
        config: dict[str, Any] = _revealed(
            self.connection.config, f"connections.{self.connection.name}.config", self.settings.folder
        )
        if start is not None:
            config[self.connection.start_setting] = f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return config

    @contextmanager
    def _files(self, program: Program, **more: Any) -> Iterator[dict[str, str]]:
        config = more.pop("config", None)
        with program.files(config=self._config(None) if config is None else config, **more) as paths:
            yield paths


class Batches:
    """Collects records into batches: at a state once there are enough, or at the size of a page."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._open = Batch()
        self._came = self._said = 0

    def add(self, record: bytes) -> Iterator[Batch]:
        """A record."""
        self._came += 1
        if record.startswith(b"{"):
            self._open.records.append(record)
        else:
            self._open.rejects.append(Reject("not an object", record))
        if len(self._open.records) >= _PAGE_RECORDS:
            yield self._take()

    def state(self, state: Any, said: int | None = None) -> Iterator[Batch]:
        """A state: everything before it has been written. `said`: how many records the program says it wrote since the
        last one. Raises SourceError if others came."""
        self._open.state = state
        if said is not None:
            self._said += said
            if self._said != self._came:
                raise SourceError(
                    f"{self._program.name} says that it wrote {self._said:,} records, and {self._came:,} came",
                    value=self._program.name,
                )
        if len(self._open.records) >= _CHECKPOINT_RECORDS:
            yield self._take()

    def end(self) -> Iterator[Batch]:
        """What is left."""
        if self._open.records or self._open.rejects or self._open.state is not None:
            yield self._take()

    def _take(self) -> Batch:
        taken, self._open = self._open, Batch()
        return taken


def parsed(line: bytes, decoder: msgspec.json.Decoder[Any], program: Program) -> Any:
    """A line as a message. Raises SourceError, which quotes nothing, if it is none."""
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SourceError(
            f"{program.name} writes a line that is no message",
            value=program.name,
            fix="its version may be broken; --verbose shows what else it writes",
        ) from None


def _revealed(value: Any, where: str, folder: Path) -> Any:
    """Settings with secrets and documents in place of where they are found."""
    if isinstance(value, dict):
        if value and set(value) <= {"env", "file"} and len(value) == 1:
            return Secret.model_validate(value).reveal(where).get_secret_value()
        if set(value) == {"document"} and isinstance(value["document"], str):
            return _document(folder / value["document"], where)
        return {name: _revealed(item, f"{where}.{name}", folder) for name, item in value.items()}
    if isinstance(value, list):
        return [_revealed(item, where, folder) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _document(path: Path, where: str) -> Any:
    """A document of JSON or, if PyYAML is installed, of YAML. Raises ConfigError if it is neither."""
    try:
        text = path.read_text("utf-8")
        if path.suffix not in (".yaml", ".yml"):
            return json.loads(text)
        yaml = importlib.import_module("yaml")
    except (OSError, ValueError) as problem:
        told = problem.strerror if isinstance(problem, OSError) else "it is no JSON"
        raise ConfigError(f"{where}: {path} cannot be read: {told}", value=str(path)) from None
    except ModuleNotFoundError:
        fix = "install pyyaml beside cxflow, or write the document as JSON"
        raise ConfigError(
            f"{where}: {path} is YAML, and PyYAML is missing", value=str(path), fix=fix
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{where}: {path} cannot be read: it is no YAML", value=str(path)) from None


def _nulls(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of a schema's objects, without values."""
    return {
        name: _nulls(each) or None if isinstance(each, Mapping) else None
        for name, each in schema.get("properties", {}).items()
    }


def _with_every_key(record: bytes, keys: Mapping[str, Any]) -> bytes:
    """A record with null where it lacks a key: programs leave keys out whose value is null, and a column that no record
    has could not be told from a misspelt one."""

    def filled(value: dict[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(value)
        for name, inner in keys.items():
            if name not in found:
                found[name] = None
            elif inner and isinstance(found[name], dict):
                found[name] = filled(found[name], inner)
        return found

    return json.dumps(filled(json.loads(record), keys), ensure_ascii=False).encode()
