"""The snapshot: the marts as tables, in a file beside a warehouse that shuts readers out while it is written. Called by
`flow` after the views, and by commands that read.

It holds what a BI role would see, and nothing else. It is written aside and renamed into place: who has the file before
it open goes on with that one. `mart_snapshot` says when it was taken.

It is written whole: a row of most marts changes with rows of other tables (a customer's segment, an order's number),
and finding the changed rows takes longer than writing all of them (docs/warehouse.md has the measurements).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from cxflow import scratch
from cxflow.errors import ConfigError, CxflowError
from cxflow.publish import stand_ins, views
from cxflow.settings import Settings
from cxflow.warehouse import engines, revisions, transactions, view_comments

_UNFINISHED = ".snapshot"
"""The suffix of the folder that it is written in, beside its place."""


def path(settings: Settings) -> Path | None:
    """Where the project's snapshot is, whether it exists or not; None if it has none: a server, or switched off."""
    if not settings.warehouse.snapshot:
        return None
    return transactions.engine_of(settings).snapshot_file(transactions.warehouse_url(settings))


def write(settings: Settings) -> Path | None:
    """Write the snapshot, and return its file; None if the project has none.

    Reads the published views in one transaction. If it fails, the snapshot before it stays as it was. Of two that are
    written at once, the one that was read later stays. Raises what `transactions.reading` raises, TransientError for a
    full disk, and ConfigError for a folder that cannot be written.
    """
    place = path(settings)
    if place is None:
        return None
    try:
        with scratch.unfinished(place.parent, f"{place.stem}-", _UNFINISHED) as folder:
            new = folder / place.name
            with transactions.reading(settings) as connection:
                taken = time.time()
                found = views.descriptions()
                comments = view_comments.statements(view_comments.places(found), "TABLE")
                engines.of(connection).copy_views(connection, new, list(found), comments)
            _put_in_place(new, place, taken)
    except PermissionError as problem:
        raise ConfigError(
            f"the snapshot {place} cannot be written: {problem.strerror}",
            value="warehouse.snapshot",
            fix="let this user write in its folder, or set warehouse.snapshot to false",
        ) from problem
    except CxflowError as problem:
        reason = problem.message.partition(";")[0]
        kept = "what was loaded is kept, and readers go on with the snapshot before"
        raise type(problem)(
            f"the snapshot {place.name} was not written: {reason}",
            value="warehouse.snapshot",
            fix=f"{problem.fix}; {kept}. `cxflow publish` writes it" if problem.fix else kept,
        ) from problem
    return place


def _put_in_place(new: Path, place: Path, taken: float) -> None:
    """Rename the finished file, unless what is there was read later. The time of the file is that of its content."""
    with suppress(FileNotFoundError):
        before = place.stat()
        new.chmod(before.st_mode & 0o777)  # its owner may have opened it to a BI tool of another user
        if before.st_gid != new.stat().st_gid:
            os.chown(new, -1, before.st_gid)
    os.utime(new, (taken, taken))
    _sync(new)
    with _locked(place.parent):
        with suppress(FileNotFoundError):
            if place.stat().st_mtime > taken:
                return
        # The log of a tool that opened it for writing: it would be taken for that of the new file.
        place.with_name(f"{place.name}.wal").unlink(missing_ok=True)
        new.replace(place)
        _sync(place.parent)


def _sync(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """For the moment of comparing and renaming. Some network file systems cannot lock folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def reading(settings: Settings) -> Iterator[tuple[sa.Connection, datetime] | None]:
    """The snapshot as a warehouse to read, and when it was taken; None if there is none of this version.

    The warehouse's tables are temporary views of the marts: without personal data and without what no mart shows.
    """
    found = None
    with ExitStack() as stack:
        # One that is damaged, or of another version of cxflow or DuckDB, is as none.
        with suppress(CxflowError, sa.exc.DBAPIError):
            found = _opened(settings, stack)
        yield found


def _opened(settings: Settings, stack: ExitStack) -> tuple[sa.Connection, datetime] | None:
    place = path(settings)
    if place is None or not place.is_file():
        return None
    url = transactions.engine_of(settings).snapshot_url(transactions.warehouse_url(settings))
    of_snapshot = settings.warehouse.model_copy(
        update={"url": url.render_as_string(hide_password=False), "snapshot": False}
    )
    there = settings.model_copy(update={"warehouse": of_snapshot})
    connection = stack.enter_context(transactions.reading(there))
    taken_at, revision = connection.exec_driver_sql("SELECT taken_at, revision FROM mart_snapshot").one()
    if revision != revisions.head():
        return None
    for statement in stand_ins.statements(connection.dialect):
        connection.exec_driver_sql(statement)
    return connection, taken_at.astimezone(UTC)
