"""The whole trip, in order, as plain functions. The command line and the Airflow operators call these.

    extract -> prepare (conform, validate) -> load        per connection, stream and window
    resolve_identity -> score_texts -> compute_kpis -> publish    once for the warehouse
    alerts                                                        whenever somebody wants to know

Each takes the settings and small references and returns a small report, so that each can be a separate task. Errors
name their connection and stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from cxflow import dry_run, scratch
from cxflow import extract as extraction
from cxflow.alerts import watch
from cxflow.alerts.alert import Alert
from cxflow.conform import batch as conforming
from cxflow.conform import constants, fingerprint, header, identifiers
from cxflow.conform.projection import check as check_mapping
from cxflow.conform.projection import check_references
from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.duck import workbench
from cxflow.errors import ConfigError, CxflowError, UnexpectedError
from cxflow.identity import resolve
from cxflow.kpis import calculator, catalogue
from cxflow.kpis.report import KpiReport
from cxflow.landing import derived, prepared, zone
from cxflow.load import batch as loading
from cxflow.model import raw_schema
from cxflow.model.activities import ACTIVITIES, remark
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.snapshots import SnapshotStream
from cxflow.model.window import Window, scheduled
from cxflow.publish import snapshot, views
from cxflow.settings import Settings
from cxflow.validate import gate, quarantine, runner
from cxflow.warehouse import database_errors, engines, key_claims, ledger, revisions, transactions
from cxflow.words import score

DRY_RUN_RECORDS = 1_000
"""Records read by a dry run: enough to show what a mapping does, and quick to read."""

log = structlog.get_logger("cxflow")

Progress = Callable[[str, str, str], None]
"""Called with connection, stream and the step that begins: extract, prepare, load or done."""


def _silent(connection: str, stream: str, step: str) -> None:
    """Report no progress."""


@contextmanager
def _at(connection: str | None = None, stream: str | None = None) -> Iterator[None]:
    """Add connection and stream to errors raised in the block. Messages of databases and unknown exceptions are not
    passed on: they may quote personal data."""
    try:
        with database_errors.explained(scratch=True):  # the warehouse's own are sorted by `engine`
            yield
    except CxflowError as problem:
        problem.at(connection, stream)
        raise
    except Exception as problem:
        found = UnexpectedError.of(problem).at(connection, stream)
        raise found.with_traceback(problem.__traceback__) from problem


def open_connection(settings: Settings, connection: str) -> Connector:
    """The connector of a configured connection, its declarations checked."""
    with _at(connection):
        return registry.open_connection(settings, connection)


def streams(settings: Settings, connection: str) -> list[str]:
    """The names of a connection's streams, in order of declaration."""
    return list(open_connection(settings, connection).streams)


def scheduled_window(settings: Settings, connection: str, stream: str, end: datetime) -> Window:
    """The window of a scheduled run up to `end`: from the cursor minus the stream's look-back, to `end` minus its lag.
    Without a cursor it starts at the connection's `start`, or at the beginning of the source. A look-back does not
    reach before that `start`."""
    connector = open_connection(settings, connection)
    declared = connector.stream(stream)
    with _at(connection, stream):
        position = ledger.position(settings, connection, stream)
    first = _first_instant(settings, connector)
    return scheduled(position, end - declared.lag, declared.look_back, first)


def _first_instant(settings: Settings, connector: Connector) -> datetime | None:
    """A connection's `start`; without an offset, in the project's time zone."""
    first: datetime | None = connector.connection.start
    if first is not None and first.tzinfo is None:
        first = first.replace(tzinfo=ZoneInfo(settings.project.timezone))
    return first


def lint(settings: Settings, connection: str) -> list[str]:
    """Check a connection without reading a record: settings, mapping, expectations. Returns what was checked.

    Mappings are checked against the canonical tables, and their SQL is parsed. Raises ConfigError at the first
    fault.
    """
    checked = []
    connector = open_connection(settings, connection)
    with _at(connection), workbench() as database:
        for name, stream in connector.streams.items():
            with _at(connection, name):
                check_mapping(stream, database)
                check_references(stream, settings.connections)
                identifiers.check(settings, connector.connection, stream)
                gate.check(stream)
            checked.append(f"{connection}.{name}")
    return checked


