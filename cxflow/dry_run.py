"""What a run would make of a stream's first records: landed, conformed and validated in a scratch folder, then
forgotten. Called by `flow` for `cxflow run --dry-run`.

It is the run's own code on a landing zone of its own, so that it finds what a run would find: a raw column that is not
there, a value that does not cast, a rule that does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from cxflow import extract, scratch
from cxflow.conform import batch as conforming
from cxflow.connect.connector import Connector
from cxflow.duck import workbench
from cxflow.errors import ConfigError
from cxflow.landing import zone
from cxflow.model import raw_schema
from cxflow.model.batch import Mode
from cxflow.model.reading import Cursor
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Settings
from cxflow.validate import gate


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of the records that were tried."""

    records: int
    """How many were read, those that are no records among them."""
    rows: dict[str, int]
    """Canonical table to the rows that would be written."""
    refused: int
    """Records that would go to quarantine."""
    reasons: dict[str, int]
    """Rule and column to the records refused for it."""
    stopped: str
    """Why the gate would stop such a batch; empty where it would not."""


def rehearse(
    settings: Settings,
    connector: Connector,
    stream: Stream,
    window: Window,
    cursor: Cursor | None,
    mode: Mode,
    known: raw_schema.RawSchema,
    limit: int,
) -> Rehearsal:
    """Try at most `limit` records of a window; `known` is the stream's raw shape so far.

    Raises what extracting and conforming raise. Nothing outlives the call.
    """
    with scratch.folder("rehearsal") as folder:
        landing = settings.landing.model_copy(update={"url": str(folder / "landing")})
        aside = settings.model_copy(update={"landing": landing})
        batch = extract.extract(aside, connector, stream, window, cursor, mode, limit)
        try:
            conformed = conforming.conform(aside, connector.connection, stream, batch, known, folder)
        except ConfigError as problem:
            if zone.read_manifest(aside, batch).layout == "json":  # its keys come and go
                problem.fix = f"{problem.fix or ''}; tried were the first {limit:,} records".removeprefix(
                    "; "
                )
            raise
        verdict = gate.validate(aside, stream, conformed)
        with workbench(conformed.database) as database:
            return Rehearsal(
                records=verdict.extracted,
                rows={name: _loadable(database, name) for name in verdict.tables},
                refused=verdict.refused,
                reasons=gate.reasons(database),
                stopped=verdict.why,
            )


def _loadable(database: duckdb.DuckDBPyConnection, table: str) -> int:
    row = database.execute(f"SELECT count(*) FROM {table} ANTI JOIN left_out USING (_row)").fetchone()
    return int(row[0]) if row else 0
