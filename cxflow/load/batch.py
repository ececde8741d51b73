"""Loads one prepared batch in one transaction: rows, quarantine, cursor, ledger row. Called by `flow`."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cxflow.errors import AccountingError, GateClosedError
from cxflow.landing import prepared, zone
from cxflow.load import (
    claims,
    conflicts,
    disputes,
    entries,
    merge,
    profile_versions,
    refusals,
    vanished,
    withdrawals,
)
from cxflow.load.conflicts import CONFLICTING
from cxflow.load.staged import CLAIMED, DISCARDED, Loading
from cxflow.model import progress
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.window import Window
from cxflow.settings import Settings
from cxflow.warehouse import engines, key_claims, ledger, revisions, transactions
from cxflow.warehouse.tables import load_run, source_record

_ONE_AT_A_TIME = threading.Lock()
"""DuckDB locks its file against other processes, but not against threads of this one, where two inserts of the same
rows do not conflict."""


_MANY_RECORDS = 10_000
"""A load that changes more records than this updates the database's statistics, for identity and the KPIs."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did with a batch."""

    batch: BatchRef
    counts: Counts
    rules: dict[str, int] = field(default_factory=dict)
    """Rule to the number of records it sent to quarantine."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Drift and unusable identifiers: names and counts."""
    withdrawn: int = 0
    """Records loaded before whose rows were removed, because what this batch brought puts them in doubt."""
    vanished: int = 0
    """Live records that count as deleted now, because two snapshots of the stream lack them."""
    was_loaded: bool = False
    """The batch had been loaded before, and nothing was done."""
    window: Window | None = None
    """The window that was read. For a resumed pull it may end earlier than requested."""
    releasable: dict[BatchRef, list[int]] = field(default_factory=dict)
    """The landed rows, by batch, of refused records of any stream whose keys are theirs alone now."""
    released: int = 0
    """How many of those records were loaded after this batch."""

    def __add__(self, later: LoadReport) -> LoadReport:
        """This load and a later one of the same stream as one: their sums, and the notes of the later one."""
        return replace(
            later,
            counts=self.counts + later.counts,
            rules=dict(Counter(self.rules) + Counter(later.rules)),
            withdrawn=self.withdrawn + later.withdrawn,
            vanished=self.vanished + later.vanished,
            was_loaded=self.was_loaded and later.was_loaded,
            released=self.released + later.released,
        )


def load(settings: Settings, batch: BatchRef) -> LoadReport:
    """Load a prepared batch: all of it, or nothing.

    Loading the same batch again changes nothing. Raises GateClosedError if the gate stopped the batch, after recording
    the stop in the ledger; AccountingError if the counts do not balance, and then nothing is committed.
    """
    manifest = zone.read_manifest(settings, batch)
    progress.report("loading", total=manifest.records)
    with _ONE_AT_A_TIME:
        try:
            report, verdict = transactions.committed(
                settings, lambda warehouse: _load(settings, warehouse, batch, manifest)
            )
        except claims.NeedsEveryLock:
            report, verdict = transactions.committed(
                settings, lambda warehouse: _load(settings, warehouse, batch, manifest, alone=True)
            )
    if verdict is None:
        return report
    if not verdict.passed:
        raise GateClosedError(
            "\n".join(
                [
                    f"the gate stopped batch {batch.batch_id}: {verdict.why}",
                    *prepared.example_lines(verdict.examples),
                ]
            ),
            fix=_fix(verdict),
        )
    if manifest.sources:  # its records stay in the batches that they were landed in
        zone.remove_folder(settings, batch.path)
    else:
        prepared.discard(settings, batch)
    return report


_FEW = 0.5
"""Up to this share of refused records, a batch may be worth loading without them."""


def _fix(verdict: prepared.Verdict) -> str:
    """What to do about a batch that the gate stopped."""
    if verdict.fix:
        return verdict.fix
    ways = [*verdict.suggestions, *([] if verdict.suggestions else ["fix the mapping or the source"])]
    if verdict.refused <= _FEW * verdict.extracted:
        ways.append("or raise max_rejected_share")
    return f"nothing was loaded; {', '.join(ways)}, and run again"


def _load(
    settings: Settings,
    warehouse: sa.Connection,
    batch: BatchRef,
    manifest: zone.Manifest,
    *,
    alone: bool = False,
) -> tuple[LoadReport, prepared.Verdict | None]:
    """The load's transaction. The verdict is None if the batch was loaded before.

    If another stream inserts the same key at the same time, the transaction is retried and finds the key claimed. With
    `alone`, no other load runs meanwhile.
    """
    window = Window.from_json(manifest.window)
    revisions.require_revision(warehouse)
    engine = engines.of(warehouse)
    if alone:
        engine.lock_streams(warehouse)
    else:
        engine.lock_stream(warehouse, batch.connection, batch.stream)
    revisions.require(warehouse)
    if row := ledger.loaded(warehouse, batch):
        counts = ledger.counts_of(row)
        report = LoadReport(batch, counts, was_loaded=True, window=window, releasable=_releasable(warehouse))
        return replace(report, withdrawn=int(row.withdrawn or 0), vanished=int(row.vanished or 0)), None
    with zone.local_copy(settings, batch.path) as landed:
        verdict = prepared.read_verdict(landed / prepared.FOLDER, batch)
        has_every_lock = alone or engine.single_writer
        loading = Loading(warehouse, batch, manifest, verdict, datetime.now(UTC), has_every_lock)
        if verdict.passed and manifest.snapshots:
            verdict = vanished.judge(loading, settings, landed)
            loading = replace(loading, verdict=verdict)
        rules, merged = dict(verdict.rules), _Merged(Counts(extracted=verdict.extracted))
        if verdict.passed:
            merged = _merge(loading, settings, landed)
            counts = merged.counts
            if claimed := counts.quarantined - verdict.refused:
                rules["duplicate_key"] = rules.get("duplicate_key", 0) + claimed
        notes = {**verdict.report, **merged.notes}
        _write_ledger(loading, merged, rules, notes)
    report = LoadReport(batch, merged.counts, rules, notes, window=window, releasable=_releasable(warehouse))
    return replace(report, withdrawn=merged.withdrawn, vanished=merged.vanished), verdict