def remarks(settings: Settings, connection: str, stream: str) -> list[str]:
    """What to know about a stream whose declaration has no fault: activities that no KPI knows, and what becomes of
    records that are gone from the source."""
    with _at(connection, stream), workbench() as database:
        declared = open_connection(settings, connection).stream(stream)
        found = constants.activities(declared, database)
        unknown = [remark(activity) for activity in found if activity not in ACTIVITIES]
        return unknown + (declared.remarks if isinstance(declared, SnapshotStream) else [])


def check_columns(settings: Settings, connection: str, stream: str, *, offline: bool) -> None:
    """Check that the raw columns that a stream's declaration names exist, as far as its connector tells them without
    reading a record (`offline`: without a network or a database).

    Raises ConfigError with the nearest name, and what the connector raises. A column that an earlier load knew is none
    to refuse: the files that had it may be gone.
    """
    connector = open_connection(settings, connection)
    with _at(connection, stream), workbench() as database:
        declared = connector.stream(stream)
        names = connector.columns(declared, offline=offline)
        if names is None:
            return
        header.check(declared, database, names, lambda: _loaded_columns(settings, connection, stream))


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
    with _at(connection, stream):
        connector = open_connection(settings, connection)
        declared = connector.stream(stream)
        connector.check(declared)
        check_columns(settings, connection, stream, offline=False)
        return connector.remarks(declared)


