"""The sources of a project: opened, checked, asked and tried; nothing is loaded. Called by `flow` and the command line.

Each takes the settings and names. Errors name their connection and stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cxflow.conform import constants, fingerprint, header, identifiers
from cxflow.conform.projection import check as check_mapping
from cxflow.conform.projection import check_references
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.errors import ConfigError, CxflowError, UnexpectedError
from cxflow.model import progress, raw_schema
from cxflow.model.activities import ACTIVITIES, remark
from cxflow.model.batch import Mode
from cxflow.model.snapshots import SnapshotStream
from cxflow.model.window import Window
from cxflow.settings import Settings
from cxflow.validate import gate
from cxflow.warehouse import database_errors, ledger, revisions, transactions

if TYPE_CHECKING:
    import sqlalchemy as sa

    # Imported by the functions that need it: it knows all stages, and their libraries take longer than a check.
    from cxflow import dry_run

DRY_RUN_RECORDS = 1_000
"""Records read by a dry run: enough to show what a mapping does, and quick to read."""


Place = tuple[str, str]
"""A connection and one of its streams."""


@contextmanager
def at(connection: str | None = None, stream: str | None = None) -> Iterator[None]:
    """Add connection and stream to errors raised in the block, and to reports of progress. Messages of databases and
    unknown exceptions are not passed on: they may quote personal data."""
    try:
        # The warehouse's own errors are sorted by `engine`.
        with progress.of(connection, stream), database_errors.explained(scratch=True):
            yield
    except CxflowError as problem:
        problem.at(connection, stream)
        raise
    except Exception as problem:
        found = UnexpectedError.of(problem).at(connection, stream)
        raise found.with_traceback(problem.__traceback__) from problem


def open_connection(settings: Settings, connection: str, *, offline: bool = False) -> Connector:
    """The connector of a configured connection, its declarations checked. `offline`: for what it declares alone, so
    that nothing of its account is looked up in Airflow."""
    with at(connection):
        return registry.open_connection(settings, connection, offline=offline)


def first_instant(settings: Settings, connector: Connector) -> datetime | None:
    """A connection's `start`; without an offset, in the project's time zone."""
    first: datetime | None = connector.connection.start
    if first is not None and first.tzinfo is None:
        first = first.replace(tzinfo=ZoneInfo(settings.project.timezone))
    return first


def not_configured(settings: Settings, places: Iterable[Place]) -> set[Place]:
    """Those of the streams that `cxflow.toml` does not have, or that `only` leaves out. A connection with a fault is
    taken to have its streams."""
    asked = set(places)
    configured: set[Place] = set()
    for connection in {connection for connection, _ in asked} & settings.connections.keys():
        try:
            names: Iterable[str] = open_connection(settings, connection, offline=True).streams
        except CxflowError:
            names = [stream for each, stream in asked if each == connection]
        configured |= {(connection, name) for name in names}
    return asked - configured


def lint(settings: Settings, connection: str) -> list[str]:
    """Check a connection without reading a record: settings, mapping, expectations. Returns what was checked.

    Mappings are checked against the canonical tables, and their SQL is parsed. Raises ConfigError at the first
    fault.
    """
    checked = []
    connector = open_connection(settings, connection, offline=True)
    with at(connection):
        for name, stream in connector.streams.items():
            with at(connection, name):
                check_mapping(stream)
                check_references(stream, settings.connections)
                identifiers.check(settings, connector.connection, stream)
                gate.check(stream)
            checked.append(f"{connection}.{name}")
    return checked


def remarks(settings: Settings, connection: str, stream: str) -> list[str]:
    """What to know about a stream whose declaration has no fault: activities that no KPI knows, and what becomes of
    records that are gone from the source."""
    with at(connection, stream):
        declared = open_connection(settings, connection, offline=True).stream(stream)
        found = constants.activities(declared)
        unknown = [remark(activity) for activity in found if activity not in ACTIVITIES]
        return unknown + (declared.remarks if isinstance(declared, SnapshotStream) else [])


def check_columns(settings: Settings, connection: str, stream: str, *, offline: bool) -> None:
    """Check that the raw columns that a stream's declaration names exist, as far as its connector tells them without
    reading a record (`offline`: without a network or a database).

    Raises ConfigError with the nearest name, and what the connector raises. A column that an earlier load knew is none
    to refuse: the files that had it may be gone.
    """
    connector = open_connection(settings, connection, offline=offline)
    with at(connection, stream):
        declared = connector.stream(stream)
        names = connector.columns(declared, offline=offline)
        if names is None:
            return
        header.check(declared, names, lambda: _loaded_columns(settings, connection, stream))


def _loaded_columns(settings: Settings, connection: str, stream: str) -> raw_schema.RawSchema:
    """The raw columns that loads of a stream have known; none if the warehouse cannot be asked."""
    with suppress(CxflowError):
        if transactions.exists(settings):
            return ledger.raw_columns(settings, connection, stream)
    return {}


def doctor(settings: Settings, connection: str, stream: str) -> list[str]:
    """Check that the stream can be read now, and has the raw columns that its declaration names.

    Returns the connector's remarks on it. Raises ConfigError, SourceError or TransientError if not.
    """
    with at(connection, stream):
        connector = open_connection(settings, connection)
        declared = connector.stream(stream)
        connector.check(declared)
        check_columns(settings, connection, stream, offline=False)
        return connector.remarks(declared)


def plan(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> list[str]:
    """What an extraction would read, one line per item. Nothing is read or written."""
    with at(connection, stream):
        asked = extraction_of(settings, connection, stream, window, mode)
        return asked.connector.plan(asked.stream, window, asked.cursor)


def available(settings: Settings, connection: str, stream: str) -> str | None:
    """Between which times (or cursor values) a stream has something to read; None if that is not known."""
    connector = open_connection(settings, connection)
    with at(connection, stream):
        return connector.available(connector.stream(stream))


def try_first(
    settings: Settings,
    connection: str,
    stream: str,
    window: Window,
    mode: Mode,
    records: int = DRY_RUN_RECORDS,
    *,
    reveal: bool = False,
) -> dry_run.DryRun:
    """Dry run: try the window's first records. Nothing that it writes is kept. `reveal`: its examples of refused values
    are as they are, personal ones too."""
    from cxflow import dry_run

    with at(connection, stream):
        asked = extraction_of(settings, connection, stream, window, mode)
        known = ledger.raw_columns(settings, connection, stream)
        return dry_run.try_first(settings, asked, known, records, reveal=reveal)


def read_first(
    settings: Settings,
    connection: str,
    stream: str,
    records: int,
    *,
    start: datetime | None = None,
    conform: bool = True,
    reveal: bool = False,
) -> dry_run.FirstRows:
    """A stream's first records since `start` (unset: the connection's `start`, or the source's beginning), and the rows
    they become; without `conform`, the records alone. `reveal`: personal values, too.

    Asks the source as a backfill would: no cursor is used or moved, and nothing is landed.
    """
    from cxflow import dry_run

    connector = open_connection(settings, connection)
    with at(connection, stream):
        declared = connector.stream(stream)
        window = Window(start or first_instant(settings, connector), datetime.now(UTC) - declared.lag)
        asked = Extraction(connector, declared, window, None, "backfill")
        known = _loaded_columns(settings, connection, stream)
        return dry_run.read_first(settings, asked, known, records, conform=conform, reveal=reveal)


def try_landed(
    settings: Settings,
    connection: str,
    stream: str,
    records: int = DRY_RUN_RECORDS,
    *,
    reveal: bool = False,
) -> dry_run.DryRun:
    """Dry run on the first records of the newest batch that was loaded: tries a changed mapping without the source."""
    from cxflow import dry_run

    connector = open_connection(settings, connection)
    with at(connection, stream):
        batches = ledger.loaded_batches(settings, connection, stream)
        if not batches:
            raise ConfigError("nothing has been loaded yet", fix="try the source: `cxflow run --dry-run`")
        known = ledger.raw_columns(settings, connection, stream)
        declared = connector.stream(stream)
        return dry_run.try_landed(
            settings, connector.connection, declared, batches[-1], known, records, reveal=reveal
        )


def extraction_of(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> Extraction:
    """A window of a stream, with the cursor that a run of this mode begins from."""
    connector = open_connection(settings, connection)
    declared, cursor = connector.stream(stream), ledger.cursor(settings, connection, stream)
    reads_anew = connector.reads_anew(declared, cursor)
    return Extraction(
        connector, declared, window, cursor if mode == "scheduled" else None, mode, reads_anew=reads_anew
    )


def outdated(settings: Settings, places: Iterable[Place]) -> dict[Place, int]:
    """Those of the streams that have loaded records whose rows were made by another
    mapping than the present one, and how many. All are asked for in one transaction."""
    with transactions.reading(settings) as warehouse:
        revisions.require(warehouse)
        found = {place: outdated_in(warehouse, settings, *place) for place in places}
    return {place: records for place, records in found.items() if records}


def outdated_in(warehouse: sa.Connection, settings: Settings, connection: str, stream: str) -> int:
    """How many such records a stream has, in the caller's transaction."""
    with at(connection, stream):
        connector = open_connection(settings, connection, offline=True)
        mapping = fingerprint.of(settings, connector.connection, connector.stream(stream))
        return ledger.outdated_in(warehouse, connection, stream, mapping)
