"""A prepared batch: a landed batch after conform and validate, ready to load.

The stages share a scratch DuckDB file while they work; `commit` moves it next to the raw batch as it is. `load` reads
it, on any machine.

In the file, with the columns declared below: one view per canonical table over the wide tables of `conform` (ROW, and
the table's own columns); `record` (RECORD), and PLACES; `identifier` (IDENTIFIER); `refused` (REFUSED), and `refusal`
(REFUSAL), the same with the record's key, version and raw text; `left_out`, the `_row` of each record that must not
load; and the schema OUTPUT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxflow.duck import identifier, literal, workbench
from cxflow.errors import SourceError
from cxflow.landing import files, zone
from cxflow.model.batch import BatchRef
from cxflow.settings import Settings

if TYPE_CHECKING:
    import duckdb

FOLDER = "prepared"
DATABASE = "batch.duckdb"
VERDICT = "verdict.json"

OUTPUT = "to_load"
"""The schema of the file that `load` reads: the rows to load of each canonical table, `record` and `identifier`;
`refused`, which is `refusal`; of a derived batch `place`, where its records were landed first; and, of all records
whose key could be read, loaded or not, `sighting`: key and last delivery, and `delivered`: origins and times. If the
stream fills `customer_profile`, `older_profile` (OLDER_PROFILE): what older versions of the batch's records say."""

PROFILE = "customer_profile"
"""The canonical table whose former versions are kept, too."""

Columns = Mapping[str, str]
"""Column to its DuckDB type."""

ROW: Columns = {
    "row_id": "BIGINT",
    "_row": "BIGINT",
    "_received_at": "TIMESTAMPTZ",
    "record_id": "VARCHAR",
    "is_deleted": "BOOLEAN",
}
"""Of each canonical row, before its own columns: its number, its record's number in the batch, and the time of
delivery, key and deletion of its record."""
RECORD: Columns = {
    "_row": "BIGINT",
    "record_id": "VARCHAR",
    "version_at": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "is_deleted": "BOOLEAN",
    "content_hash": "VARCHAR",
    "event_at": "TIMESTAMPTZ",
    "origin": "VARCHAR",
    "batch_id": "VARCHAR",
    "row_number": "BIGINT",
    "raw_hash": "BIGINT",
}
"""Of each record; `event_at` is the time of its first event. `batch_id` and `row_number` say where its raw record lies:
in a derived batch, where it was landed first."""
PLACES = "record_place"
"""The table with the `_row` and the place in a file (`model.stream.PLACE`) of each record, if the stream names it."""
IDENTIFIER_SEEN: Columns = {
    "_row": "BIGINT",
    "namespace": "VARCHAR",
    "identity_hash": "UUID",
    "identity_value": "VARCHAR",
}
"""Of each identifier in a record, as `conform` writes it."""
IDENTIFIER: Columns = {**IDENTIFIER_SEEN, "record_id": "VARCHAR", "seen_at": "TIMESTAMPTZ"}
REFUSED: Columns = {
    "_row": "BIGINT",
    "stage": "VARCHAR",
    "rule": "VARCHAR",
    "column_name": "VARCHAR",
    "raw_value": "VARCHAR",
}
"""Of each refusal: the record, the stage and rule that refused it, and the column and value at fault, if any."""
OLDER_PROFILE: Columns = {
    "record_id": "VARCHAR",
    "profile_id": "VARCHAR",
    "version_at": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "segment": "VARCHAR",
    "consent": "BOOLEAN",
    "country": "VARCHAR",
}
"""Of each profile in a record that is not loaded because the batch holds a newer version of it."""
CONFLICT_RULE, CONFLICT_COLUMN = "duplicate_key", "primary_key"
"""The rule and the column at fault in the refusal of records in conflict: they differ, and none is newer."""
REPEATED_KEY = "repeated_key"
"""The rule in the refusal of a record of which two rows of one canonical table have the same key."""
REFUSAL: Columns = {
    **REFUSED,
    "record_id": "VARCHAR",
    "version_at": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "origin": "VARCHAR",
    "batch_id": "VARCHAR",
    "row_number": "BIGINT",
    "raw_hash": "BIGINT",
    "payload": "VARCHAR",
}


