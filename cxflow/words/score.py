"""Computes the signals of texts that are new or changed: language, sentiment and topic. Called by `flow` after
identity, before the KPIs.

A load notes the touchpoints whose texts it changed (`pending_text`). A computed signal has the provenance of the record
with the text, so that a load which replaces, deletes or withdraws that record takes the signal along in its own
transaction: none ever outlives its text. The result depends on the texts and the models, not on the order of loads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cxflow import scratch
from cxflow.connect.registry import BroughtModel
from cxflow.duck import workbench
from cxflow.model import progress
from cxflow.model.text_model import Texts
from cxflow.settings import Settings
from cxflow.warehouse import applied, engines, pending, revisions
from cxflow.warehouse.tables import CANONICAL, TIME, pending_text, signal, touchpoint
from cxflow.words import documents, models

RUN = "words"
"""The `run_id` of computed signals."""
COMPUTED = "words:"
"""What the `model_version` of a computed signal begins with; no source's does."""
BATCH_TEXTS = 20_000
"""Texts that are in memory at a time."""

_OFF = "off"
_CAUSE = "texts scored anew"
"""Why rows changed, for who asks why a KPI was published again."""
_CHANGED = sa.table("words_touchpoint", sa.column("touchpoint_id", sa.String))
"""The touchpoints whose signals are computed anew."""
_SCORED = sa.table(
    "words_scored",
    *(sa.column(name) for name in ("touchpoint_id", *documents.RECORD, "name", "model_version")),
    *(sa.column(name) for name in ("number_value", "string_value", "confidence")),
)


@dataclass(frozen=True, slots=True)
class WordsReport:
    """What a scoring did."""

    texts: int = 0
    """Touchpoints whose texts were scored."""
    signals: int = 0
    """Signals that were written."""
    removed: int = 0
    """Signals that were removed: of texts that changed or are gone, or by another model."""


def score(
    connection: sa.Connection, settings: Settings, known: Mapping[str, BroughtModel], now: datetime
) -> WordsReport:
    """Score the pending texts, or all of them after a change of a model, within the caller's transaction.

    Raises ConfigError for a model that is not there, and FatalError for one that returns what it must not.
    """
    revisions.require_revision(connection)
    engine = engines.of(connection)
    engine.lock_streams(connection)  # or what a concurrent load notes would be deleted unscored
    revisions.require(connection)
    chosen = models.chosen(settings.words, known) if settings.words.enabled else []
    versions = json.dumps([_version(each) for each in chosen]) if chosen else _OFF
    everything = applied.is_first(connection, RUN, versions)
    if not everything and not connection.scalar(sa.select(sa.select(pending_text).exists())):
        return WordsReport()
    connection.execute(_touched(everything).into(_CHANGED.name, temporary=True))
    engine.analyze(connection, _CHANGED.name)
    report = _replace(connection, chosen, now)
    connection.execute(sa.delete(pending_text))
    for name in (_CHANGED.name, _SCORED.name):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    return report


def _version(brought: BroughtModel) -> str:
    return f"{COMPUTED}{brought.model.name}:{brought.model.version}"


def _touched(everything: bool) -> sa.Select[Any]:
    """The touchpoints whose signals are computed anew: the pending ones, or all with a text or a computed signal."""
    if not everything:
        return sa.select(pending_text.c.touchpoint_id).distinct()
    computed = sa.select(signal.c.touchpoint_id).where(_is_computed())
    return sa.select(sa.union(documents.touchpoints(), computed).subquery())


def _is_computed() -> sa.ColumnElement[bool]:
    return signal.c.model_version.startswith(COMPUTED, autoescape=True)


def _replace(connection: sa.Connection, chosen: Sequence[BroughtModel], now: datetime) -> WordsReport:
    """Replace the signals of the touchpoints in `words_touchpoint`, and note their days for the KPIs."""
    engine, ids = engines.of(connection), sa.select(_CHANGED.c.touchpoint_id)
    texts = 0
    with scratch.folder("words") as folder:
        path = folder / "scored.duckdb"
        if chosen:
            batches = engine.batches(connection, documents.query(ids), documents.SCHEMA, BATCH_TEXTS)
            texts = _write(path, batches, chosen)
        if texts:
            engine.stage(connection, _SCORED.name, path, "scored")
    ours = sa.and_(_is_computed(), signal.c.touchpoint_id.in_(ids))
    counted = sa.select(sa.func.count()).select_from(signal).where(ours)
    removed = connection.scalar(counted) or 0
    if removed:
        connection.execute(sa.delete(signal).where(ours))
    if texts:
        connection.execute(_insertion(now))
    signals = connection.scalar(counted) or 0
    if signals or removed:
        _note_days(connection, ids)
    return WordsReport(texts, signals, removed)


def _write(path: Path, batches: Iterable[pa.Table], chosen: Sequence[BroughtModel]) -> int:
    """Write the signals of batches of texts into a DuckDB file. Returns the number of texts; without one, there is
    nothing in the file."""
    texts = 0
    with workbench(path) as database:
        for batch in batches:
            for scored in _signals(batch, chosen):
                database.register("batch", scored)
                database.execute("CREATE TABLE IF NOT EXISTS scored AS SELECT * FROM batch LIMIT 0")
                database.execute("INSERT INTO scored SELECT * FROM batch")
                database.unregister("batch")
            texts += len(batch)
            progress.report("scoring", texts, unit="texts")
    return texts


def _signals(batch: pa.Table, chosen: Sequence[BroughtModel]) -> Iterator[pa.Table]:
    """The signals of a batch of texts, one table per model; those of languages first, which the others are told."""
    text = batch["text"].combine_chunks()
    language = pa.nulls(len(batch), pa.string())
    for brought in chosen:
        found = models.score(brought, Texts(text, language))
        if brought.model.signal == "language":
            language = found["string"].combine_chunks()
        whole = batch.drop_columns("text")
        for name, value in (("name", brought.model.signal), ("model_version", _version(brought))):
            whole = whole.append_column(name, pa.repeat(value, len(batch)))
        for name, column in (("number_value", "number"), ("string_value", "string"), ("confidence",) * 2):
            whole = whole.append_column(name, found[column])
        yield whole


def _insertion(now: datetime) -> sa.Insert:
    """Insert the signals that have a value, but for those that a source itself gives of the touchpoint."""
    given = sa.exists().where(
        signal.c.touchpoint_id == _SCORED.c.touchpoint_id,
        signal.c.name == _SCORED.c.name,
        ~signal.c.is_deleted,
    )
    rows = sa.select(
        *_SCORED.columns,
        sa.literal(False).label("is_deleted"),
        sa.literal(RUN).label("run_id"),
        sa.literal(now, TIME).label("loaded_at"),
    ).where(sa.or_(_SCORED.c.number_value.is_not(None), _SCORED.c.string_value.is_not(None)), ~given)
    return sa.insert(signal).from_select([column.name for column in rows.selected_columns], rows)


def _note_days(connection: sa.Connection, ids: sa.Select[Any]) -> None:
    """Note the days of the touchpoints' rows: their slices may have changed, and what counts signals."""
    pending.note_days(
        connection, touchpoint, sa.select(touchpoint).where(touchpoint.c.touchpoint_id.in_(ids)), _CAUSE
    )
    for table in CANONICAL.values():
        if table is not touchpoint and "touchpoint_id" in table.columns and table.info["event_time"]:
            pending.note_days(
                connection, table, sa.select(table).where(table.c.touchpoint_id.in_(ids)), _CAUSE
            )
