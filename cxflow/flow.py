"""The whole trip, in order, as plain functions. The command line and the Airflow operators call these.

    extract -> prepare (conform, validate) -> load        per connection, stream and window
    resolve_identity -> score_texts -> compute_kpis -> publish    once for the warehouse
    alerts                                                        whenever somebody wants to know

Each takes the settings and small references and returns a small report, so that each can be a separate task. Errors
name their connection and stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from cxflow import extract as extraction
from cxflow import scratch
from cxflow.conform import batch as conforming
from cxflow.conform import identifiers
from cxflow.connect import registry
from cxflow.errors import CxflowError
from cxflow.kpis.report import KpiReport
from cxflow.landing import derived, files, prepared, zone
from cxflow.load import batch as loading
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.window import Window, scheduled
from cxflow.publish import snapshot, views
from cxflow.settings import Settings
from cxflow.sources import at, extraction_of, first_instant, open_connection
from cxflow.validate import gate, quarantine, runner
from cxflow.warehouse import engines, key_claims, ledger, revisions, transactions

if TYPE_CHECKING:
    # The steps of the whole warehouse are imported by the functions that run them: a task extracts, or loads.
    from cxflow.alerts.alert import Alert
    from cxflow.alerts.watch import Known
    from cxflow.identity.resolve import IdentityReport
    from cxflow.words.score import WordsReport

log = structlog.get_logger("cxflow")


def streams(settings: Settings, connection: str) -> list[str]:
    """The names of a connection's streams, in order of declaration."""
    return list(open_connection(settings, connection, offline=True).streams)


def scheduled_window(settings: Settings, connection: str, stream: str, end: datetime) -> Window:
    """The window of a scheduled run up to `end`: from the cursor minus the stream's look-back, to `end` minus its lag.
    Without a cursor it starts at the connection's `start`, or at the beginning of the source. A look-back does not
    reach before that `start`."""
    connector = open_connection(settings, connection, offline=True)
    declared = connector.stream(stream)
    with at(connection, stream):
        position = ledger.position(settings, connection, stream)
    first = first_instant(settings, connector)
    return scheduled(position, end - declared.lag, declared.look_back, first)


def extract(settings: Settings, connection: str, stream: str, window: Window, mode: Mode) -> BatchRef:
    """Land one raw batch; an interrupted try for it is resumed."""
    with at(connection, stream):
        asked = extraction_of(settings, connection, stream, window, mode)
        identifiers.salt(settings)  # raises before anything is read if it is missing
        batch = extraction.extract(settings, asked)
        log.info("extracted", connection=connection, stream=stream, batch=batch.batch_id, asked=str(window))
        return batch


def prepare(settings: Settings, batch: BatchRef) -> BatchRef:
    """Conform and validate a landed batch. The prepared batch is written next to it in the landing zone.

    A closed gate does not raise here: the verdict is part of the prepared batch, and `load` acts on it.
    """
    with at(batch.connection, batch.stream):
        connector = open_connection(settings, batch.connection, offline=True)
        stream = connector.stream(batch.stream)
        known = ledger.raw_columns(settings, batch.connection, batch.stream)
        with zone.local_copy(settings, batch.path) as landed, scratch.folder(batch.stream) as folder:
            conformed = conforming.conform(
                settings, connector.connection, stream, batch, known, landed, folder
            )
            with runner.opened(conformed.database, files.all_in(landed)) as database:
                verdict = gate.validate(
                    settings,
                    stream,
                    conformed,
                    database,
                    lambda: quarantine.raw_hashes(settings, batch.connection, batch.stream),
                )
                prepared.complete(database, batch, landed, zone.read_manifest(settings, batch), conformed)
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
    with at(batch.connection, batch.stream):
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
) -> loading.LoadReport:
    """Extract, prepare and load one window of a stream."""
    batch = extract(settings, connection, stream, window, mode)
    prepare(settings, batch)
    return load(settings, batch)


def unloaded(settings: Settings, connection: str, stream: str) -> list[BatchRef]:
    """The batches of a stream that were landed and not loaded, oldest first: their load failed, or the warehouse was
    lost since then."""
    with at(connection, stream):
        known = {batch.batch_id for batch in ledger.loaded_batches(settings, connection, stream)}
        found = []
        for batch_id in zone.batches(settings, connection, stream):
            if batch_id not in known:
                manifest = zone.read_manifest(settings, BatchRef(connection, stream, batch_id))
                found.append(BatchRef(connection, stream, batch_id, manifest.mode))
        return [batch for batch in found if batch.mode in ("scheduled", "backfill")]


def replay(settings: Settings, chosen: quarantine.Filter) -> list[loading.LoadReport]:
    """Conform, validate and load quarantined records again, after a mapping or a rule was fixed.

    They are read from the landing zone, not from their sources. Records that pass are loaded and leave the quarantine,
    whatever key they have now; the others stay, with the reason for which they are refused now. Returns one report per
    stream (two if its connector has landed records in two layouts).
    """
    by_stream: dict[tuple[str, str], dict[BatchRef, list[int]]] = {}
    for batch, rows in quarantine.replayable(settings, chosen).items():
        by_stream.setdefault((batch.connection, batch.stream), {})[batch] = rows
    return [report for some in by_stream.values() for report in _process_again(settings, some, "replay")]