def plan(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> list[str]:
    """What an extraction would read, one line per item. Nothing is read or written."""
    with _at(connection, stream):
        asked = _extraction(settings, connection, stream, window, mode)
        return asked.connector.plan(asked.stream, window, asked.cursor)


def available(settings: Settings, connection: str, stream: str) -> str | None:
    """Between which times (or cursor values) a stream has something to read; None if that is not known."""
    connector = open_connection(settings, connection)
    with _at(connection, stream):
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
    with _at(connection, stream):
        asked = _extraction(settings, connection, stream, window, mode)
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
    connector = open_connection(settings, connection)
    with _at(connection, stream):
        declared = connector.stream(stream)
        window = Window(start or _first_instant(settings, connector), datetime.now(UTC) - declared.lag)
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
    connector = open_connection(settings, connection)
    with _at(connection, stream):
        batches = ledger.loaded_batches(settings, connection, stream)
        if not batches:
            raise ConfigError("nothing has been loaded yet", fix="try the source: `cxflow run --dry-run`")
        known = ledger.raw_columns(settings, connection, stream)
        declared = connector.stream(stream)
        return dry_run.try_landed(
            settings, connector.connection, declared, batches[-1], known, records, reveal=reveal
        )


def _extraction(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> Extraction:
    """A window of a stream, with the cursor that a run of this mode begins from."""
    connector = open_connection(settings, connection)
    declared, cursor = connector.stream(stream), ledger.cursor(settings, connection, stream)
    reads_anew = connector.reads_anew(declared, cursor)
    return Extraction(
        connector, declared, window, cursor if mode == "scheduled" else None, mode, reads_anew=reads_anew
    )


def extract(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> BatchRef:
    """Land one raw batch; an interrupted try for it is resumed."""
    with _at(connection, stream):
        asked = _extraction(settings, connection, stream, window, mode)
        identifiers.salt(settings)  # raises before anything is read if it is missing
        batch = extraction.extract(settings, asked)
        log.info("extracted", connection=connection, stream=stream, batch=batch.batch_id, asked=str(window))
        return batch


def prepare(settings: Settings, batch: BatchRef) -> BatchRef:
    """Conform and validate a landed batch. The prepared batch is written next to it in the landing zone.

    A closed gate does not raise here: the verdict is part of the prepared batch, and `load` acts on it.
    """
    with _at(batch.connection, batch.stream):
        connector = open_connection(settings, batch.connection)
        stream = connector.stream(batch.stream)
        known = ledger.raw_columns(settings, batch.connection, batch.stream)
        with scratch.folder(batch.stream) as folder:
            conformed = conforming.conform(settings, connector.connection, stream, batch, known, folder)
            verdict = gate.validate(
                settings,
                stream,
                conformed,
                lambda: quarantine.raw_hashes(settings, batch.connection, batch.stream),
            )
            prepared.commit(settings, batch, conformed, verdict)
        log.info("prepared", connection=batch.connection, stream=batch.stream, batch=batch.batch_id)
        return batch


def load(settings: Settings, batch: BatchRef) -> loading.LoadReport:
    """Load a prepared batch in one transaction. Then load the refused records again, of whatever stream, whose keys are
    theirs alone now.

    Raises GateClosedError if the gate stopped it: the ledger records the stop, and nothing else changes.
    """
    report = _load(settings, batch)
    return replace(report, released=_release(settings, report.releasable))


def _load(settings: Settings, batch: BatchRef) -> loading.LoadReport:
    with _at(batch.connection, batch.stream):
        report = loading.load(settings, batch)
        log.info("loaded", connection=batch.connection, stream=batch.stream, batch=batch.batch_id)
        return report


def _release(settings: Settings, found: Mapping[BatchRef, list[int]]) -> int:
    """Load refused records again whose keys are theirs alone now; returns how many that are.

    A failure is no failure of the load before it: the records stay in quarantine, and the next load tries again.
    """
    tried: set[tuple[BatchRef, int]] = set()
    released = 0
    while True:
        by_stream: dict[tuple[str, str], dict[BatchRef, list[int]]] = {}
        for batch, rows in found.items():
            if new := [row for row in rows if (batch, row) not in tried]:
                by_stream.setdefault((batch.connection, batch.stream), {})[batch] = new
                tried.update((batch, row) for row in new)
        if not by_stream:
            return released
        for (connection, stream), some in by_stream.items():
            landed = set(zone.batches(settings, connection, stream))
            there = {batch: rows for batch, rows in some.items() if batch.batch_id in landed}
            try:
                for report in _process_again(settings, there, "replay", load_batch=_load):
                    counts, found = report.counts, report.releasable
                    released += counts.inserted + counts.updated + counts.deleted
            except CxflowError as problem:
                log.warning("not released", connection=connection, stream=stream, why=problem.message)


def make_ready() -> None:
    """Start slow imports in the background. For a process that will run extract, prepare and load."""
    runner.import_in_background()


def run_stream(
    settings: Settings,
    connection: str,
    stream: str,
    window: Window,
    mode: Mode,
    progress: Progress = _silent,
) -> loading.LoadReport:
    """Extract, prepare and load one window of a stream."""
    progress(connection, stream, "extract")
    batch = extract(settings, connection, stream, window, mode)
    progress(connection, stream, "prepare")
    prepare(settings, batch)
    progress(connection, stream, "load")
    report = load(settings, batch)
    progress(connection, stream, "done")
    return report


def unloaded(settings: Settings, connection: str, stream: str) -> list[BatchRef]:
    """The batches of a stream that were landed and not loaded, oldest first: their load failed, or the warehouse was
    lost since then."""
    with _at(connection, stream):
        known = {batch.batch_id for batch in ledger.loaded_batches(settings, connection, stream)}
        found = []
        for batch_id in zone.batches(settings, connection, stream):
            if batch_id not in known:
                manifest = zone.read_manifest(settings, BatchRef(connection, stream, batch_id))
                found.append(BatchRef(connection, stream, batch_id, manifest.mode))
        return [batch for batch in found if batch.mode in ("scheduled", "backfill")]


def replay(
    settings: Settings, chosen: quarantine.Filter, progress: Progress = _silent
) -> list[loading.LoadReport]:
    """Conform, validate and load quarantined records again, after a mapping or a rule was fixed.

    They are read from the landing zone, not from their sources. Records that pass are loaded and leave the quarantine,
    whatever key they have now; the others stay, with the reason for which they are refused now. Returns one report per
    stream (two if its connector has landed records in two layouts).
    """
    by_stream: dict[tuple[str, str], dict[BatchRef, list[int]]] = {}
    for batch, rows in quarantine.replayable(settings, chosen).items():
        by_stream.setdefault((batch.connection, batch.stream), {})[batch] = rows
    return [
        report for some in by_stream.values() for report in _process_again(settings, some, "replay", progress)
    ]


def discard(settings: Settings, chosen: quarantine.Filter, reason: str) -> int:
    """Close open entries of the quarantine for good, with a reason; returns how many.

    What they claimed is free then: a refused record that is left as the only one to claim its keys is loaded.
    """
    closed = quarantine.discard(settings, chosen, reason)
    with transactions.reading(settings) as warehouse:
        found = key_claims.releasable(warehouse) if key_claims.any_known(warehouse) else {}
    _release(settings, found)
    return closed


def remap(
    settings: Settings, connection: str, stream: str, progress: Progress = _silent
) -> list[loading.LoadReport]:
    """Map everything that was loaded of a stream anew, from the landing zone, after its mapping was changed.

    The warehouse holds then what a load of the same raw batches with the present mapping holds. One transaction; the
    gate may stop it, and then nothing changes. Returns no report if nothing was loaded yet.
    """
    with _at(connection, stream):
        open_connection(settings, connection).stream(stream)
        batches = dict.fromkeys(ledger.loaded_batches(settings, connection, stream))
    return _process_again(settings, batches, "remap", progress)


def _process_again(
    settings: Settings,
    chosen: Mapping[BatchRef, Sequence[int] | None],
    mode: Mode,
    progress: Progress = _silent,
    load_batch: Callable[[Settings, BatchRef], loading.LoadReport] = load,
) -> list[loading.LoadReport]:
    """Conform, validate and load records of one stream's landed batches again."""
    reports: list[loading.LoadReport] = []
    if not chosen:
        return reports
    connection, stream = next((batch.connection, batch.stream) for batch in chosen)
    progress(connection, stream, "extract")
    with _at(connection, stream):
        declared = open_connection(settings, connection).stream(stream)
        composed = derived.compose(settings, chosen, mode, has_places=declared.has_places)
    try:
        for batch in composed:
            progress(connection, stream, "prepare")
            prepare(settings, batch)
            progress(connection, stream, "load")
            reports.append(load_batch(settings, batch))
            progress(connection, stream, "done")
    finally:
        for batch in composed:
            zone.remove_folder(settings, batch.path)
    return reports


def outdated(settings: Settings, connection: str, stream: str) -> int:
    """The number of loaded records of a stream whose rows were made by another mapping than the present one."""
    with _at(connection, stream):
        connector = open_connection(settings, connection)
        mapping = fingerprint.of(settings, connector.connection, connector.stream(stream))
        return ledger.outdated(settings, connection, stream, mapping)


def resolve_identity(settings: Settings) -> resolve.IdentityReport:
    """Resolve the pending identifiers to customers, and update `customer_id` in their rows."""
    with _at(), transactions.transaction(settings) as connection:
        return resolve.resolve(connection, settings)


def score_texts(settings: Settings) -> score.WordsReport:
    """Compute the languages, sentiments and topics of texts that loads changed, with the models that `[words]` names.

    Raises ConfigError for a model that is not there, and FatalError, which names its plugin, for one that fails: then
    nothing changes. No error quotes a text.
    """
    known = registry.text_models(registry.of_project(settings), settings)
    with _at(), transactions.transaction(settings) as connection:
        return score.score(connection, settings, known, datetime.now(UTC))


def compute_kpis(settings: Settings, *, everything: bool = False) -> KpiReport:
    """Compute the KPIs for the periods that loads touched (or for all), and publish changed values.

    A KPI that fails stops no other: the report and its status say why.
    """
    failed: dict[str, str] = {}
    while True:
        with _at():
            try:
                with transactions.transaction(settings) as connection:
                    revisions.require_revision(connection)
                    engines.of(connection).lock_streams(connection)
                    revisions.require(connection)
                    found, now = catalogue.of_project(settings), datetime.now(UTC)
                    return calculator.compute(connection, settings, found, now, everything, failed)
            except calculator.KpiError as problem:
                # Their SQL failed, and the transaction with it.
                failed.update(dict.fromkeys(problem.kpis, problem.reason))


def publish(settings: Settings) -> list[str]:
    """Update the BI views, the grants of `warehouse.bi_role` and the snapshot beside a database file. Returns the names
    of the views. A snapshot that cannot be written raises after the views are committed."""
    with _at():  # publishing to another database of the same server may create the role at the same time
        names = transactions.committed(settings, lambda connection: views.publish(connection, settings))
        snapshot.write(settings)
        return names


def alerts(settings: Settings) -> list[watch.Known]:
    """What somebody should look at now, the longest known first. Since when it is known is remembered, and whether
    somebody was told; see `alerts_told`."""
    with _at():
        return watch.look(settings, datetime.now(UTC))


def alerts_told(settings: Settings, told: Sequence[Alert]) -> None:
    """Note that somebody was told of alerts: they are not new any more."""
    with _at():
        watch.told(settings, told, datetime.now(UTC))


def publication(settings: Settings) -> list[str]:
    """The SQL of `publish`, one statement per item. Nothing is changed."""
    with _at(), transactions.reading(settings) as connection:
        return views.statements(connection, settings)
