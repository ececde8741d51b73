"""Derived batches: records of landed batches, composed into a new batch to be processed again.

A replay takes the records that were refused, a remap takes all. A derived batch has the columns `_landed_batch` and
`_landed_row` beside those of every raw batch: where each record was landed first; of files, also `_landed_file` and
`_landed_file_row`: where in which file. It is removed once it is loaded, because its records stay where they were.
Called by `flow`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cxflow.duck import literal, relative, workbench
from cxflow.landing import files, zone
from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.reading import Query
from cxflow.model.window import Window
from cxflow.settings import Settings


def compose(
    settings: Settings,
    chosen: Mapping[BatchRef, Sequence[int] | None],
    mode: Mode,
    into: Settings | None = None,
    *,
    has_places: bool = False,
) -> list[BatchRef]:
    """Land the chosen records of one stream's batches as derived batches, one per layout; in the landing zone of
    `into`, if that is another.

    `chosen` maps a landed batch to the numbers of its rows; None: all its records. What could not be read as a record
    stays where it is. `has_places`: whether they are records of files. Raises SourceError for a batch that is no longer
    in the landing zone.
    """
    by_layout: dict[files.Layout, list[tuple[zone.Manifest, BatchRef]]] = {}
    for batch in sorted(chosen, key=lambda batch: batch.batch_id):
        manifest = zone.read_manifest(settings, batch)
        by_layout.setdefault(manifest.layout, []).append((manifest, batch))
    return [
        _compose(settings, some, chosen, mode, into or settings, has_places) for some in by_layout.values()
    ]


def _compose(
    settings: Settings,
    sources: list[tuple[zone.Manifest, BatchRef]],
    chosen: Mapping[BatchRef, Sequence[int] | None],
    mode: Mode,
    into: Settings,
    has_places: bool,
) -> BatchRef:
    with zone.writing() as writer:
        for manifest, batch in sources:
            with zone.local_copy(settings, batch.path) as folder:
                places = places_in(folder, manifest, settings) if has_places else None
                _copy(writer, folder, manifest, chosen[batch], places)
        manifests = [manifest for manifest, _ in sources]
        columns: raw_schema.RawSchema = {}
        for manifest in manifests:
            raw = manifest.raw_columns
            if manifest.layout == "columns":
                raw = raw_schema.respelled(raw, columns)
            columns = raw_schema.merge(columns, raw)
        now, window = datetime.now(UTC), _around([Window.from_json(each.window) for each in manifests])
        derived = replace(
            manifests[-1],
            batch_id=zone.new_batch_id(window, now),
            mode=mode,
            window=window.as_json(),
            extracted_at=now.isoformat(),
            records=writer.rows,
            malformed=0,
            counted=None,
            without_records=[],
            headers={},
            snapshots=[],  # its records were delivered before
            reads_anew=False,
            resumed_at=0,
            parts=files.checksums(writer.folder),
            cursor={},
            raw_columns=columns,
            repeated_keys=sorted({path for manifest in manifests for path in manifest.repeated_keys}),
            sources=[manifest.batch_id for manifest in manifests],
        )
        return zone.commit(into, writer, derived)


def _copy(
    writer: files.BatchWriter,
    folder: Path,
    manifest: zone.Manifest,
    rows: Sequence[int] | None,
    places: str | None,
) -> None:
    """Copy records with their places, one part per part: each has its own columns."""
    place, joined = "", ""
    if not manifest.sources:
        place = f", {literal(manifest.batch_id)} AS _landed_batch, _row AS _landed_row"
        if places is not None:
            renamed = "SELECT _row, _file AS _landed_file, _file_row AS _landed_file_row"
            joined = f" JOIN ({renamed} FROM {places}) USING (_row)"
    which = "" if rows is None else f" WHERE _row IN (SELECT unnest({list(rows)}))"
    before = 0
    with workbench() as database:
        for part in files.parts_in(folder):
            relation = files.numbered([part], before)
            writer.land(
                Query(
                    database, f"SELECT * EXCLUDE (_row){place} FROM {relation}{joined}{which} ORDER BY _row"
                )
            )
            before += files.count_in(part)


def _around(windows: Sequence[Window]) -> Window:
    """The window that covers others."""
    starts = [window.start for window in windows]
    start = None if None in starts else min(start for start in starts if start is not None)
    return Window(start, max(window.end for window in windows))


def records_in(folder: Path, manifest: zone.Manifest) -> str:
    """The DuckDB relation of a batch's records with `_row`, `_landed_batch` and `_landed_row`; `folder` is its local
    copy."""
    records = files.records_in(folder)
    if manifest.sources:
        return records
    return f"(SELECT *, {literal(manifest.batch_id)} AS _landed_batch, _row AS _landed_row FROM {records})"


def places_in(folder: Path, manifest: zone.Manifest, settings: Settings) -> str:
    """The DuckDB relation of the places of a batch's records: `_row`, `_file` and `_file_row`, the number of the record
    among those of its file that can be read."""
    records = files.records_in(folder)
    if manifest.sources:
        return f"(SELECT _row, _landed_file AS _file, _landed_file_row AS _file_row FROM {records})"
    file = relative("_origin", manifest.project or settings.folder.as_posix())
    number = "row_number() OVER (PARTITION BY _origin ORDER BY _row)"
    return f"(SELECT _row, {file} AS _file, {number} AS _file_row FROM {records})"
