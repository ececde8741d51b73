"""PostgreSQL's locks: who keeps out whom, how long anybody waits, and who is waited for.

They are locks of tables and rows on which a role that only reads has no right; an advisory lock can be taken by every
login. Whoever takes several takes them in this order, and so nobody waits in a circle: what the schema holds
(`definitions`), then the loads (`all_streams` or `stream`).

DuckDB has one writer, who holds the file: there all of this does nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cxflow.errors import WarehouseBusyError
from cxflow.store.tables import stream_lock

LOCK_NOT_AVAILABLE = "55P03"
CONFLICTS = ("40001", "40P01", "23505", "42P07")
"""What the server says to one of two sessions that made the same thing at once, or waited for each other."""

VERSION_TABLE = "cxflow_version"

_TURN_SECONDS = 5.0
"""Readers who come while a view waits to be replaced stand in line behind it: for no longer than this at a time."""
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 1.0
"""How often a transaction that takes long is looked at, to know whom it waits for."""


def stream(connection: sa.Connection, system: str, name: str) -> None:
    """Keep out who loads the same stream, and who settles, until the transaction ends. Other streams are loaded beside
    it."""
    if connection.dialect.name != "postgresql":
        return
    row = {"source_system": system, "source_object": name}
    connection.execute(insert(stream_lock).values(row).on_conflict_do_nothing())
    connection.execute(sa.select(stream_lock).filter_by(**row).with_for_update())


def all_streams(connection: sa.Connection) -> None:
    """Keep out every load, and who else settles customers or KPIs, until the transaction ends. Waits for loads that
    are at work; those that come meanwhile wait behind it."""
    _lock(connection, stream_lock.name)


def definitions(connection: sa.Connection) -> None:
    """Keep out who else migrates or publishes, until the transaction ends."""
    _lock(connection, VERSION_TABLE)


def _lock(connection: sa.Connection, table: str) -> None:
    """EXCLUSIVE lets others read the table, but neither write nor lock it or one of its rows."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")


def limit_waits(connection: sa.Connection, seconds: float) -> None:
    """Let no statement of the transaction wait longer for a lock."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}")


def give_way(connection: sa.Connection, work: Callable[[], None]) -> None:
    """Do work that shuts readers out, as soon as there are none: it waits its turn a few seconds at a time, and lets
    those pass who have come meanwhile. It is done as a whole, and may be begun several times.

    Ends like any other wait, after `lock_timeout` in all.
    """
    if connection.dialect.name != "postgresql":
        work()
        return
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
        except sa.exc.DBAPIError as problem:
            if not is_timeout(problem) or time.monotonic() + _PAUSE_SECONDS > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


_PATIENCE = "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"


def is_timeout(problem: sa.exc.DBAPIError) -> bool:
    """Whether a statement has waited too long for a lock."""
    return getattr(problem.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE


def is_conflict(problem: sa.exc.DBAPIError) -> bool:
    """Whether two sessions came into each other's way, so that the work may succeed when it is begun anew."""
    return getattr(problem.orig, "sqlstate", None) in CONFLICTS


class Holder(NamedTuple):
    """A session of the server that another one waits for."""

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
def waits(warehouse: sa.Engine, connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Waits of the connection, in the block, end with WarehouseBusyError that names who holds what it waits for.

    The server says so only while somebody waits: a thread asks it every now and then, over a connection of its own.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    over = threading.Event()
    pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    holders: list[Holder] = []
    watch = threading.Thread(
        target=_watch, args=(warehouse, pid, min(_LOOK_SECONDS, seconds / 5), holders, over), daemon=True
    )
    watch.start()
    try:
        yield
    except sa.exc.DBAPIError as problem:
        if not is_timeout(problem):
            raise
        raise _busy(holders, seconds) from None
    finally:
        over.set()
        watch.join(_LOOK_SECONDS)


def _watch(
    warehouse: sa.Engine, pid: int, every_seconds: float, holders: list[Holder], over: threading.Event
) -> None:
    """Keep in `holders` whom a session has waited for last. Most transactions are over before the first look."""
    if over.wait(every_seconds):
        return
    with suppress(Exception):  # the server may have no connection left: then nobody is named
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
            f"somebody else has held for {seconds:g} s what is needed in the warehouse",
            fix="run it again, or raise warehouse.lock_timeout_seconds",
        )
    more = f", and {len(holders) - 1} more" if len(holders) > 1 else ""
    return WarehouseBusyError(
        f"{holders[0]}{more} has held for {seconds:g} s what is needed in the warehouse",
        fix="end its transaction (an administrator: SELECT pg_terminate_backend("
        f"{holders[0].pid})), or raise warehouse.lock_timeout_seconds",
    )
