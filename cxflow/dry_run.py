"""Runs a stream's first records through extract, conform and validate in a scratch folder, and throws the result away.
Called by `flow` for `cxflow run --dry-run`, which counts, and `cxflow read`, which shows the rows.

It is the same code as in a run, on a temporary landing zone, so it finds what a run would find: a missing raw column,
a value that does not cast, a broken expectation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxflow import extract, scratch
from cxflow.conform import batch as conforming
from cxflow.connect.extraction import Extraction
from cxflow.duck import count, identifier, workbench
from cxflow.errors import ConfigError, CxflowError
from cxflow.landing import derived, files, inference, zone
from cxflow.landing.prepared import Verdict
from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings
from cxflow.validate import examples, gate, personal, runner, suites

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class DryRun:
    """The result of a dry run."""

    records: int
    """Records read, malformed ones included."""
    rows: dict[str, int]
    """Canonical table to the number of rows a run would write."""
    refused: int
    """Records that would go to quarantine."""
    reasons: dict[str, int]
    """Rule and column to the number of records refused."""
    stopped: str
    """Why the gate would stop such a batch; empty if it would not."""
    examples: dict[str, list[str]]
    """Rule and column to some of the refused values: masked, unless they were to be revealed."""
    suggestions: list[str]
    """Settings that would read the refused values."""


@dataclass(slots=True)
class FirstRows:
    """A stream's first records and the canonical rows they become. Personal values are masked, unless they were to be
    revealed."""

    raw: dict[int, dict[str, Any]]
    """Number of a record, from 1, to the record as the source has it."""
    malformed: dict[int, str]
    """Number of what could not be read as a record, to the reason and the text."""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Canonical table to its rows, each with the number of its `record`; `identifier`: those of customers."""
    refused: dict[int, list[str]] = field(default_factory=dict)
    """Number of a record to why it would go to quarantine."""
    suggestions: list[str] = field(default_factory=list)
    """Settings that would read the refused values."""
    problem: CxflowError | None = None
    """Why the records cannot be conformed at all: the mapping does not fit them."""


def try_first(
    settings: Settings,
    extraction: Extraction,
    known: raw_schema.RawSchema,
    limit: int,
    *,
    reveal: bool = False,
) -> DryRun:
    """Try at most `limit` records of an extraction. `known` is the stream's raw schema so far.
    `reveal` shows examples of refused values as they are.

    Raises the errors of extract and conform. Nothing outlives the call.
    """
    connector, stream = extraction.connector, extraction.stream
    with scratch.folder("dry-run") as folder:
        aside = _aside(settings, folder)
        batch = extract.extract(aside, extraction, limit)
        try:
            return _tried(aside, connector.connection, stream, batch, known, folder, reveal)
        except ConfigError as problem:
            _add_few(aside, batch, problem, f"the dry run read only the first {limit:,} records")
            raise


def read_first(
    settings: Settings,
    extraction: Extraction,
    known: raw_schema.RawSchema,
    limit: int,
    *,
    conform: bool = True,
    reveal: bool = False,
) -> FirstRows:
    """At most `limit` records of an extraction, and the rows that a run would load of them. `known` is the stream's raw
    schema so far; without `conform`, the records alone; `reveal` shows personal values.

    Raises the errors of extract; a mapping that does not fit is the result's `problem`. Nothing outlives the call.
    """
    connection, stream = extraction.connector.connection, extraction.stream
    with scratch.folder("read") as folder:
        aside = _aside(settings, folder)
        batch = extract.extract(aside, extraction, limit)
        first = _landed(aside, stream, batch, reveal=reveal)
        if not conform or not first.raw:
            return first
        with ExitStack() as open_:
            try:
                verdict, database = open_.enter_context(
                    _validated(aside, connection, stream, batch, known, folder)
                )
            except CxflowError as problem:
                _add_few(aside, batch, problem, f"only the first {len(first.raw):,} records were read")
                first.problem = problem
                return first
            first.refused = _refused(database)
            first.suggestions = examples.suggestions(database, stream)
            # What is made of a customer's id alone, such as the direction of a ticket, the views show, too.
            tagged = {name.lower() for name in stream.pii}
            hidden = set() if reveal else personal.places(stream, tagged)
            first.rows = {name: _rows(database, name, hidden) for name in verdict.tables}
            if stream.identifiers:
                first.rows["identifier"] = _identifiers(database, reveal=reveal)
        return first


def _landed(settings: Settings, stream: Stream, batch: BatchRef, *, reveal: bool) -> FirstRows:
    """The landed records, and what could not be read as one."""
    manifest = zone.read_manifest(settings, batch)
    first = FirstRows({}, {})
    with zone.local_copy(settings, batch.path) as landed, workbench() as database:
        tagged = set() if reveal else personal.columns(stream)
        if manifest.records > manifest.malformed:
            found = database.execute(f"SELECT * FROM {files.records_in(landed)} ORDER BY _row")
            names = [each[0] for each in found.description or ()]
            for values in found.fetchall():
                record = dict(zip(names, values, strict=True))
                of_source = {name: value for name, value in record.items() if name not in inference.OWN}
                if manifest.layout == "json":
                    of_source = json.loads(record["_payload"])
                first.raw[record["_row"]] = of_source if reveal else personal.masked_record(of_source, tagged)
        if manifest.malformed:
            found = database.execute(
                f"SELECT _row, reason, payload FROM {files.malformed_in(landed)} ORDER BY _row"
            )
            first.malformed = {
                row: f"{reason}: {text if reveal else f'masked, {len(text):,} characters'}"
                for row, reason, text in found.fetchall()
            }
    return first


