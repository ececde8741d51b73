"""Conforms one landed batch: raw Parquet in, canonical tables in a scratch DuckDB file out. Called by `flow`.

If one value of a record does not fit, the whole record is refused and `refused` holds the reason. Nothing is dropped:
every raw row is in `record` or, if it could not be read at all, in `refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from cxflow.conform import (
    drift,
    empty_files,
    fingerprint,
    identifiers,
    json_kinds,
    own_columns,
    plain_ids,
    raw_view,
    spelling,
    wide_table,
)
from cxflow.conform.bound_projection import (
    FIRST_TOUCHPOINT,
    BoundProjection,
    Origin,
    Rows,
    first_touchpoint,
    rows_of,
    summary,
    view,
)
from cxflow.conform.expressions import Notation, duckdb_type
from cxflow.conform.guard import Evaluation
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
from cxflow.duck import count, literal, literals
from cxflow.errors import ConfigError
from cxflow.landing import derived, files, missing_columns, prepared, witness, zone
from cxflow.landing.prepared import Conformed
from cxflow.model import progress, raw_schema
from cxflow.model.batch import BatchRef
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings
from cxflow.warehouse import tables

_IDENTIFIER = """
CREATE VIEW identifier AS SELECT i.*, r.record_id, coalesce(r.event_at, r.version_at, r.received_at) AS seen_at
FROM identifier_seen i JOIN record r ON r._row = i._row
"""
"""An identifier is seen at its record's first event."""


@dataclass(frozen=True, slots=True)
class _Work:
    """State shared by the steps below."""

    settings: Settings
    connection: Connection
    stream: Stream
    database: duckdb.DuckDBPyConnection
    source: raw_schema.RawSchema
    """The raw columns as the source names them."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Those that have another name here, because it is one of cxflow's own."""

    @property
    def raw(self) -> raw_schema.RawSchema:
        """The raw columns as a mapping names them."""
        return {self.renamed.get(name, name): kind for name, kind in self.source.items()}

    @property
    def notation(self) -> Notation:
        """How the stream writes times and numbers."""
        timezone = self.stream.timezone or self.connection.timezone
        return Notation(timezone, self.stream.time_formats, self.stream.decimal)


def conform(
    settings: Settings,
    connection: Connection,
    stream: Stream,
    batch: BatchRef,
    known: raw_schema.RawSchema,
    folder: Path,
    scratch: Path,
) -> Conformed:
    """Conform a landed batch, of which `folder` is a local copy, into a database in `scratch`.

    `known` is the stream's raw schema so far. Raises ConfigError if the mapping does not fit the raw columns,
    SourceError if the raw schema changed and the policy is `stop`.
    """
    check_references(stream, settings.connections)
    identifiers.check(settings, connection, stream)
    manifest = zone.read_manifest(settings, batch)
    progress.report("conforming", total=manifest.records)
    if manifest.reads_anew:  # what is known was read under other settings
        known = {}
    if manifest.layout == "columns":
        known = raw_schema.respelled(known, {})
        manifest = replace(manifest, raw_columns=raw_schema.respelled(manifest.raw_columns, known))
    readable = manifest.records > manifest.malformed
    changed = raw_schema.differences(known, manifest.raw_columns) if readable else raw_schema.Drift()
    merged = raw_schema.merge(known, manifest.raw_columns)
    is_table = manifest.layout == "columns"
    without = {name: witness.header_from_json(each) for name, each in manifest.headers.items() if is_table}
    path = scratch / "scratch.duckdb"
    with connect(path, files.all_in(folder)) as database:
        check(stream)
        # A backfill may read files older than the known schema.
        before = {} if manifest.mode in ("backfill", "remap") else known
        missing = missing_columns.lacking(folder, before, without) if readable or without else {}
        changed = replace(changed, missing=tuple(dict.fromkeys((*changed.missing, *missing))))
        if manifest.layout == "json" and changed.retyped:
            records = derived.records_in(folder, manifest)
            told = json_kinds.described(database, records, changed.retyped, manifest.raw_columns, known)
        else:
            told = ""
        outcome = drift.judge(stream, manifest.layout, changed, missing, told)
        if without and not before:
            empty_files.check(database, stream, without, key_alone=readable)
        # A refused type is read as the known one, which the mapping was written for.
        read = (
            raw_schema.merge(manifest.raw_columns, known)
            if "retyped_column" in outcome.quarantine
            else merged
        )
        if manifest.layout == "json":
            spelling.check(database, stream, manifest.raw_columns, derived.records_in(folder, manifest))
            read = raw_schema.spelled_as(read, manifest.raw_columns)
            spelled = {name.lower() for name in read}
            outermost = (name.partition(".")[0] for name in stream.may_lack)
            absent = {name: "NULL" for name in outermost if name.lower() not in spelled}
            read = with_unseen({**absent, **read}, stream)
        raw = raw_schema.with_absent(read, stream.may_lack)
        work = _Work(settings, connection, stream, database, raw, own_columns.renamed(raw, stream))
        database.execute(prepared.create("refused", prepared.REFUSED))
        database.execute(prepared.create("identifier_seen", prepared.IDENTIFIER_SEEN))
        _refuse_unreadable(work, folder, manifest)
        of_identifiers: dict[str, dict[str, Any]] = {}
        if readable:
            raw_view.create(settings, stream, database, raw, work.renamed, folder, manifest)
            if manifest.layout == "columns":  # of JSON, a key may only be rare
                check_tags(stream, work.raw)
            _refuse_drifted(work, outcome)
            try:
                rows = _wide_tables(work)
            except ConfigError as problem:
                if manifest.layout == "columns":
                    raise
                records = derived.records_in(folder, manifest)
                raise json_kinds.explained(problem, database, records, read) from problem
            _require(work, rows)
            of_identifiers = {**_identifiers(work), "mangled_ids": _mangled(work, rows)}
            _complete(work, rows)
        else:
            _leave_empty(work)
        database.execute(_IDENTIFIER)
        made = sum(count(database, name) for name in stream.to)
    report = {
        "drift": changed.as_json(),
        **of_identifiers,
        "without_records": manifest.without_records,
        "resumed_at": manifest.resumed_at,
        "reads_anew": manifest.reads_anew,
    }
    return Conformed(
        path,
        tuple(stream.to),
        # Accounting starts from what the source holds, not from what its reader reports.
        manifest.records if manifest.counted is None else manifest.counted,
        made,
        {key: item for key, item in report.items() if item},
        merged if outcome.is_learned and readable else known,
        is_replay=manifest.mode == "replay",
        mapping=fingerprint.of(settings, connection, stream),
    )