def create(table: str, columns: Columns) -> str:
    """The statement that creates a scratch table."""
    return (
        f"CREATE TABLE {table} ({', '.join(f'{identifier(name)} {kind}' for name, kind in columns.items())})"
    )


@dataclass(frozen=True, slots=True)
class Conformed:
    """The scratch file after conforming."""

    database: Path
    tables: tuple[str, ...]
    """The canonical tables that the stream fills."""
    extracted: int
    """Source records landed, including malformed ones."""
    rows: int
    """Canonical rows made of them."""
    report: dict[str, Any] = field(default_factory=dict)
    """Drift, unusable identifiers: counts and column names, never values."""
    raw_columns: dict[str, Any] = field(default_factory=dict)
    """The raw schema seen so far, including this batch."""
    is_replay: bool = False
    """Whether its records come from the quarantine and not from a source."""
    mapping: str = ""
    """The hash of the mapping that made the rows."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision about a batch."""

    passed: bool
    why: str
    """Empty if it passed."""
    tables: tuple[str, ...]
    extracted: int
    """Source records landed."""
    refused: int
    """Records to quarantine."""
    deduplicated: int
    """Records with a newer or equal version in the same batch."""
    sharing: int = 0
    """Records that share a canonical key with another one of the batch; the load decides about them."""
    shares_keys: bool = False
    """Whether any records of the batch share one, deleted ones included."""
    rules: dict[str, int] = field(default_factory=dict)
    """Rule to the number of records it refused."""
    report: dict[str, Any] = field(default_factory=dict)
    raw_columns: dict[str, Any] = field(default_factory=dict)
    takes_latest: bool = False
    """Whether the last of conflicting records wins; otherwise all are refused."""
    mapping: str = ""
    """The hash of the mapping that made the rows."""
    max_vanished_share: float = 1
    """The share of live records that may be missing from a snapshot, 0 to 1."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """If it did not pass: reason to some of the refused values, masked."""
    suggestions: list[str] = field(default_factory=list)
    """If it did not pass: settings that would read the refused values."""
    fix: str = ""
    """If it did not pass, and not for its refused records: what to do."""


def example_lines(examples: Mapping[str, Sequence[str]]) -> list[str]:
    """Examples of refused values for a message, one line per reason."""
    return [
        f"{reason}: " + ", ".join(f'"{value}"' for value in values) for reason, values in examples.items()
    ]


def complete(
    database: duckdb.DuckDBPyConnection,
    batch: BatchRef,
    landed: Path,
    manifest: zone.Manifest,
    conformed: Conformed,
) -> None:
    """Add to the scratch file what the load reads of it: the schema `OUTPUT`, and the refused records as they lie in
    `landed`."""
    raw_value, payload, key = map(_without_nul, ("f.raw_value", "l.payload", "a.record_id"))
    database.execute(
        f"CREATE TABLE refusal AS SELECT DISTINCT f.* REPLACE ({raw_value} AS raw_value), "
        f"{key} AS record_id, a.version_at, l.received_at, l.origin, "
        f"coalesce(a.batch_id, {literal(batch.batch_id)}) AS batch_id, "
        f"coalesce(a.row_number, f._row) AS row_number, a.raw_hash, {payload} AS payload "
        "FROM refused f LEFT JOIN record a USING (_row) "
        f"LEFT JOIN (SELECT * FROM ({payloads(landed, manifest)}) SEMI JOIN refused USING (_row)) l USING (_row) "
        "ORDER BY f._row"
    )
    database.execute(f"CREATE SCHEMA {OUTPUT}; CREATE VIEW {OUTPUT}.refused AS SELECT * FROM main.refusal")
    has_key = "main.record WHERE record_id IS NOT NULL"
    database.execute(
        f"CREATE VIEW {OUTPUT}.sighting AS SELECT record_id, max(received_at) AS seen_at FROM {has_key} "
        "GROUP BY record_id; "
        f"CREATE VIEW {OUTPUT}.delivered AS SELECT DISTINCT origin, received_at FROM {has_key}"
    )
    if manifest.sources:
        database.execute(f"CREATE VIEW {OUTPUT}.place AS SELECT batch_id, row_number FROM main.record")
    for name in (*conformed.tables, "record", "identifier"):
        database.execute(
            f"CREATE VIEW {OUTPUT}.{name} AS SELECT * FROM main.{name} ANTI JOIN main.left_out USING (_row)"
        )
    if PROFILE in conformed.tables:
        columns = ", ".join(f"{'r' if name in RECORD else 'p'}.{identifier(name)}" for name in OLDER_PROFILE)
        database.execute(
            f"CREATE VIEW {OUTPUT}.older_profile AS SELECT {columns} FROM main.{PROFILE} p "
            "JOIN main.record r USING (_row) SEMI JOIN main.left_out USING (_row) "
            "ANTI JOIN main.refused USING (_row) WHERE NOT p.is_deleted"
        )


def commit(settings: Settings, batch: BatchRef, conformed: Conformed, verdict: Verdict) -> None:
    """Move the scratch file next to the raw batch. The verdict is written last and makes it exist."""
    folder = conformed.database.parent / FOLDER
    folder.mkdir()
    conformed.database.rename(folder / DATABASE)
    (folder / VERDICT).write_text(json.dumps(asdict(verdict), indent=1, sort_keys=True), encoding="utf-8")
    zone.put_folder(settings, folder, f"{batch.path}/{FOLDER}", last=VERDICT)


def _without_nul(text: str) -> str:
    """SQL for a text as the quarantine shows it. PostgreSQL cannot store NUL; the record itself is landed as it is."""
    return f"replace({text}, chr(0), '\\0')"


def discard(settings: Settings, batch: BatchRef) -> None:
    """Remove a prepared batch after its load. The raw batch stays, and can be prepared again."""
    zone.remove_folder(settings, f"{batch.path}/{FOLDER}")


def payloads(folder: Path, manifest: zone.Manifest) -> str:
    """SQL for every record of a landed batch as text: `_row`, `origin`, `received_at`, `payload` (JSON, or the raw
    line)."""
    parts = []
    if manifest.records > manifest.malformed:
        landed = files.records_in(folder)
        text = "_payload"
        if manifest.layout == "columns":
            fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in manifest.raw_columns)
            text = f"to_json(struct_pack({fields}))::VARCHAR"
        parts.append(
            f"SELECT _row, _origin AS origin, _received_at AS received_at, {text} AS payload FROM {landed}"
        )
    if manifest.malformed:
        malformed = files.malformed_in(folder)
        parts.append(f"SELECT _row, _origin AS origin, _received_at AS received_at, payload FROM {malformed}")
    nothing = (
        "SELECT NULL::BIGINT AS _row, NULL::VARCHAR AS origin, NULL::TIMESTAMPTZ AS received_at, "
        "NULL::VARCHAR AS payload WHERE false"
    )
    return " UNION ALL ".join(parts) or nothing


def payloads_of(folder: Path, manifest: zone.Manifest, rows: list[int], target: Path) -> Path:
    """Write `_row` and `payload` of some records of a landed batch to the table `payload` of a new DuckDB file."""
    with workbench(target) as database:
        database.execute(
            f"CREATE TABLE payload AS SELECT _row, {_without_nul('payload')} AS payload "
            f"FROM ({payloads(folder, manifest)}) "
            f"WHERE _row IN (SELECT unnest({rows}))"
        )
    return target


def read_verdict(folder: Path, batch: BatchRef) -> Verdict:
    """The verdict in a prepared batch's folder. Raises SourceError if the batch was not prepared."""
    path = folder / VERDICT
    if not path.is_file():
        raise _not_prepared(batch)
    return _verdict(path.read_text(encoding="utf-8"))


def verdict_of(settings: Settings, batch: BatchRef) -> Verdict:
    """The same from the landing zone, without the rest of the folder."""
    file_system, root = zone.storage(settings)
    path = f"{root}/{batch.path}/{FOLDER}/{VERDICT}"
    with zone.reached(settings), suppress(FileNotFoundError), file_system.open(path, "rb") as file:
        return _verdict(file.read().decode())
    raise _not_prepared(batch)


def _not_prepared(batch: BatchRef) -> SourceError:
    return SourceError(
        f"the batch {batch.batch_id} has not been prepared",
        connection=batch.connection,
        stream=batch.stream,
    )


def _verdict(text: str) -> Verdict:
    fields = json.loads(text)
    return Verdict(**{**fields, "tables": tuple(fields["tables"])})
