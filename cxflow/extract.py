"""One stream, one window -> one landed raw batch. Called by `flow`."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import PurePath

import duckdb

from cxflow.connect.connector import Connector
from cxflow.landing import files, inference, zone
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.reading import Cursor, Reading
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Settings

_REMARKS = 20
"""Files without a record that are named."""


def extract(
    settings: Settings,
    connector: Connector,
    stream: Stream,
    window: Window,
    cursor: Cursor | None,
    mode: Mode,
    limit: int | None = None,
) -> BatchRef:
    """Ask the connector for the stream's window and land what it gives, whole or not at all.

    `cursor` is None for a backfill. With a `limit` the first so many records are read; such a batch is not for loading.
    Raises what the connector raises (TransientError, SourceError or ConfigError), and CountError where more or
    fewer records were read than the source holds.
    """
    extracted_at = datetime.now(UTC)
    connector.check(stream)
    zone.require(settings)
    with zone.writing(limit) as writer:
        next_cursor = _pull(connector.read(stream, window, cursor), writer)
        writer.verify()
        manifest = zone.Manifest(
            connection=connector.connection.name,
            stream=stream.name,
            batch_id=zone.new_batch_id(window, extracted_at),
            mode=mode,
            connector=connector.name,
            plugin_version=connector.version(),
            window=window.as_json(),
            extracted_at=extracted_at.isoformat(),
            layout=writer.layout or "columns",
            records=writer.rows,
            malformed=writer.malformed_rows,
            parts=files.checksums(writer.folder),
            cursor=next_cursor if mode == "scheduled" else {},
            raw_columns=inference.infer(writer.folder, writer.layout),
            counted=writer.witnessed if limit is None else None,
            without_records=[PurePath(origin).name for origin in writer.without_records[:_REMARKS]],
        )
        return zone.commit(settings, writer, manifest)


def _pull(reading: Reading, writer: files.BatchWriter) -> Cursor:
    """Land item after item until there is none, or enough; returns the next cursor."""
    with closing(reading), closing(writer):
        try:
            item = next(reading)
            while True:
                try:
                    writer.land(item)
                except duckdb.Error as problem:
                    item = reading.throw(problem)
                else:
                    if writer.is_full:
                        return {}
                    item = next(reading)
        except StopIteration as end:
            return end.value or {}
