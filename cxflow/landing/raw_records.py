"""Reads single raw records where they were landed. They hold personal data: only who asks for it may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cxflow.duck import workbench
from cxflow.errors import SourceError
from cxflow.landing import prepared, zone
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings

Place = tuple[str | None, str | None, str | None, int | None]
"""Connection, stream, batch and row in the batch, from 1."""
Payloads = Mapping[Place, str]
"""Place to the raw record there, as JSON or as the line that it was."""


def read(settings: Settings, places: Iterable[Place]) -> Payloads:
    """The raw records at some places. One whose batch is no longer in the landing zone is not among them."""
    by_batch: dict[BatchRef, list[int]] = {}
    for connection, stream, batch, row in places:
        if connection is not None and stream is not None and batch is not None and row is not None:
            by_batch.setdefault(BatchRef(connection, stream, batch), []).append(row)
    found: dict[Place, str] = {}
    for ref, rows in by_batch.items():
        try:
            manifest = zone.read_manifest(settings, ref)
        except SourceError:
            continue
        with zone.local_copy(settings, ref.path) as folder, workbench() as database:
            payloads = database.execute(
                f"SELECT _row, payload FROM ({prepared.payloads(folder, manifest)}) "
                f"WHERE _row IN (SELECT unnest({rows}))"
            ).fetchall()
        found |= {(ref.connection, ref.stream, ref.batch_id, row): text for row, text in payloads}
    return found
