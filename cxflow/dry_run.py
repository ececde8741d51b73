"""Runs a stream's first records through extract, conform and validate in a scratch folder, and throws the result away.
Called by `flow` for `cxflow run --dry-run`.

It is the same code as in a run, on a temporary landing zone, so it finds what a run would find: a missing raw column,
a value that does not cast, a broken expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxflow import extract, scratch
from cxflow.conform import batch as conforming
from cxflow.connect.extraction import Extraction
from cxflow.duck import count, workbench
from cxflow.errors import ConfigError
from cxflow.landing import derived, zone
from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings
from cxflow.validate import examples, gate, suites


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
            if zone.read_manifest(aside, batch).layout == "json":  # a later record may have the key
                tried = f"the dry run read only the first {limit:,} records"
                problem.fix = f"{problem.fix}; {tried}" if problem.fix else tried
            raise


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
    conformed = conforming.conform(settings, connection, stream, batch, known, folder)
    verdict = gate.validate(settings, stream, conformed)
    with workbench(conformed.database) as database:
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