def _releasable(warehouse: sa.Connection) -> dict[BatchRef, list[int]]:
    return key_claims.releasable(warehouse) if key_claims.any_known(warehouse) else {}


@dataclass(frozen=True, slots=True)
class _Merged:
    """What merging did with a batch."""

    counts: Counts
    withdrawn: int = 0
    vanished: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


def _merge(loading: Loading, settings: Settings, landed: Path) -> _Merged:
    """Merge the batch."""
    source = landed / prepared.FOLDER / prepared.DATABASE
    engine = engines.of(loading.warehouse)
    staged = (*loading.verdict.tables, "record", "identifier", "refused")
    if prepared.PROFILE in staged:
        staged = (*staged, "older_profile")
    for name in (*staged, "place") if loading.manifest.sources else staged:
        relation = f"{prepared.OUTPUT}.{name}"
        engine.stage(loading.warehouse, f"stage_{name}", source, relation, is_read_only=name != "refused")
    notes: dict[str, Any] = {}
    if is_watched := vanished.is_watched(loading):
        if not loading.manifest.snapshots:  # or `judge` has staged it
            vanished.stage(loading, landed)
        notes = {"unreadable_snapshots": vanished.see(loading)}
    withdrawals.prepare(loading)
    if loading.verdict.refused or loading.is_remap:
        withdrawals.of_refused(loading)
    merge.decide(loading)
    refusals.stage(loading, landed)
    entries.stage(loading)
    conflicts.settle(loading, settings)
    settled = claims.settle(loading)
    if settled.found_any:
        disputes.stage(loading, settings, landed)
    found = merge.outcomes(loading)
    counts = Counts(
        extracted=loading.verdict.extracted,
        inserted=found.get("inserted", 0),
        updated=found.get("updated", 0),
        unchanged=found.get("unchanged", 0),
        deleted=found.get("deleted", 0),
        deduplicated=loading.verdict.deduplicated + found.get("deduplicated", 0),
        quarantined=loading.verdict.refused
        + sum(found.get(outcome, 0) for outcome in (CONFLICTING, CLAIMED, DISCARDED)),
    )
    profile_versions.keep(loading, found)
    withdrawn = withdrawals.count(loading) + settled.taken_elsewhere
    if counts.updated + counts.deleted + withdrawn:
        merge.remove_old_rows(loading)
    if counts.inserted + counts.updated + counts.deleted:
        merge.insert_rows(loading, found, settled.lost)
    if counts.unchanged:
        merge.confirm_identifiers(loading)
    merge.register(loading, found)
    entries.keep(loading)
    if settled.found_any:
        disputes.keep(loading)
    gone = vanished.mark(loading) if is_watched else 0
    if counts.inserted + counts.updated > _MANY_RECORDS:
        engine.analyze(loading.warehouse, *loading.verdict.tables, source_record.name)
    return _Merged(counts, withdrawn, gone, {name: each for name, each in notes.items() if each})


def _write_ledger(loading: Loading, merged: _Merged, rules: dict[str, int], notes: dict[str, Any]) -> None:
    """Write the ledger row and the stream's state. A constraint of the table checks the counts once more."""
    batch, verdict, window = loading.batch, loading.verdict, Window.from_json(loading.manifest.window)
    counts = merged.counts
    if verdict.passed and not counts.balanced:
        raise AccountingError(f"the counts of batch {batch.batch_id} do not balance: {counts}")
    notes = {**notes, "rules": rules, "why": verdict.why}
    # A batch loads once, but may be stopped on every attempt.
    run_id = batch.batch_id if verdict.passed else f"{batch.batch_id}-{loading.now:%H%M%S%f}"
    loading.execute(
        sa.insert(load_run).values(
            run_id=run_id,
            batch_id=batch.batch_id,
            source_system=batch.connection,
            source_object=batch.stream,
            mode=batch.mode,
            status="loaded" if verdict.passed else "stopped",
            window_start=window.start,
            window_end=window.end,
            started_at=loading.now,
            finished_at=datetime.now(UTC),
            report=json.dumps({name: item for name, item in notes.items() if item}),
            plugin_version=loading.manifest.plugin_version,
            withdrawn=merged.withdrawn,
            vanished=merged.vanished,
            mapping=verdict.mapping,
            **asdict(counts),
        )
    )
    if verdict.passed:
        ledger.keep_state(
            loading.warehouse,
            batch,
            ledger.NextState(
                loading.manifest.cursor,
                window,
                verdict.raw_columns,
                verdict.mapping,
                _known_until(loading.manifest, window),
                replaces_raw_columns=loading.manifest.reads_anew,
            ),
            loading.now,
        )


def _known_until(manifest: zone.Manifest, window: Window) -> datetime:
    """How far the stream is delivered: to the window's end, or to its newest delivery."""
    newest = manifest.known_until
    return window.end if newest is None else min(window.end, datetime.fromisoformat(newest))