def discard(settings: Settings, chosen: quarantine.Filter, reason: str) -> int:
    """Close open entries of the quarantine for good, with a reason; returns how many.

    What they claimed is free then: a refused record that is left as the only one to claim its keys is loaded.
    """
    closed = quarantine.discard(settings, chosen, reason)
    with transactions.reading(settings) as warehouse:
        found = key_claims.releasable(warehouse) if key_claims.any_known(warehouse) else {}
    _release(settings, found)
    return closed


def remap(settings: Settings, connection: str, stream: str) -> list[loading.LoadReport]:
    """Map everything that was loaded of a stream anew, from the landing zone, after its mapping was changed.

    The warehouse holds then what a load of the same raw batches with the present mapping holds. One transaction; the
    gate may stop it, and then nothing changes. Returns no report if nothing was loaded yet.
    """
    with at(connection, stream):
        open_connection(settings, connection, offline=True).stream(stream)
        batches = dict.fromkeys(ledger.loaded_batches(settings, connection, stream))
    return _process_again(settings, batches, "remap")


def _process_again(
    settings: Settings,
    chosen: Mapping[BatchRef, Sequence[int] | None],
    mode: Mode,
    load_batch: Callable[[Settings, BatchRef], loading.LoadReport] = load,
) -> list[loading.LoadReport]:
    """Conform, validate and load records of one stream's landed batches again."""
    reports: list[loading.LoadReport] = []
    if not chosen:
        return reports
    connection, stream = next((batch.connection, batch.stream) for batch in chosen)
    with at(connection, stream):
        declared = open_connection(settings, connection, offline=True).stream(stream)
        composed = derived.compose(settings, chosen, mode, has_places=declared.has_places)
    try:
        for batch in composed:
            prepare(settings, batch)
            reports.append(load_batch(settings, batch))
    finally:
        for batch in composed:
            zone.remove_folder(settings, batch.path)
    return reports


def resolve_identity(settings: Settings) -> IdentityReport:
    """Resolve the pending identifiers to customers, and update `customer_id` in their rows."""
    from cxflow.identity import resolve

    with at(), transactions.transaction(settings) as connection:
        return resolve.resolve(connection, settings)


def score_texts(settings: Settings) -> WordsReport:
    """Compute the languages, sentiments and topics of texts that loads changed, with the models that `[words]` names.

    Raises ConfigError for a model that is not there, and FatalError, which names its plugin, for one that fails: then
    nothing changes. No error quotes a text.
    """
    from cxflow.words import score

    known = registry.text_models(registry.of_project(settings), settings)
    with at(), transactions.transaction(settings) as connection:
        return score.score(connection, settings, known, datetime.now(UTC))


def compute_kpis(settings: Settings, *, everything: bool = False) -> KpiReport:
    """Compute the KPIs for the periods that loads touched (or for all), and publish changed values.

    A KPI that fails stops no other: the report and its status say why.
    """
    from cxflow.kpis import calculator, catalogue

    failed: dict[str, str] = {}
    one_by_one = False
    while True:
        with at():
            try:
                with transactions.transaction(settings) as connection:
                    revisions.require_revision(connection)
                    engines.of(connection).lock_streams(connection)
                    revisions.require(connection)
                    found, now = catalogue.of_project(settings), datetime.now(UTC)
                    return calculator.compute(
                        connection, settings, found, now, everything, failed, one_by_one=one_by_one
                    )
            except calculator.KpiError as problem:
                # Their SQL failed, and the transaction with it.
                failed.update(dict.fromkeys(problem.kpis, problem.reason))
            except calculator.SumsError:
                one_by_one = True


def publish(settings: Settings) -> list[str]:
    """Update the BI views, the grants of `warehouse.bi_role` and the snapshot beside a database file. Returns the names
    of the views. A snapshot that cannot be written raises after the views are committed."""
    with at():  # publishing to another database of the same server may create the role at the same time
        names = transactions.committed(settings, lambda connection: views.publish(connection, settings))
        snapshot.write(settings)
        return names


def alerts(settings: Settings) -> list[Known]:
    """What somebody should look at now, the longest known first. Since when it is known is remembered, and whether
    somebody was told; see `alerts_told`."""
    from cxflow.alerts import watch

    with at():
        return watch.look(settings, datetime.now(UTC))


def alerts_told(settings: Settings, told: Sequence[Alert]) -> None:
    """Note that somebody was told of alerts: they are not new any more."""
    from cxflow.alerts import watch

    with at():
        watch.told(settings, told, datetime.now(UTC))


def publication(settings: Settings) -> list[str]:
    """The SQL of `publish`, one statement per item. Nothing is changed."""
    with at(), transactions.reading(settings) as connection:
        return views.statements(connection, settings)
