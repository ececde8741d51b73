"""Conforms one landed batch: raw Parquet in, canonical tables in a scratch DuckDB file out. Called by `flow`.

A record of which one value does not fit is refused whole, and says why in `refused`. Nothing is dropped: every
raw row is in `record` or, where it could not be read at all, in `refused`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from cxflow.conform import drift, identifiers, rows
from cxflow.conform.expressions import Notation, cast
from cxflow.conform.guard import Evaluation, evaluate
from cxflow.conform.projection import (
    bind,
    check,
    check_references,
    check_tags,
    connect,
    record_expressions,
    types,
)
from cxflow.conform.unseen import with_unseen
from cxflow.model.batch import BatchRef
from cxflow.model.sql import identifier, literal, literals
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings
from cxflow.store import landing, shape, tables
from cxflow.store.prepared import Conformed

_BOOKS = """
CREATE TABLE refused (_row BIGINT, stage VARCHAR, rule VARCHAR, column_name VARCHAR, raw_value VARCHAR);
CREATE TABLE record (
    _row BIGINT, record_id VARCHAR, version_at TIMESTAMPTZ, received_at TIMESTAMPTZ, is_deleted BOOLEAN
);
CREATE TABLE identifier (
    _row BIGINT, namespace VARCHAR, identity_hash VARCHAR, identity_value VARCHAR, seen_at TIMESTAMPTZ
);
"""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the steps below share."""

    settings: Settings
    connection: Connection
    stream: Stream
    database: duckdb.DuckDBPyConnection
    raw: shape.Shape

    @property
    def notation(self) -> Notation:
        """How the stream writes times and numbers."""
        zone = self.stream.timezone or self.connection.timezone
        return Notation(zone, self.stream.time_formats, self.stream.decimal)


def conform(
    settings: Settings,
    connection: Connection,
    stream: Stream,
    batch: BatchRef,
    known: shape.Shape,
    scratch: Path,
) -> Conformed:
    """Conform a landed batch into a database in `scratch`.

    `known` is the stream's raw shape so far. Raises ConfigError where the mapping does not fit the raw columns,
    SourceError where the raw shape changed and a policy says stop.
    """
    check(stream)
    check_references(stream, settings.connections)
    identifiers.check(settings, connection, stream)
    manifest = landing.read_manifest(settings, batch)
    readable = manifest.records > manifest.malformed
    changed = shape.differences(known, manifest.raw_columns) if readable else shape.Drift()
    merged = shape.merge(known, manifest.raw_columns)
    path = scratch / "scratch.duckdb"
    with landing.local_copy(settings, batch.path) as folder, connect(str(path)) as database:
        # A backfill meets files that are older than what is known.
        before = {} if manifest.mode == "backfill" else known
        lacking = landing.lacking(folder, before) if readable else {}
        changed = replace(changed, missing=tuple(dict.fromkeys((*changed.missing, *lacking))))
        outcome = drift.judge(stream, manifest.layout, changed, lacking)
        # A form that is refused is read as the one that is known: the mapping speaks of that.
        read = shape.merge(manifest.raw_columns, known) if "retyped_column" in outcome.quarantine else merged
        if manifest.layout == "json":
            absent = {name: "NULL" for name in stream.may_lack if "." not in name}
            read = with_unseen({**absent, **read}, stream)
        raw = shape.with_absent(read, stream.may_lack)
        work = _Work(settings, connection, stream, database, raw)
        database.execute(_BOOKS)
        for name in stream.to:
            rows.create(database, tables.CANONICAL[name])
        _refuse_unreadable(work, folder, manifest)
        unusable: dict[str, int] = {}
        if readable:
            _view_raw(work, folder, manifest)
            if manifest.layout == "columns":  # of JSON, a key may only be rare
                check_tags(stream, raw)
            _refuse_drifted(work, outcome)
            unusable = _records(work)
            for name in stream.to:
                _fill(work, name)
            _require(work)
        _complete(work)
        made = sum(_count(work, name) for name in stream.to)
    report = {"drift": changed.as_json(), "unusable_identifiers": unusable}
    return Conformed(
        path,
        tuple(stream.to),
        manifest.records,
        made,
        {key: item for key, item in report.items() if item},
        merged if outcome.is_learned else known,
        is_replay=manifest.mode == "replay",
    )


