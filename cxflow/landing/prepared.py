"""A prepared batch: what conforming and validating made of a landed one, ready to load.

The stages share a scratch DuckDB file while they work (`scratch`); `commit` moves it beside the raw batch as it is.
`load` reads it, on whatever machine it runs.

In the file: one view per canonical table (`_row` is the record's row in the batch, `row_id` the row's own number,
`_received_at` when the record was delivered, `record_id` and `is_deleted` the record's) over the sheets of `conform`;
`record` (`_row, record_id, version_at, received_at, is_deleted, content_hash, event_at`); `identifier` (`_row,
namespace, identity_hash, identity_value, record_id, seen_at`); `refused` (`_row, stage, rule, column_name,
raw_value`) and `refusal`, the same with the record's key, version and raw text; `left_out`, the `_row` of each record
that is not to load; and the schema `OUTPUT`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cxflow.duck import identifier, workbench
from cxflow.errors import SourceError
from cxflow.landing import files, zone
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings

FOLDER = "prepared"
DATABASE = "batch.duckdb"
VERDICT = "verdict.json"

OUTPUT = "to_load"
"""The schema of the file with what `load` reads: of each canonical table, `record` and `identifier` what is to load;
`refused`."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """The scratch file after conforming."""

    database: Path
    tables: tuple[str, ...]
    """The canonical tables that the stream fills."""
    extracted: int
    """Source records landed, the malformed among them."""
    rows: int
    """Canonical rows made of them."""
    report: dict[str, Any] = field(default_factory=dict)
    """Drift, unusable identifiers: counts and column names, never values."""
    raw_columns: dict[str, Any] = field(default_factory=dict)
    """The raw shape seen so far, this batch included."""
    is_replay: bool = False
    """Records out of the quarantine, not what a source delivered."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided of a batch."""

    passed: bool
    why: str
    """Empty where it passed."""
    tables: tuple[str, ...]
    extracted: int
    """Source records landed."""
    refused: int
    """Records to quarantine."""
    deduplicated: int
    """Records of which a newer or equal version stands in the same batch."""
    rules: dict[str, int] = field(default_factory=dict)
    """Rule to number of records refused by it."""
    report: dict[str, Any] = field(default_factory=dict)
    raw_columns: dict[str, Any] = field(default_factory=dict)


def commit(settings: Settings, batch: BatchRef, conformed: Conformed, verdict: Verdict) -> None:
    """Put the scratch file beside the raw batch; the verdict, last, makes it exist."""
    folder = conformed.database.parent / FOLDER
    folder.mkdir()
    manifest = zone.read_manifest(settings, batch)
    with (
        workbench(conformed.database) as database,
        zone.local_copy(settings, batch.path) as landed,
    ):
        # What is only shown may be shown without NUL, which PostgreSQL does not keep: the record itself is landed.
        raw_value, payload = (f"replace({text}, chr(0), '\\0')" for text in ("f.raw_value", "l.payload"))
        database.execute(
            f"CREATE TABLE refusal AS SELECT DISTINCT f.* REPLACE ({raw_value} AS raw_value), "
            f"replace(a.record_id, chr(0), '\\0') AS record_id, a.version_at, l.received_at, {payload} AS payload "
            "FROM refused f LEFT JOIN record a USING (_row) "
            f"LEFT JOIN (SELECT * FROM ({payloads(landed, manifest)}) SEMI JOIN refused USING (_row)) l USING (_row) "
            "ORDER BY f._row"
        )
        database.execute(
            f"CREATE SCHEMA {OUTPUT}; CREATE VIEW {OUTPUT}.refused AS SELECT * FROM main.refusal"
        )
        for name in (*conformed.tables, "record", "identifier"):
            database.execute(
                f"CREATE VIEW {OUTPUT}.{name} AS SELECT * FROM main.{name} ANTI JOIN main.left_out USING (_row)"
            )
    conformed.database.rename(folder / DATABASE)
    (folder / VERDICT).write_text(json.dumps(asdict(verdict), indent=1, sort_keys=True), encoding="utf-8")
    zone.put_folder(settings, folder, f"{batch.path}/{FOLDER}", last=VERDICT)


def discard(settings: Settings, batch: BatchRef) -> None:
    """Remove a prepared batch that is loaded; the raw one stays, and can be prepared again."""
    zone.remove_folder(settings, f"{batch.path}/{FOLDER}")


def payloads(folder: Path, manifest: zone.Manifest) -> str:
    """SQL for every record of a landed batch as text: `_row`, `received_at`, `payload` (JSON, or the raw line)."""
    parts = []
    if manifest.records > manifest.malformed:
        landed = files.records_in(folder)
        text = "_payload"
        if manifest.layout == "columns":
            fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in manifest.raw_columns)
            text = f"to_json(struct_pack({fields}))::VARCHAR"
        parts.append(f"SELECT _row, _received_at AS received_at, {text} AS payload FROM {landed}")
    if manifest.malformed:
        malformed = files.malformed_in(folder)
        parts.append(f"SELECT _row, _received_at AS received_at, payload FROM {malformed}")
    nothing = (
        "SELECT NULL::BIGINT AS _row, NULL::TIMESTAMPTZ AS received_at, NULL::VARCHAR AS payload WHERE false"
    )
    return " UNION ALL ".join(parts) or nothing


def payloads_of(folder: Path, manifest: zone.Manifest, rows: list[int], target: Path) -> Path:
    """Write `_row` and `payload` of some records of a landed batch to the table `taken` of a new DuckDB file."""
    with workbench(target) as database:
        database.execute(
            f"CREATE TABLE taken AS SELECT _row, payload FROM ({payloads(folder, manifest)}) "
            f"WHERE _row IN (SELECT unnest({rows}))"
        )
    return target


def read_verdict(folder: Path, batch: BatchRef) -> Verdict:
    """The verdict in a prepared batch's folder. Raises SourceError where the batch was not prepared."""
    path = folder / VERDICT
    if not path.is_file():
        raise SourceError(
            f"the batch {batch.batch_id} has not been prepared",
            connection=batch.connection,
            stream=batch.stream,
        )
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Verdict(**{**fields, "tables": tuple(fields["tables"])})
