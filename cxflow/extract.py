"""One stream, one window -> one landed raw batch. Called by `flow`.

If a connector yields checkpoints, the pages so far are kept in the landing zone (`partial`). The next pull with the
same request resumes an interrupted one, and lands the batch that an undisturbed pull would have landed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import PurePath

import duckdb
import structlog

from cxflow import scratch
from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.connect.fingerprint import fingerprint
from cxflow.errors import ConfigError, FatalError, StaleCheckpointError, TransientError
from cxflow.landing import files, inference, partial, witness, zone
from cxflow.landing.keeper import Keeper
from cxflow.model import progress
from cxflow.model.batch import BatchRef
from cxflow.model.reading import Checkpoint, Cursor, Page, Reading
from cxflow.settings import Settings

_REMARKS = 20
"""Files without records that the manifest names at most."""

log = structlog.get_logger("cxflow")


def extract(settings: Settings, extraction: Extraction, limit: int | None = None) -> BatchRef:
    """Ask the connector for the stream's window and land what it yields, whole or not at all.

    Resumes an interrupted pull of the same request, within that pull's window, which may end earlier. With a `limit`,
    only that many records are read; such a batch is not for loading. Raises what the connector raises (TransientError,
    SourceError or ConfigError), and CountError if more or fewer records were read than the source holds.
    """
    connector, stream = extraction.connector, extraction.stream
    connector.check(stream)
    zone.require(settings)
    if extraction.reads_anew:
        log.warning(
            "the stream's reading settings changed; a scheduled run reads all its files again",
            stream=f"{connector.connection.name}/{stream.name}",
        )
    request = partial.Request(
        connection=connector.connection.name,
        stream=stream.name,
        mode=extraction.mode,
        window=extraction.window,
        cursor=deepcopy(extraction.cursor),
        connector=connector.name,
        plugin_version=connector.version(),
        declared=fingerprint(connector, stream),
    )
    if limit is not None or not connector.can_resume:
        return _land(settings, extraction, request, limit)
    for kept in partial.find(settings, request):
        try:
            batch = _land(settings, extraction, kept.request, kept=kept)
        except (StaleCheckpointError, _DamagedError) as problem:
            why = "stale" if isinstance(problem, StaleCheckpointError) else "damaged"
            log.warning("an interrupted pull cannot be resumed", stream=request.folder, checkpoint=why)
            partial.remove(settings, request, kept.batch_id)
        else:
            break
    else:
        batch = _land(settings, extraction, request)
    partial.clear(settings, request)
    return batch


class _DamagedError(Exception):
    """The files of a partial batch are missing or not those that were kept."""


def _land(
    settings: Settings,
    extraction: Extraction,
    request: partial.Request,
    limit: int | None = None,
    kept: partial.Partial | None = None,
) -> BatchRef:
    """One pull: from the start, or after the pages `kept` of an interrupted one."""
    connector, stream = extraction.connector, extraction.stream
    extracted_at = datetime.now(UTC)
    batch_id = zone.new_batch_id(request.window, extracted_at)
    keeps = limit is None and connector.can_resume
    mine = (batch_id,) if keeps else ()
    others = (kept.batch_id,) if kept else ()
    asked = (stream, request.window, deepcopy(request.cursor))
    with zone.writing(limit) as writer:
        if kept is None:
            reading = connector.read(*asked) if limit is None else connector.sample(*asked)
        else:
            if not partial.fetch(settings, kept, writer):
                raise _DamagedError
            log.info("resumed", stream=request.folder, records=kept.records, window=str(request.window))
            reading = connector.resume(*asked, kept.checkpoint)
        with _dropping(settings, request, mine + others if kept else ()):
            keeper = Keeper(settings, request, batch_id) if keeps else None
            next_cursor = _pull(connector, reading, writer, keeper)
        with _dropping(settings, request, mine + others):
            progress.report("landing", total=writer.rows)
            writer.verify()
            writer.drop_empty_parts()
            inferred = inference.infer(writer.folder, writer.layout)
            manifest = zone.Manifest(
                connection=request.connection,
                stream=request.stream,
                batch_id=batch_id,
                mode=request.mode,
                connector=request.connector,
                plugin_version=request.plugin_version,
                window=request.window.as_json(),
                extracted_at=extracted_at.isoformat(),
                layout=writer.layout or "columns",
                records=writer.rows,
                malformed=writer.malformed_rows,
                parts=files.checksums(writer.folder),
                cursor=next_cursor if request.mode == "scheduled" else {},
                raw_columns=inferred.raw_columns,
                repeated_keys=inferred.repeated_keys,
                counted=writer.witnessed if limit is None else None,
                without_records=[PurePath(origin).name for origin in writer.without_records[:_REMARKS]],
                headers={origin: witness.header_as_json(header) for origin, header in writer.headers.items()},
                snapshots=[files.snapshot_as_json(snapshot) for snapshot in writer.snapshots],
                known_until=writer.known_until.isoformat() if writer.known_until else None,
                resumed_at=kept.records if kept else 0,
                reads_anew=extraction.reads_anew,
                project=settings.folder.as_posix(),
            )
            return zone.commit(settings, writer, manifest)


@contextmanager
def _dropping(settings: Settings, request: partial.Request, batch_ids: tuple[str, ...]) -> Iterator[None]:
    """Remove these partial batches if the block fails in a way that a retry would repeat: the next pull starts over."""
    try:
        yield
    except (TransientError, ConfigError, OSError):
        raise
    except Exception as problem:
        if not scratch.is_full(problem):
            for batch_id in batch_ids:
                partial.remove(settings, request, batch_id)
        raise


def _pull(connector: Connector, reading: Reading, writer: files.BatchWriter, keeper: Keeper | None) -> Cursor:
    """Land items until the reading ends or the limit is reached; returns the next cursor."""
    with closing(reading), closing(writer):
        try:
            item = next(reading)
            while True:
                checkpoint = item.checkpoint if isinstance(item, Page) else None
                if checkpoint is not None:
                    _check(connector, checkpoint)
                try:
                    writer.land(item)
                except duckdb.Error as problem:
                    item = reading.throw(problem)
                    continue
                total = writer.witnessed or 0  # of files, known before their records are read
                progress.report("reading", writer.rows, total=total if total > writer.rows else None)
                if writer.is_full:
                    return {}
                if keeper and checkpoint is not None:
                    keeper.offer(writer, checkpoint)
                item = next(reading)
        except StopIteration as end:
            return end.value or {}


def _check(connector: Connector, checkpoint: Checkpoint) -> None:
    """Raises FatalError for a checkpoint that cannot be resumed from."""
    if not connector.can_resume:
        raise FatalError(
            f"the connector {connector.name} yields checkpoints and has no method `resume`",
            fix="only a connector that can resume may yield checkpoints; please tell its author",
        )
    try:
        same = json.loads(json.dumps(checkpoint, allow_nan=False)) == checkpoint
    except (TypeError, ValueError):
        same = False
    if not same:
        raise FatalError(
            f"the connector {connector.name} yields a checkpoint that is not JSON",
            fix="texts, numbers, lists and objects with texts as keys; please tell its author",
        )
