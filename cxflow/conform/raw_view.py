"""The view `raw`: the records of a landed batch as the expressions of a mapping see them. Called by `batch`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from cxflow.conform import json_numbers, own_columns, repeated_keys
from cxflow.duck import identifier, literal
from cxflow.landing import derived, zone
from cxflow.landing.prepared import PLACES
from cxflow.model import raw_schema
from cxflow.model.stream import PLACE, Stream
from cxflow.settings import Settings


def create(
    settings: Settings,
    stream: Stream,
    database: duckdb.DuckDBPyConnection,
    source: raw_schema.RawSchema,
    renamed: Mapping[str, str],
    folder: Path,
    manifest: zone.Manifest,
) -> None:
    """Create the view: the raw columns (null if absent from this batch), `_row`, RAW_OWN, and the PLACE of each record
    if the stream names it.

    `source` are the raw columns as the source names them, `renamed` those that have another name here; `folder` is the
    batch's local copy.
    """
    records = derived.records_in(folder, manifest)
    # As enumerations, names that most rows share take a byte or two of each.
    for kind, column in (("origin", "_origin"), ("landed_batch", "_landed_batch")):
        database.execute(f"CREATE TYPE {kind} AS ENUM (SELECT DISTINCT {column} FROM {records} ORDER BY 1)")
    own = "_row, _origin::origin AS _origin, _received_at, _landed_batch::landed_batch AS _landed_batch, _landed_row"
    own += f", ({_raw_hash(manifest)} // 2)::BIGINT AS _raw_hash"
    names = ", ".join(("_row", *own_columns.RAW_OWN))
    if manifest.layout == "json":
        payload = "_payload"
        if manifest.repeated_keys:
            once = repeated_keys.last(database, payload, manifest.repeated_keys)
            payload, records = "_once", f"(SELECT *, {once} AS _once FROM {records})"
        structure = literal(raw_schema.as_structure(source))
        record = f"from_json({json_numbers.exact(database, payload, stream.decimal)}, {structure})"
        others = ", ".join(f"{identifier(old)} AS {identifier(new)}" for old, new in renamed.items())
        star = f"record.*{f' RENAME ({others})' if others else ''}"
        select = f"SELECT {star}, {names} FROM (SELECT {record} AS record, {own} FROM {records})"
    else:
        columns = [
            f"{identifier(name) if name in manifest.raw_columns else 'NULL::VARCHAR'} "
            f"AS {identifier(renamed.get(name, name))}"
            for name in source
        ]
        select = f"SELECT {', '.join([*columns, own])} FROM {records}"
    if own_columns.names_place(stream):
        # A table: each of the passes over the records would number them again.
        places = derived.places_in(folder, manifest, settings)
        database.execute(f"CREATE TABLE {PLACES} AS SELECT * FROM {places}")
        place = ", ".join(f"p.{name}" for name in PLACE)
        select = f"SELECT r.*, {place} FROM ({select}) r JOIN {PLACES} p ON p._row = r._row"
    database.execute(f"CREATE TEMP VIEW raw AS {select}")


def _raw_hash(manifest: zone.Manifest) -> str:
    """SQL: a hash of the raw record that does not change with columns that are null in it."""
    if manifest.layout == "json":
        return "md5_number_lower(_payload)"
    values = (
        f"{literal(f'{name}=')} || {identifier(name)}::VARCHAR" for name in sorted(manifest.raw_columns)
    )
    return f"md5_number_lower(concat_ws(chr(31), {', '.join(values)}))"
