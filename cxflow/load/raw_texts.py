"""Fetches the raw text of records that a load refuses or takes back, from the landing zone into temporary tables."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow import scratch
from cxflow.landing import prepared, zone
from cxflow.load.staged import Loading, names
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings
from cxflow.warehouse import engines
from cxflow.warehouse.tables import quarantine


def of_batch(loading: Loading, landed: Path, rows: list[int], name: str) -> sa.TableClause:
    """Create the temporary table `name` with `_row` and `payload` of the batch's records with these rows. `landed` is
    the local folder of the raw batch."""
    with scratch.folder("load") as folder:
        target = prepared.payloads_of(landed, loading.manifest, rows, folder / "payload.duckdb")
        engines.of(loading.warehouse).stage(loading.warehouse, name, target, "payload")
    return sa.table(name, sa.column("_row"), sa.column("payload"))


def of_places(loading: Loading, settings: Settings, places: sa.TableClause, name: str) -> sa.TableClause:
    """Create the temporary table `name` with the raw texts of the records in `places`: loaded before, of any stream.

    `places` has `source_system`, `source_object`, `batch_id` and `row_number`. A record whose batch is no longer in
    the landing zone has no row in the new table.
    """
    found = sa.table(
        name, *map(sa.column, ("source_system", "source_object", "batch_id", "row_number", "payload"))
    )
    empty = sa.select(*(quarantine.c[column] for column in names(found))).where(sa.false())
    loading.execute(empty.into(name, temporary=True))
    batches = sa.select(places.c.source_system, places.c.source_object, places.c.batch_id).distinct()
    landed: dict[tuple[str, str], set[str]] = {}
    for system, stream, batch_id in map(tuple, loading.execute(batches).all()):
        if (system, stream) not in landed:
            landed[system, stream] = set(zone.batches(settings, system, stream))
        if batch_id in landed[system, stream]:
            _add(loading, settings, places, found, BatchRef(system, stream, batch_id))
    return found


def _add(
    loading: Loading, settings: Settings, places: sa.TableClause, target: sa.TableClause, batch: BatchRef
) -> None:
    """Add the raw texts of one landed batch's records."""
    here = sa.and_(
        places.c.source_system == batch.connection,
        places.c.source_object == batch.stream,
        places.c.batch_id == batch.batch_id,
    )
    rows = list(loading.execute(sa.select(places.c.row_number).where(here)).scalars())
    with zone.local_copy(settings, batch.path) as folder:
        manifest = zone.read_manifest(settings, batch)
        with scratch.folder("load") as work:
            texts = sa.table("stage_some_texts", sa.column("_row"), sa.column("payload"))
            source = prepared.payloads_of(folder, manifest, rows, work / "payload.duckdb")
            engines.of(loading.warehouse).stage(loading.warehouse, texts.name, source, "payload")
            place = (sa.literal(value) for value in (batch.connection, batch.stream, batch.batch_id))
            added = sa.select(*place, texts.c._row, texts.c.payload)
            loading.execute(sa.insert(target).from_select(names(target), added))
            loading.execute(sa.text(f"DROP TABLE {texts.name}"))
