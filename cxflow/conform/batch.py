"""Conforms one landed batch: raw Parquet in, canonical tables in a scratch DuckDB file out. Called by `flow`.

A record of which one value does not fit is refused whole, and says why in `refused`. Nothing is dropped: every
raw row is in `record` or, where it could not be read at all, in `refused`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from cxflow.conform import drift, identifiers, long_numbers, wide_table
from cxflow.conform.bound_projection import (
    FIRST_TOUCHPOINT,
    Origin,
    Part,
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
from cxflow.duck import identifier, literal, literals
from cxflow.landing import files, zone
from cxflow.landing.prepared import Conformed
from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings
from cxflow.warehouse import tables

_BOOKS = """
CREATE TABLE refused (_row BIGINT, stage VARCHAR, rule VARCHAR, column_name VARCHAR, raw_value VARCHAR);
CREATE TABLE identifier_met (_row BIGINT, namespace VARCHAR, identity_hash VARCHAR, identity_value VARCHAR);
"""

_RECORD = """
CREATE TABLE record (
    _row BIGINT, record_id VARCHAR, version_at TIMESTAMPTZ, received_at TIMESTAMPTZ, is_deleted BOOLEAN,
    content_hash VARCHAR, event_at TIMESTAMPTZ
);
"""

_IDENTIFIER = """
CREATE VIEW identifier AS SELECT i.*, r.record_id, coalesce(r.event_at, r.version_at, r.received_at) AS seen_at
FROM identifier_met i JOIN record r ON r._row = i._row
"""
"""An identifier was seen when the first of its record's events happened."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the steps below share."""

    settings: Settings
    connection: Connection
    stream: Stream
    database: duckdb.DuckDBPyConnection
    raw: raw_schema.RawSchema

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
    scratch: Path,
) -> Conformed:
    """Conform a landed batch into a database in `scratch`.

    `known` is the stream's raw shape so far. Raises ConfigError where the mapping does not fit the raw columns,
    SourceError where the raw shape changed and a policy says stop.
    """
    check_references(stream, settings.connections)
    identifiers.check(settings, connection, stream)
    manifest = zone.read_manifest(settings, batch)
    readable = manifest.records > manifest.malformed
    changed = raw_schema.differences(known, manifest.raw_columns) if readable else raw_schema.Drift()
    merged = raw_schema.merge(known, manifest.raw_columns)
    path = scratch / "scratch.duckdb"
    with zone.local_copy(settings, batch.path) as folder, connect(path) as database:
        check(stream, database)
        # A backfill meets files that are older than what is known.
        before = {} if manifest.mode == "backfill" else known
        lacking = files.lacking(folder, before) if readable else {}
        changed = replace(changed, missing=tuple(dict.fromkeys((*changed.missing, *lacking))))
        outcome = drift.judge(stream, manifest.layout, changed, lacking)
        # A form that is refused is read as the one that is known: the mapping speaks of that.
        read = (
            raw_schema.merge(manifest.raw_columns, known)
            if "retyped_column" in outcome.quarantine
            else merged
        )
        if manifest.layout == "json":
            absent = {name: "NULL" for name in stream.may_lack if "." not in name}
            read = with_unseen({**absent, **read}, stream)
        raw = raw_schema.with_absent(read, stream.may_lack)
        work = _Work(settings, connection, stream, database, raw)
        database.execute(_BOOKS)
        _refuse_unreadable(work, folder, manifest)
        unusable: dict[str, int] = {}
        if readable:
            _view_raw(work, folder, manifest)
            if manifest.layout == "columns":  # of JSON, a key may only be rare
                check_tags(stream, raw)
            _refuse_drifted(work, outcome)
            rows = _sheets(work)
            _require(work, rows)
            unusable = _identifiers(work)
            _complete(work, rows)
        else:
            _leave_empty(work)
        database.execute(_IDENTIFIER)
        made = sum(_count(work, name) for name in stream.to)
    report = {
        "drift": changed.as_json(),
        "unusable_identifiers": unusable,
        "without_records": manifest.without_records,
        "resumed_at": manifest.resumed_at,
    }
    return Conformed(
        path,
        tuple(stream.to),
        # The books begin with what the source holds, not with what its reader says.
        manifest.records if manifest.counted is None else manifest.counted,
        made,
        {key: item for key, item in report.items() if item},
        merged if outcome.is_learned else known,
        is_replay=manifest.mode == "replay",
    )


def _view_raw(work: _Work, folder: Path, manifest: zone.Manifest) -> None:
    """The view `raw`: the raw columns, those absent from this batch as null, with `_row` and `_received_at`."""
    structure = literal(raw_schema.as_structure(work.raw))
    own = "_row, _origin, _received_at"
    if manifest.layout == "json":
        parts = files.records_in(folder)
        record = f"from_json({long_numbers.exact(work.database, '_payload')}, {structure})"
        select = f"SELECT record.*, {own} FROM (SELECT {record} AS record, {own} FROM {parts})"
    else:
        absent = [name for name in work.raw if name not in manifest.raw_columns]
        nulls = "".join(f", NULL::VARCHAR AS {identifier(name)}" for name in absent)
        select = f"SELECT *{nulls} FROM {files.records_in(folder)}"
    work.database.execute(f"CREATE TEMP VIEW raw AS {select}")


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
            affected = " OR ".join(drift.present(column, work.raw) for column in columns)
        elif rule == "missing_column" and set(columns) <= set(outcome.lacking):
            origins = sorted({origin for column in columns for origin in outcome.lacking[column]})
            affected = f"_origin IN (SELECT unnest({literals(origins)}))"
        work.database.execute(
            f"INSERT INTO refused SELECT _row, 'conform', {literal(rule)}, {literal(', '.join(columns))}, NULL "
            f"FROM raw WHERE {affected}"
        )