def _refused(database: duckdb.DuckDBPyConnection) -> dict[int, list[str]]:
    """Why records of a validated batch would go to quarantine."""
    rows = database.execute(
        "SELECT _row, list(DISTINCT concat_ws(' of ', rule, column_name)) "
        "FROM (FROM refused UNION ALL FROM sharing) GROUP BY _row ORDER BY _row"
    ).fetchall()
    return {row: sorted(why) for row, why in rows}


def _rows(database: duckdb.DuckDBPyConnection, name: str, hidden: set[str]) -> list[dict[str, Any]]:
    """The rows of a canonical table that would load, in the order of their records; values of `hidden` columns
    (`table.column`) masked."""
    found = database.execute(
        f"SELECT _row AS record, * EXCLUDE (row_id, _row, _received_at, record_id) FROM {identifier(name)} "
        "ANTI JOIN left_out USING (_row) ANTI JOIN sharing USING (_row) ORDER BY _row, row_id"
    )
    columns = [each[0] for each in found.description or ()]
    return [
        {
            column: personal.masked(value) if f"{name}.{column}" in hidden else value
            for column, value in zip(columns, values, strict=True)
        }
        for values in found.fetchall()
    ]


def _identifiers(database: duckdb.DuckDBPyConnection, *, reveal: bool) -> list[dict[str, Any]]:
    """What names the customers of the records."""
    rows = database.execute(
        "SELECT _row, namespace, coalesce(identity_value, identity_hash::VARCHAR), identity_value IS NULL "
        "FROM identifier ANTI JOIN left_out USING (_row) ORDER BY _row, namespace, 3"
    ).fetchall()
    return [
        {
            "record": row,
            "namespace": namespace,
            "value": value if reveal else f"hash {value[:8]}…" if hashed else personal.masked(value),
        }
        for row, namespace, value, hashed in rows
    ]


def _add_few(settings: Settings, batch: BatchRef, problem: CxflowError, tried: str) -> None:
    """Add to an error how few records were tried, where a later one may have the key that is missing."""
    if isinstance(problem, ConfigError) and zone.read_manifest(settings, batch).layout == "json":
        problem.fix = f"{problem.fix}; {tried}" if problem.fix else tried


def try_landed(
    settings: Settings,
    connection: Connection,
    stream: Stream,
    landed: BatchRef,
    known: raw_schema.RawSchema,
    limit: int,
    *,
    reveal: bool = False,
) -> DryRun:
    """Try the first records of a landed batch, at most `limit`. `known` is the stream's raw schema so far.

    Raises the errors of conform. Nothing outlives the call.
    """
    with scratch.folder("dry-run") as folder:
        aside = _aside(settings, folder)
        rows = range(1, limit + 1)
        (batch,) = derived.compose(
            settings, {landed: rows}, "remap", into=aside, has_places=stream.has_places
        )
        return _tried(aside, connection, stream, batch, known, folder, reveal)


def _aside(settings: Settings, folder: Path) -> Settings:
    """The settings with a landing zone of their own."""
    landing = settings.landing.model_copy(update={"url": str(folder / "landing"), "storage_options": {}})
    return settings.model_copy(update={"landing": landing})


def _tried(
    settings: Settings,
    connection: Connection,
    stream: Stream,
    batch: BatchRef,
    known: raw_schema.RawSchema,
    folder: Path,
    reveal: bool,
) -> DryRun:
    with _validated(settings, connection, stream, batch, known, folder) as (verdict, database):
        shown, suggested = verdict.examples, verdict.suggestions
        if verdict.passed:  # a closed gate has looked at the refused values itself
            suggested = examples.suggestions(database, stream)
        if verdict.passed or reveal:
            shown = examples.of(database, stream, suites.of_stream(settings.quality, stream), reveal=reveal)
        return DryRun(
            records=verdict.extracted,
            rows={
                name: count(
                    database, f"{name} ANTI JOIN left_out USING (_row) ANTI JOIN sharing USING (_row)"
                )
                for name in verdict.tables
            },
            refused=verdict.refused + verdict.sharing,
            reasons=gate.reasons(database),
            stopped=verdict.why,
            examples=shown,
            suggestions=suggested,
        )


@contextmanager
def _validated(
    settings: Settings,
    connection: Connection,
    stream: Stream,
    batch: BatchRef,
    known: raw_schema.RawSchema,
    folder: Path,
) -> Iterator[tuple[Verdict, duckdb.DuckDBPyConnection]]:
    """A landed batch, conformed and judged."""
    with zone.local_copy(settings, batch.path) as landed:
        conformed = conforming.conform(settings, connection, stream, batch, known, landed, folder)
    with runner.opened(conformed.database) as database:
        yield gate.validate(settings, stream, conformed, database), database