def _refuse_unreadable(work: _Work, folder: Path, manifest: zone.Manifest) -> None:
    if manifest.malformed:
        work.database.execute(
            "INSERT INTO refused SELECT _row, 'landing', 'malformed', NULL, reason "
            f"FROM {files.malformed_in(folder)}"
        )


def _refuse_drifted(work: _Work, outcome: drift.Outcome) -> None:
    for rule, columns in outcome.quarantine.items():
        affected = "true"
        if rule == "new_column":
            affected = " OR ".join(
                drift.present(work.renamed.get(column, column), work.raw) for column in columns
            )
        elif rule == "missing_column" and set(columns) <= set(outcome.missing):
            origins = sorted({origin for column in columns for origin in outcome.missing[column]})
            affected = f"_origin IN (SELECT unnest({literals(origins)}))"
        work.database.execute(
            f"INSERT INTO refused SELECT _row, 'conform', {literal(rule)}, {literal(', '.join(columns))}, NULL "
            f"FROM raw WHERE {affected}"
        )


def _wide_tables(work: _Work) -> list[Rows]:
    """Create the wide tables, and the canonical tables as views of them. Returns how to read the rows."""
    stream = work.stream
    expressions = record_expressions(stream)
    record = wide_table.RecordColumns(
        Evaluation("record", {**expressions, **{name: name for name in own_columns.RAW_OWN}}),
        types(work.database, "", expressions, work.raw),
        len(stream.primary_key),
        work.notation,
    )
    currency = work.connection.currency or work.settings.project.currency
    origin = Origin(work.connection.name, stream.name, work.notation, currency, work.settings.reasons)
    projections = [
        BoundProjection(
            tables.CANONICAL[name],
            number,
            *bind(work.database, tables.CANONICAL[name], projection, work.raw),
            origin,
        )
        for name, declared in stream.to.items()
        for number, projection in enumerate(declared)
    ]
    rows = rows_of(projections)
    wide_table.make(
        work.database, record, projections, summary([each for each in rows if not each.is_joined])
    )
    if first := first_touchpoint(rows):
        work.database.execute(f"CREATE TABLE {FIRST_TOUCHPOINT} AS {first}")
    for name in stream.to:
        work.database.execute(
            f"CREATE VIEW {name} AS {view([item for item in rows if item.projection.table.name == name])}"
        )
    return rows


