"""Exports that a service makes as a job: it is started, ends after minutes or hours, and its result is downloaded.

Which job a pull has started is kept in a file until it is read to its end, so that a run that was killed, or does not
wait, finds it again. Called by `connector` for what `RestConnector.export` gives.
"""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import structlog

from cxflow import private_files, scratch
from cxflow.connect.http.client import Client
from cxflow.connect.patience import waits
from cxflow.errors import JobRunningError, SourceError, StaleCheckpointError, TransientError
from cxflow.model.reading import Checkpoint, Count, Page

_FIRST_PAUSE = 1.0
"""Seconds until the first question whether a job has ended."""

log = structlog.get_logger("cxflow")


@dataclass(frozen=True, slots=True)
class JobState:
    """What a service says of a job."""

    ended: bool = False
    url: str | None = None
    """Where the result of an ended job is; None: it has none, for there is no record."""
    lines: int | None = None
    """How many lines it has, as the service says."""
    lost: str = ""
    """Why there will never be a result: a clause such as "it failed (TIMEOUT)"; empty if there may be one."""


class Job(ABC):
    """One export of a service, whose result is a file of JSON lines."""

    look_again_seconds: float = 10.0
    """The pause between two questions whether it has ended. The first ones are shorter, and for as long nobody who has
    started the job is sent away: small exports end within seconds."""

    @property
    @abstractmethod
    def query(self) -> str:
        """What is exported: a job that was started for the same query, its window included, is used again."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """The origin of its records."""

    @abstractmethod
    def start(self, client: Client) -> str:
        """Start it; returns its id. Raises TransientError if the service runs too many."""

    @abstractmethod
    def state(self, client: Client, identifier: str) -> JobState:
        """What became of it."""

    @abstractmethod
    def records(self, file: Path) -> Iterator[list[bytes]]:
        """The records of the result, some at a time, each as JSON text; the same order each time."""


class JobStore:
    """Which job was started for a query of an account."""

    def __init__(self, folder: Path, account: str, query: str) -> None:
        self._folder = folder
        name = hashlib.sha256(f"{account}\0{query}".encode()).hexdigest()[:32]
        self._path = folder / f"{name}.json"

    def read(self) -> str | None:
        """Its id; None if there is none, or the file is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(self._path.read_text(encoding="utf-8"))["id"])
        return None

    def keep(self, identifier: str) -> None:
        """Remember it."""
        private_files.folder(self._folder)
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps({"id": identifier}), encoding="utf-8")
        aside.replace(self._path)

    def forget(self) -> None:
        """It was read, or is lost."""
        self._path.unlink(missing_ok=True)


def read(
    job: Job,
    client: Client,
    store: JobStore,
    hosts: Sequence[str],
    place: Mapping[str, Any],
    done: Checkpoint,
    completed: Callable[[list[bytes]], list[bytes]],
) -> Iterator[Count | Page]:
    """The records of an export, without those before the checkpoint `done`. `hosts`: base URLs where its result may be.

    Raises JobRunningError if it has not ended after the connection's `wait_seconds`.
    """
    identifier, state = yield from _ended(job, client, store, place, done)
    with scratch.folder("export") as folder:
        file, received_at = folder / "result.jsonl", datetime.now(UTC)
        if state.url:
            client.download(state.url, file, hosts, state.lines)
        elif state.lines:
            raise TransientError(f"the export has no result, and the service says {state.lines:,} lines")
        file.touch()
        number, skipped = 0, int(done.get("records", 0))
        for records in chain(
            job.records(file), [[]]
        ):  # the last page is empty: its checkpoint says that all is done
            number += len(records)
            if records and number <= skipped:
                continue
            rest = records[-(number - skipped) :] if number - len(records) < skipped < number else records
            yield Count(len(rest), job.origin)
            checkpoint = {**place, "job": identifier, "records": number}
            yield Page(job.origin, received_at, completed(rest) if rest else rest, checkpoint=checkpoint)
        if number < skipped:
            raise SourceError(f"the export has {number:,} records, fewer than were read of it before")
    store.forget()


def _ended(
    job: Job, client: Client, store: JobStore, place: Mapping[str, Any], done: Checkpoint
) -> Generator[Count | Page, None, tuple[str, JobState]]:
    """The job's id and state, once it has ended: the one of the checkpoint `done`, else the one kept, else a new one.
    While it runs, pages without records say which it is, so that a later run goes on with this one's window."""
    wanted = done.get("job")
    identifier, is_new, begun = wanted or store.read(), False, time.monotonic()
    while True:
        if identifier is None:
            identifier, is_new = job.start(client), True
            store.keep(identifier)
            log.info("export started", job=identifier)
        state = job.state(client, identifier)
        if state.lost:
            store.forget()
            if wanted is not None:
                raise StaleCheckpointError(f"the export {identifier} cannot be read any more: {state.lost}")
            if is_new:
                raise TransientError(f"the service gave up the export: {state.lost}", value=identifier)
            identifier = None
            continue
        if state.ended:
            return identifier, state
        checkpoint = {**place, "job": identifier, "records": int(done.get("records", 0))}
        yield Page(job.origin, datetime.now(UTC), [], checkpoint=checkpoint)
        watched = time.monotonic() - begun
        is_young = is_new and watched < job.look_again_seconds
        if not (waits() or is_young) or watched > client.limits.wait_seconds:
            problem = JobRunningError("the service is still working on the export", value=identifier)
            problem.look_again_seconds = job.look_again_seconds
            raise problem
        time.sleep(min(max(watched, _FIRST_PAUSE), job.look_again_seconds))
