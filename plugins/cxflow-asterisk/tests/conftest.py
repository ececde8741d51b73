"""A PBX's log folder, a connection to it, and a sink that keeps what lands."""

from __future__ import annotations

import gzip
import importlib.metadata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from cxflow import Connection, Cursor, Settings, Stream, Window

from cxflow_asterisk.connector import Asterisk, AsteriskConnection

try:
    importlib.metadata.version("cxflow-asterisk")
    PLUGINS: dict[str, Any] = {}
except importlib.metadata.PackageNotFoundError:
    # Only on the path: then a project has to name it.
    PLUGINS = {"plugins": ["cxflow_asterisk"]}

ALWAYS = Window(None, datetime(2100, 1, 1, tzinfo=UTC))


class FakeSink:
    """Satisfies cxflow's Sink."""

    def __init__(self) -> None:
        self.landed: list[dict[str, Any]] = []
        self.origins: list[str] = []
        self.refused: list[tuple[str, str]] = []

    def records(self, records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime) -> None:
        assert received_at.tzinfo is not None
        records = list(records)
        assert records, "what is empty need not land"
        for record in records:
            self.landed.append(dict(record))
            self.origins.append(Path(origin).name)

    def query(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        raise AssertionError("this connector lands records")

    def malformed(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        rows = database.execute(sql).fetchall()
        assert all(len(row) == 4 and row[1].tzinfo is not None for row in rows)
        self.refused += [(row[2], row[3]) for row in rows]

    @property
    def ids(self) -> list[str]:
        return [record["id"] for record in self.landed]


class Pbx:
    """A server's log folder and what reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {"timezone": "Europe/London"}
        self.streams: dict[str, dict[str, Any]] = {}
        self.cursor: Cursor = {}

    def write(self, *lines: str, to: str = "queue_log", end: str = "\n") -> None:
        """Append lines, as Asterisk does."""
        path = self.folder / to
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as log:
            log.write(("\n".join(lines) + end).encode("utf-8", "surrogateescape"))

    def rename(self, old: str, new: str) -> None:
        (self.folder / old).rename(self.folder / new)

    def pack(self, name: str) -> None:
        path = self.folder / name
        with gzip.open(f"{path}.gz", "wb") as packed:
            packed.write(path.read_bytes())
        path.unlink()

    def connector(self) -> Asterisk:
        connection: Connection = AsteriskConnection.model_validate(
            {
                "name": "pbx",
                "connector": "asterisk",
                "root": str(self.folder),
                "streams": self.streams,
                **self.settings,
            }
        )
        return Asterisk(Settings(), connection)

    def stream(self, name: str = "queue_calls") -> Stream:
        return self.connector().stream(name)

    def scheduled(self, name: str = "queue_calls", window: Window = ALWAYS) -> FakeSink:
        """A scheduled run: what it lands; the cursor is kept for the next."""
        sink = FakeSink()
        connector = self.connector()
        self.cursor = connector.read(connector.stream(name), window, self.cursor, sink)
        return sink

    def backfill(self, name: str = "queue_calls", window: Window = ALWAYS) -> FakeSink:
        sink = FakeSink()
        connector = self.connector()
        connector.read(connector.stream(name), window, None, sink)
        return sink


@pytest.fixture
def pbx(tmp_path: Path) -> Pbx:
    folder = tmp_path / "asterisk"
    folder.mkdir()
    return Pbx(folder)
