"""Collects the lines that are no record, for the sink. Their text stays in DuckDB, not in Python's memory."""

from __future__ import annotations

from datetime import datetime

import duckdb
from cxflow import Sink

_CHUNK = 5_000


class Malformed:
    """Lines of one run that could not be read."""

    def __init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")
        self._database.execute(
            "CREATE TABLE malformed "
            "(_origin VARCHAR, _received_at TIMESTAMPTZ, reason VARCHAR, payload VARCHAR)"
        )
        self._rows: list[tuple[str, datetime, str, str]] = []
        self._kept = False

    def add(self, origin: str, received_at: datetime, reason: str, line: bytes = b"") -> None:
        """Keep a line, with the file it is from and that file's last change."""
        text = line.decode("utf-8", "replace").rstrip("\r\n").replace("\x00", "\ufffd")
        self._rows.append((origin, received_at, reason, text))
        if len(self._rows) >= _CHUNK:
            self._flush()

    def land(self, sink: Sink) -> None:
        """Hand everything to the sink."""
        self._flush()
        if self._kept:
            sink.malformed(
                self._database, "SELECT _origin, _received_at, reason, payload FROM malformed ORDER BY rowid"
            )
        self._database.close()

    def _flush(self) -> None:
        if self._rows:
            self._database.execute(
                "INSERT INTO malformed SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])::TIMESTAMPTZ, "
                "unnest($3::VARCHAR[]), unnest($4::VARCHAR[])",
                [
                    [row[0] for row in self._rows],
                    [row[1].isoformat() for row in self._rows],
                    [row[2] for row in self._rows],
                    [row[3] for row in self._rows],
                ],
            )
            self._kept = True
            self._rows = []