def _view_raw(work: _Work, folder: Path, manifest: landing.Manifest) -> None:
    """The view `raw`: the raw columns, those absent from this batch as null, with `_row` and `_received_at`."""
    structure = literal(shape.as_structure(work.raw))
    own = "_row, _origin, _received_at"
    if manifest.layout == "json":
        parts = landing.records_in(folder)
        select = f"SELECT record.*, {own} FROM (SELECT from_json(_payload, {structure}) AS record, {own} FROM {parts})"
    else:
        absent = [name for name in work.raw if name not in manifest.raw_columns]
        nulls = "".join(f", NULL::VARCHAR AS {identifier(name)}" for name in absent)
        select = f"SELECT *{nulls} FROM {landing.records_in(folder)}"
    work.database.execute(f"CREATE TEMP VIEW raw AS {select}")


def _refuse_unreadable(work: _Work, folder: Path, manifest: landing.Manifest) -> None:
    if manifest.malformed:
        work.database.execute(
            "INSERT INTO refused SELECT _row, 'landing', 'malformed', NULL, reason "
            f"FROM read_parquet({literal(str(folder / 'malformed-*.parquet'))})"
        )


def _refuse_drifted(work: _Work, outcome: drift.Outcome) -> None:
    for rule, columns in outcome.quarantine.items():
        affected = "true"
        if rule == "new_column":
            affected = " OR ".join(drift.present(column, work.raw) for column in columns)
        elif rule == "missing_column" and set(columns) <= set(outcome.lacking):
            files = sorted({file for column in columns for file in outcome.lacking[column]})
            affected = f"list_contains({literals(files)}, _origin)"
        work.database.execute(
            f"INSERT INTO refused SELECT _row, 'conform', {literal(rule)}, {literal(', '.join(columns))}, NULL "
            f"FROM raw WHERE {affected}"
        )


def _records(work: _Work) -> dict[str, int]:
    """Fill `record`, one row per raw row with its key and version, and `identifier`; returns the number of
    unusable identifiers by namespace."""
    database, stream = work.database, work.stream
    expressions = record_expressions(stream)
    kinds = types(database, "", expressions, work.raw)
    evaluated = evaluate(database, Evaluation("record", {**expressions, "_received_at": "_received_at"}))
    keys = [
        f"nullif(trim(r.primary_key_{number}::VARCHAR), '')"
        for number in range(1, len(stream.primary_key) + 1)
    ]
    if len(keys) > 1:
        keys = [rf"replace(replace({key}, '\', '\\'), '|', '\|')" for key in keys]
    version = cast("r.version", kinds["version"], "TIMESTAMPTZ", work.notation) if stream.version else None
    deleted = cast("r.deleted", kinds["deleted"], "BOOLEAN", work.notation) if stream.deleted else None
    is_deleted = f"coalesce({deleted.value}, false)" if deleted else "false"
    version_at = version.value if version else "NULL::TIMESTAMPTZ"
    if version and deleted:
        # A tombstone often has nothing but its key: it is as new as its delivery.
        version_at = f"coalesce({version_at}, CASE WHEN {is_deleted} THEN r._received_at END)"
    database.execute(
        f"INSERT INTO record SELECT _row, {' || chr(124) || '.join(keys)} AS record_id, {version_at} AS version_at, "
        f"r._received_at AS received_at, {is_deleted} AS is_deleted FROM {evaluated} AS r"
    )
    database.execute(
        "INSERT INTO refused SELECT _row, 'conform', 'required', 'primary_key', NULL "
        "FROM record WHERE record_id IS NULL"
    )
    for name, made in (("version", version), ("deleted", deleted)):
        if made:
            database.execute(
                f"INSERT INTO refused SELECT _row, 'conform', {made.rule}, {literal(name)}, r.{name}::VARCHAR "
                f"FROM {evaluated} AS r WHERE {made.misfit}"
            )
    return identifiers.collect(
        database,
        work.settings,
        stream,
        evaluated=evaluated,
        system=work.connection.name,
        country=work.connection.country or work.settings.project.country,
    )


