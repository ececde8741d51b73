"""A PBX's log folder, a connection to it, and what a reading of it lands."""

from __future__ import annotations

import gzip
import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cxflow import Connection, Cursor, Page, Reading, Settings, Stream, Window

from cxflow_asterisk.connector import Asterisk, AsteriskConnection

try:
    importlib.metadata.version("cxflow-asterisk")
    PLUGINS: dict[str, Any] = {}
except importlib.metadata.PackageNotFoundError:
    # Only on the path: then a project has to name it.
    PLUGINS = {"plugins": ["cxflow_asterisk"]}

ALWAYS = Window(None, datetime(2100, 1, 1, tzinfo=UTC))


class Landed:
    """What a reading yields, as the framework would land it, and the cursor that it returns."""

    def __init__(self, reading: Reading) -> None:
        self.landed: list[dict[str, Any]] = []
        self.origins: list[str] = []
        self.refused: list[tuple[str, str]] = []
        try:
            while True:
                self._land(next(reading))
        except StopIteration as end:
            self.cursor: Cursor = end.value

    def _land(self, page: object) -> None:
        assert isinstance(page, Page), "this connector yields pages"
        assert page.received_at.tzinfo is not None
        assert page.records or page.rejects, "what is empty need not land"
        for record in page.records:
            self.landed.append(dict(record))
            self.origins.append(Path(page.origin).name)
        for reject in page.rejects:
            text = (
                reject.payload
                if isinstance(reject.payload, str)
                else reject.payload.decode("utf-8", "replace")
            )
            self.refused.append((reject.reason, text))

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

    def scheduled(self, name: str = "queue_calls", window: Window = ALWAYS) -> Landed:
        """A scheduled run: what it lands; the cursor is kept for the next."""
        connector = self.connector()
        found = Landed(connector.read(connector.stream(name), window, self.cursor))
        self.cursor = found.cursor
        return found

    def backfill(self, name: str = "queue_calls", window: Window = ALWAYS) -> Landed:
        connector = self.connector()
        return Landed(connector.read(connector.stream(name), window, None))


@pytest.fixture
def pbx(tmp_path: Path) -> Pbx:
    folder = tmp_path / "asterisk"
    folder.mkdir()
    return Pbx(folder)
