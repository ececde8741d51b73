"""A folder of exports, read by the built-in connector `files` into a landing zone, no warehouse needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.extract import extract
from cxflow.landing import files, zone
from cxflow.model.reading import Cursor
from cxflow.model.window import Window
from cxflow.settings import Settings, load
from cxflow.testing.project import as_toml

DAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""When files are delivered, unless a test says otherwise."""

OWN = ("_payload", "_row", "_origin", "_received_at")


@dataclass(frozen=True)
class Landed:
    """What an extraction landed."""

    records: list[dict[str, Any]]
    """The records' own columns, in order."""
    payloads: list[str]
    """The JSON records, in order."""
    malformed: list[tuple[str, str]]
    """Reason and raw line."""
    origins: list[str]
    """The file names of the records, in order, each once."""
    received: list[datetime]
    """When the records were delivered, in order."""
    manifest: zone.Manifest

    @property
    def cursor(self) -> Cursor:
        return self.manifest.cursor

    @property
    def ids(self) -> list[Any]:
        return [record["id"] for record in self.records]


class Drop:
    """A drop folder and a stream over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exports = folder / "exports"
        self.exports.mkdir()

    def write(self, name: str, content: str | bytes, at: datetime = DAY) -> Path:
        """A file, delivered at a time. Text is written as UTF-8, line ends as they are."""
        path = self.exports / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def settings(self, path: str | list[str], connection: dict[str, Any], **stream: Any) -> Settings:
        declared = {
            "path": path,
            "primary_key": ["id"],
            "to": {
                "touchpoint": {"activity": "'wrote_review'", "channel": "'web'", "occurred_at": "happened"}
            },
            **stream,
        }
        table = {"connector": "files", "root": "exports", **connection, "streams": {"reviews": declared}}
        (self.folder / "cxflow.toml").write_text(as_toml({"connections": {"shop": table}}), encoding="utf-8")
        return load(self.folder)

    def connector(self, path: str | list[str] = "*", **stream: Any) -> Connector:
        connection = stream.pop("connection", {})
        return registry.open_connection(self.settings(path, connection, **stream), "shop")

    def land(
        self,
        path: str | list[str] = "*",
        *,
        cursor: Cursor | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        **stream: Any,
    ) -> Landed:
        """Extract: a scheduled run from `cursor`, or a backfill of the window where it is None."""
        connector = self.connector(path, **stream)
        window = Window(start, end or datetime.now(UTC))
        mode = "backfill" if cursor is None else "scheduled"
        batch = extract(
            connector.settings, Extraction(connector, connector.stream("reviews"), window, cursor, mode)
        )
        return landed(connector.settings, batch)


def landed(settings: Settings, batch: zone.BatchRef) -> Landed:
    """A landed batch, read back; the numbers of its rows and of its manifest agree."""
    manifest = zone.read_manifest(settings, batch)
    with zone.local_copy(settings, batch.path) as folder, duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        rows = _rows(database, files.records_in(folder)) if manifest.records > manifest.malformed else []
        bad = _rows(database, files.malformed_in(folder)) if manifest.malformed else []
    assert sorted(row["_row"] for row in rows + bad) == list(range(1, manifest.records + 1))
    assert len(bad) == manifest.malformed
    return Landed(
        [{name: value for name, value in row.items() if name not in OWN} for row in rows],
        [row["_payload"] for row in rows if "_payload" in row],
        [(row["reason"], row["payload"]) for row in bad],
        list(dict.fromkeys(row["_origin"].rsplit("/", 1)[-1] for row in rows)),
        [row["_received_at"] for row in rows],
        manifest,
    )


def _rows(database: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    found = database.execute(f"SELECT * FROM {relation} ORDER BY _row")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