def _fill(work: _Work, name: str) -> None:
    table = tables.CANONICAL[name]
    for projection in work.stream.to[name]:
        evaluation, kinds = bind(work.database, table, projection, work.raw)
        rows.fill(
            work.database,
            table,
            evaluation,
            kinds,
            system=work.connection.name,
            stream=work.stream.name,
            notation=work.notation,
            currency=work.connection.currency or work.settings.project.currency,
        )


def _require(work: _Work) -> None:
    """What must be there is there; the satellites learn their touchpoint before that."""
    filled = [tables.CANONICAL[name] for name in work.stream.to]
    if tables.touchpoint in filled:
        rows.require(work.database, tables.touchpoint)
        filled.remove(tables.touchpoint)
        for table in filled:
            if "touchpoint_id" in table.columns:
                work.database.execute(
                    f"UPDATE {table.name} SET touchpoint_id = first.touchpoint_id FROM "
                    "(SELECT _row, arg_min(touchpoint_id, row_id) AS touchpoint_id FROM touchpoint GROUP BY _row) "
                    f"AS first WHERE {table.name}._row = first._row AND {table.name}.touchpoint_id IS NULL"
                )
    for table in filled:
        rows.require(work.database, table)


def _complete(work: _Work) -> None:
    """What needs all tables: an identifier's time, a record's content hash."""
    database = work.database
    filled = [tables.CANONICAL[name] for name in work.stream.to]
    timed = [table for table in filled if table.info["event_time"]]
    times = " UNION ALL ".join(
        f"SELECT _row, {table.info['event_time']} AS event_at FROM {table.name}" for table in timed
    )
    event = (
        f"SELECT _row, min(event_at) AS event_at FROM ({times}) GROUP BY _row"
        if timed
        else "SELECT 0 AS _row, NULL AS event_at"
    )
    database.execute(
        "UPDATE identifier SET seen_at = known.event_at FROM "
        "(SELECT k._row, coalesce(e.event_at, k.version_at, k.received_at) AS event_at "
        f"FROM record k LEFT JOIN ({event}) e USING (_row)) AS known WHERE identifier._row = known._row"
    )
    contents = [
        f"SELECT _row, md5_number(concat_ws(chr(31), {literal(table.name)}, {_texts(table.name)})) AS h "
        f"FROM {table.name}"
        for table in filled
    ]
    contents.append(
        "SELECT _row, md5_number(concat_ws(chr(31), namespace, identity_hash)) AS h FROM identifier"
    )
    # Order within a record means nothing, so its rows' hashes are folded, with their number beside. In hex:
    # DuckDB takes 0.2 ms to write 128 bits in decimals.
    database.execute(
        "CREATE OR REPLACE TABLE record AS SELECT k.*, concat_ws('.', coalesce(c.folded, '0'), c.parts, "
        "CASE WHEN k.is_deleted THEN 'deleted' END) AS content_hash FROM record k LEFT JOIN "
        "(SELECT _row, to_hex(bit_xor(h)) AS folded, count(*) AS parts "
        f"FROM ({' UNION ALL '.join(contents)}) GROUP BY _row) c USING (_row)"
    )
    database.execute("CREATE TABLE all_records AS SELECT * FROM record")


def _count(work: _Work, name: str) -> int:
    row = work.database.execute(f"SELECT count(*) FROM {name}").fetchone()
    return int(row[0]) if row else 0


def _texts(name: str) -> str:
    """All of a row's mapped values as texts, nulls told from empty ones. When it was received is not content."""
    return ", ".join(
        f"coalesce({identifier(column)}::VARCHAR, chr(30))"
        for column in tables.mappable(tables.CANONICAL[name])
        if column != "received_at"
    )