def _sheets(work: _Work) -> list[Rows]:
    """Make the sheets, and the canonical tables as views of them. Returns how rows are read."""
    stream = work.stream
    expressions = record_expressions(stream)
    record = wide_table.RecordPart(
        Evaluation("record", {**expressions, "_received_at": "_received_at"}),
        types(work.database, "", expressions, work.raw),
        len(stream.primary_key),
        work.notation,
    )
    currency = work.connection.currency or work.settings.project.currency
    origin = Origin(work.connection.name, stream.name, work.notation, currency)
    parts = [
        Part(
            tables.CANONICAL[name],
            number,
            *bind(work.database, tables.CANONICAL[name], projection, work.raw),
            origin,
        )
        for name, projections in stream.to.items()
        for number, projection in enumerate(projections)
    ]
    rows = rows_of(parts)
    wide_table.make(work.database, record, parts, summary([each for each in rows if not each.is_joined]))
    if first := first_touchpoint(rows):
        work.database.execute(f"CREATE TABLE {FIRST_TOUCHPOINT} AS {first}")
    for name in stream.to:
        work.database.execute(
            f"CREATE VIEW {name} AS {view([item for item in rows if item.part.table.name == name])}"
        )
    return rows


def _require(work: _Work, rows: list[Rows]) -> None:
    """Refuse the records that lack a required value. A deleted one only loses the row: a tombstone has little more
    than its key."""
    work.database.execute(
        "INSERT INTO refused SELECT _row, 'conform', 'required', 'primary_key', NULL FROM sheet WHERE record_id IS NULL"
    )
    for each in rows:
        absent = ", ".join(
            f"CASE WHEN {sql} THEN {literal(f'{each.part.table.name}.{name}')} END"
            for name, sql in each.missing.items()
        )
        work.database.execute(
            "INSERT INTO refused (_row, stage, rule, column_name) "
            "SELECT DISTINCT _row, 'conform', 'required', place FROM "
            f"(SELECT s._row, unnest([{absent}]) AS place FROM {each.source} "
            f"WHERE {each.part.is_row} AND NOT s.is_deleted AND ({' OR '.join(each.missing.values())})) missing "
            "WHERE place IS NOT NULL AND NOT EXISTS (SELECT 1 FROM refused f "
            "WHERE f._row = missing._row AND f.column_name = missing.place)"
        )


def _complete(work: _Work, rows: list[Rows]) -> None:
    """`record`: each record with its content hash, and when the first of its events happened. What its own line of
    the sheet does not tell is looked up: items, identifiers, rows whose touchpoint is elsewhere."""
    apart = [
        f"SELECT s._row, {each.content} AS h, {each.event_at or 'NULL::TIMESTAMPTZ'} AS event_at "
        f"FROM {each.source} WHERE {each.part.is_row}"
        for each in rows
        if each.is_joined
    ]
    if work.stream.identifiers:
        identity = "md5_number_lower(concat_ws(chr(31), namespace, identity_hash))"
        apart.append(f"SELECT _row, {identity} AS h, NULL::TIMESTAMPTZ AS event_at FROM identifier_met")
    folded, parts, event_at, joined = "s._folded", "s._parts", "s._event_at", ""
    if apart:
        joined = (
            " LEFT JOIN (SELECT _row, bit_xor(h) AS h, count(h) AS parts, min(event_at) AS event_at "
            f"FROM ({' UNION ALL '.join(apart)}) GROUP BY _row) a ON a._row = s._row"
        )
        folded = f"xor({folded}, coalesce(a.h, 0::UBIGINT))"
        parts, event_at = f"{parts} + coalesce(a.parts, 0)", f"least({event_at}, a.event_at)"
    work.database.execute(
        f"CREATE {'TABLE' if apart else 'VIEW'} record AS SELECT s._row, s.record_id, s.version_at, "
        f"s._received_at AS received_at, s.is_deleted, concat_ws('.', to_hex({folded}), {parts}, "
        f"CASE WHEN s.is_deleted THEN 'deleted' END) AS content_hash, {event_at} AS event_at FROM sheet s{joined}"
    )


def _identifiers(work: _Work) -> dict[str, int]:
    """Fill `identifier_met`; returns the number of unusable identifiers by namespace."""
    return identifiers.collect(
        work.database,
        work.settings,
        work.stream,
        system=work.connection.name,
        country=work.connection.country or work.settings.project.country,
    )


def _leave_empty(work: _Work) -> None:
    """The scratch tables of a batch of which not one record could be read."""
    work.database.execute(_RECORD)
    for name in work.stream.to:
        columns = "".join(
            f", {identifier(column.name)} {duckdb_type(column.type)}"
            for column in tables.mappable(tables.CANONICAL[name]).values()
        )
        work.database.execute(
            f"CREATE TABLE {name} (row_id BIGINT, _row BIGINT, _received_at TIMESTAMPTZ, record_id VARCHAR, "
            f"is_deleted BOOLEAN{columns})"
        )


def _count(work: _Work, name: str) -> int:
    row = work.database.execute(f"SELECT count(*) FROM {name}").fetchone()
    return int(row[0]) if row else 0