def _require(work: _Work, rows: list[Rows]) -> None:
    """Refuse records without a required value. A deleted record only loses the row: a tombstone has little more
    than its key."""
    work.database.execute(
        "INSERT INTO refused SELECT _row, 'conform', 'required', 'primary_key', NULL FROM wide WHERE record_id IS NULL"
    )
    for each in rows:
        absent = ", ".join(
            f"CASE WHEN {sql} THEN {literal(f'{each.projection.table.name}.{name}')} END"
            for name, sql in each.missing.items()
        )
        work.database.execute(
            "INSERT INTO refused (_row, stage, rule, column_name) "
            "SELECT DISTINCT _row, 'conform', 'required', place FROM "
            f"(SELECT s._row, unnest([{absent}]) AS place FROM {each.source} "
            f"WHERE {each.projection.is_row} AND NOT s.is_deleted AND ({' OR '.join(each.missing.values())})) missing "
            "WHERE place IS NOT NULL AND NOT EXISTS (SELECT 1 FROM refused f "
            "WHERE f._row = missing._row AND f.column_name = missing.place)"
        )


def _complete(work: _Work, rows: list[Rows]) -> None:
    """Create `record`: each record with its content hash and the time of its first event. Joins what the record's row
    of the wide table does not hold: list items, identifiers, rows whose touchpoint is in another wide table."""
    joined_rows = [
        f"SELECT s._row, {each.content} AS h, {each.event_at or 'NULL::TIMESTAMPTZ'} AS event_at "
        f"FROM {each.source} WHERE {each.projection.is_row}"
        for each in rows
        if each.is_joined
    ]
    if work.stream.identifiers:
        identity = "md5_number_lower(concat_ws(chr(31), namespace, identity_hash::VARCHAR))"
        joined_rows.append(
            f"SELECT _row, {identity} AS h, NULL::TIMESTAMPTZ AS event_at FROM identifier_seen"
        )
    folded, row_count, event_at, joined = "s._folded", "s._row_count", "s._event_at", ""
    if joined_rows:
        joined = (
            " LEFT JOIN (SELECT _row, bit_xor(h) AS h, count(h) AS row_count, min(event_at) AS event_at "
            f"FROM ({' UNION ALL '.join(joined_rows)}) GROUP BY _row) j ON j._row = s._row"
        )
        folded = f"xor({folded}, coalesce(j.h, 0::UBIGINT))"
        row_count, event_at = f"{row_count} + coalesce(j.row_count, 0)", f"least({event_at}, j.event_at)"
    work.database.execute(
        f"CREATE {'TABLE' if joined_rows else 'VIEW'} record AS SELECT s._row, s.record_id, s.version_at, "
        f"s._received_at AS received_at, s.is_deleted, concat_ws('.', to_hex({folded}), {row_count}, "
        f"CASE WHEN s.is_deleted THEN 'deleted' END) AS content_hash, {event_at} AS event_at, "
        "s._origin::VARCHAR AS origin, s._landed_batch::VARCHAR AS batch_id, s._landed_row AS row_number, "
        f"s._raw_hash AS raw_hash FROM wide s{joined}"
    )


def _identifiers(work: _Work) -> dict[str, dict[str, Any]]:
    """Fill `identifier_seen`; returns what the load's report should say of identifiers."""
    return identifiers.collect(
        work.database,
        work.settings,
        work.stream,
        system=work.connection.name,
        country=work.connection.country or work.settings.project.country,
    )


def _mangled(work: _Work, rows: list[Rows]) -> dict[str, int]:
    """Where ids were cut short by a spreadsheet, and how many."""
    places = {"primary_key": "record_id"}
    for projection in (each.projection for each in rows if each.projection.wide_table == "wide"):
        columns = tables.mappable(projection.table)
        ids = (name for name in projection.kinds if columns[name].info.get("qualified"))
        places |= {f"{projection.table.name}.{name}": projection.cell(name) for name in ids}
    return plain_ids.mangled(work.database, places)


def _leave_empty(work: _Work) -> None:
    """Create empty scratch tables for a batch without a single readable record."""
    work.database.execute(prepared.create("record", prepared.RECORD))
    for name in work.stream.to:
        columns = tables.mappable(tables.CANONICAL[name]).values()
        own = {column.name: duckdb_type(column.type) for column in columns}
        work.database.execute(prepared.create(name, {**prepared.ROW, **own}))
