"""PostgreSQL's locks: takes them, limits the waits for them, and finds the sessions that hold them.

They are table and row locks, which need a right to write, so a role that only reads cannot take them; any login can
take an advisory lock. None of them blocks a SELECT.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from cxflow.errors import WarehouseBusyError

if TYPE_CHECKING:
    import sqlalchemy as sa

LOCK_NOT_AVAILABLE = "55P03"
CONFLICTS = ("40001", "40P01", "23505", "42P07")
"""SQLSTATEs of work that collided with another session's: serialization failure, deadlock, a duplicate key, a duplicate
table."""

_TURN_SECONDS = 5.0
"""The longest that `give_way` waits at a time: new readers queue behind a waiting ACCESS EXCLUSIVE lock."""
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 1.0
"""Interval at which the watch of a long transaction asks which sessions block it."""


def lock_table(connection: sa.Connection, table: str) -> None:
    """Take the table's EXCLUSIVE lock, which blocks writes and row locks, but no reads."""
    connection.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")


def limit_waits(connection: sa.Connection, seconds: float) -> None:
    """Limit how long each further statement of the transaction waits for a lock."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}")


def give_way(connection: sa.Connection, work: Callable[[], None]) -> None:
    """Run DDL that needs ACCESS EXCLUSIVE locks without making readers queue behind it for long.

    It waits for its locks a few seconds at a time, rolls back to a savepoint, lets readers pass and tries again, for
    `lock_timeout` in all. `work` may run several times; what it did is kept only once.
    """
    from sqlalchemy.exc import DBAPIError

    patience = int(connection.exec_driver_sql(_PATIENCE).scalar() or 0) / 1000
    deadline = time.monotonic() + patience
    while True:
        left = deadline - time.monotonic()
        try:
            with connection.begin_nested():
                limit_waits(connection, min(left, _TURN_SECONDS))
                work()
                limit_waits(connection, patience)
                return
        except DBAPIError as problem:
            if not _is_timeout(problem) or time.monotonic() + _PAUSE_SECONDS > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


_PATIENCE = "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"


def _is_timeout(problem: sa.exc.DBAPIError) -> bool:
    """Whether a statement gave up waiting for a lock."""
    return getattr(problem.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE


class Holder(NamedTuple):
    """A session that blocks another one."""

    pid: int
    user: str
    application: str

    def __str__(self) -> str:
        return f"process {self.pid} of the server (user {self.user}, application {self.application or 'unnamed'})"


_HOLDERS = (
    "SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, '') "
    "FROM unnest(pg_blocking_pids(%s)) AS blocking (pid) JOIN pg_stat_activity AS a ON a.pid = blocking.pid "
    "ORDER BY a.xact_start NULLS LAST, a.pid"
)


@contextmanager
def watched(warehouse: sa.Engine, connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Turn a lock timeout in the block into WarehouseBusyError that names the session which holds the lock.

    The server knows who blocks whom only while the wait lasts, so a thread asks it periodically over a separate
    connection.
    """
    from sqlalchemy.exc import DBAPIError

    over = threading.Event()
    pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    holders: list[Holder] = []
    watch = threading.Thread(
        target=_watch, args=(warehouse, pid, min(_LOOK_SECONDS, seconds / 5), holders, over), daemon=True
    )
    watch.start()
    try:
        yield
    except DBAPIError as problem:
        if not _is_timeout(problem):
            raise
        raise _busy(holders, seconds) from None
    finally:
        over.set()
        watch.join(_LOOK_SECONDS)


def _watch(
    warehouse: sa.Engine, pid: int, every_seconds: float, holders: list[Holder], over: threading.Event
) -> None:
    """Keep the sessions that last blocked session `pid` in `holders`. Most transactions end before the first look."""
    if over.wait(every_seconds):
        return
    with suppress(Exception):  # the server may have no connection left: then the error names nobody
        connection: Any = warehouse.raw_connection()
        with closing(connection):
            connection.driver_connection.autocommit = True
            while not over.is_set():
                if found := connection.driver_connection.execute(_HOLDERS, (pid,)).fetchall():
                    holders[:] = [Holder(*row) for row in found]
                over.wait(every_seconds)


def _busy(holders: list[Holder], seconds: float) -> WarehouseBusyError:
    if not holders:
        return WarehouseBusyError(
            f"another session has held a lock of the warehouse for {seconds:g} s",
            fix="run it again, or raise warehouse.lock_timeout_seconds",
        )
    more = f", and {len(holders) - 1} more" if len(holders) > 1 else ""
    return WarehouseBusyError(
        f"{holders[0]}{more} has held a lock of the warehouse for {seconds:g} s",
        fix="end its transaction (as an administrator: SELECT pg_terminate_backend("
        f"{holders[0].pid})), or raise warehouse.lock_timeout_seconds",
    )
