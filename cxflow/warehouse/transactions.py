"""Opens the warehouse: to change it (`transaction`, `committed`) or to look into it (`reading`).

DuckDB lets one process write a file and shuts all others out meanwhile. Under Airflow a pool of one slot keeps
tasks apart; the bounded retry here is the second layer, for people who look in while a run goes on. On PostgreSQL
`dialect_locks` says who waits for whom.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.errors import ConfigError, SchemaError
from cxflow.settings import Settings
from cxflow.warehouse import database_errors, dialect, locks

STATEMENTS = 2_000
"""More than one trip through many streams has."""
_TRIES = 5
"""Of a transaction that collides with another session's."""
_LONGEST_PAUSE_SECONDS = 0.2
"""Between two tries to open a DuckDB file. Whoever has it opens it again at once for their next step: a longer pause
would miss the moments in which it is free."""
_BIRTH_SECONDS = 2.0
"""How long a DuckDB file may be empty: between its creation and its first lock."""
_OPEN_HERE = "different configuration than existing connections"
"""What DuckDB says where this process has the file open in the other mode, to read or to write."""

T = TypeVar("T")


def warehouse_url(settings: Settings) -> sa.URL:
    """The warehouse's URL; a DuckDB file is seen from the project's folder.

    Raises ConfigError, without quoting it: somebody may have put a password there.
    """
    try:
        url = sa.make_url(settings.warehouse.url)
        backend = url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            "warehouse.url is not a database URL",
            value="warehouse.url",
            fix="such as duckdb:///warehouse.duckdb",
        ) from None
    if backend == "duckdb" and url.database not in (None, "", ":memory:"):
        return url.set(database=str(settings.path(str(url.database))))
    return url


def engine(settings: Settings, *, read_only: bool = False) -> sa.Engine:
    """The engine of the warehouse.

    Raises ConfigError for a database that a warehouse cannot be, and for a file that cannot be there.
    """
    url = warehouse_url(settings)
    if url.get_backend_name() not in dialect.SUPPORTED:
        raise ConfigError(
            f"a warehouse cannot be {url.get_backend_name()!r}",
            value="warehouse.url",
            fix=f"it can be {', '.join(dialect.SUPPORTED)}",
        )
    if url.get_backend_name() == "duckdb":
        _check_file(url)
    if settings.warehouse.password:
        url = url.set(password=settings.warehouse.password.reveal("warehouse.password").get_secret_value())
    try:
        return _engine(url, read_only)
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f"the driver of {url.drivername} is not installed",
            value="warehouse.url",
            fix="cxflow-framework[postgres] brings PostgreSQL's",
        ) from problem
    except sa.exc.NoSuchModuleError as problem:
        raise ConfigError(
            f"there is no driver {url.drivername!r}",
            value="warehouse.url",
            fix="such as duckdb:///warehouse.duckdb or postgresql+psycopg://user@host/database",
        ) from problem


@functools.lru_cache(maxsize=8)
def _engine(url: sa.URL, read_only: bool) -> sa.Engine:
    """One engine for the process, which remembers how statements are written; without a pool, so that a DuckDB file
    is free again as soon as its connection closes."""
    options: dict[str, Any]
    if url.get_backend_name() == "duckdb":
        options = {"connect_args": {"read_only": read_only}}
    else:
        # A load must see what others committed before it got its lock, whatever the server's default; a reader gets one
        # snapshot for all its queries.
        options = {
            "isolation_level": "REPEATABLE READ" if read_only else "READ COMMITTED",
            "connect_args": {"fallback_application_name": "cxflow"},
        }
    # Parameters are data: no traceback may show them.
    return sa.create_engine(
        url, poolclass=NullPool, hide_parameters=True, query_cache_size=STATEMENTS, **options
    )


def _check_file(url: sa.URL) -> None:
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            "a warehouse in memory is gone after each step", value="warehouse.url", fix="name a file"
        )
    folder = Path(str(url.database)).parent
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder} for the warehouse", value="warehouse.url")


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """One transaction on the warehouse: committed as a whole at the end of the block, or not at all.

    Waits up to `warehouse.busy_timeout_seconds` for a file that another process holds, and at each statement up to
    `warehouse.lock_timeout_seconds` for a lock of a server, then raises WarehouseBusyError. Whatever else the database
    refuses is raised as `database_errors` sorts it.
    """
    with _explained(engine(settings)) as warehouse, _begun(settings, warehouse) as connection:
        yield connection


def committed(settings: Settings, work: Callable[[sa.Connection], T]) -> T:
    """Run `work` in a transaction and return its result. If it collides with another session (a deadlock, a key that
    both insert), the transaction starts again, and then sees what the other one committed."""
    with _explained(engine(settings)) as warehouse:
        for _ in range(_TRIES - 1):
            try:
                with _begun(settings, warehouse) as connection:
                    return work(connection)
            except sa.exc.DBAPIError as problem:
                if not locks.is_conflict(problem):
                    raise
        with _begun(settings, warehouse) as connection:
            return work(connection)


def is_there(settings: Settings) -> bool:
    """Whether the DuckDB file exists. True for a server, which can only tell when it is asked."""
    url = warehouse_url(settings)
    return url.get_backend_name() != "duckdb" or Path(str(url.database)).is_file()


def may_write(settings: Settings) -> bool:
    """Whether this user may write to the DuckDB file. True for a server, which checks each statement."""
    url = warehouse_url(settings)
    return url.get_backend_name() != "duckdb" or os.access(str(url.database), os.W_OK)


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """A read-only transaction: on PostgreSQL with one snapshot for all its queries, on DuckDB with the file open
    read-only, so that other processes can read it, too.

    Raises SchemaError for a DuckDB file that does not exist, without creating it; otherwise what `transaction` raises.
    """
    warehouse = engine(settings, read_only=True)
    if not is_there(settings):
        raise SchemaError("the warehouse has no tables yet", fix="run `cxflow migrate`")
    with _explained(warehouse), _begun(settings, warehouse, read_only=True) as connection:
        yield connection


@contextmanager
def _explained(warehouse: sa.Engine) -> Iterator[sa.Engine]:
    with database_errors.explained(warehouse.dialect.loaded_dbapi.Error):
        yield warehouse


@contextmanager
def _begun(settings: Settings, warehouse: sa.Engine, *, read_only: bool = False) -> Iterator[sa.Connection]:
    patience = settings.warehouse.lock_timeout_seconds
    with (
        _connect(settings, warehouse) as connection,
        locks.waits(warehouse, connection, patience),
    ):
        if read_only and connection.dialect.name == "postgresql":
            connection.execution_options(postgresql_readonly=True)
        with connection.begin():
            dialect.prepare(connection, patience)
            yield connection


def _connect(settings: Settings, warehouse: sa.Engine) -> sa.Connection:
    patience_seconds = settings.warehouse.busy_timeout_seconds
    begun = time.monotonic()
    pause = 0.05
    while True:
        try:
            return warehouse.connect()
        except sa.exc.DBAPIError as problem:
            if warehouse.dialect.name == "postgresql":
                raise database_errors.unreachable(problem) from None
            if _OPEN_HERE in str(problem.orig):
                # Another thread of this process writes to the file: DuckDB lets it be read in that mode only.
                warehouse = engine(settings)
            elif "Could not set lock" not in str(problem.orig) and not _is_begun(warehouse.url, begun):
                raise database_errors.unopened(problem) from problem
            if time.monotonic() > begun + patience_seconds:
                raise database_errors.held(problem, patience_seconds) from problem
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _is_begun(url: sa.URL, since: float) -> bool:
    """Whether another process has just created a DuckDB file and not locked it yet."""
    path = str(url.database)
    return time.monotonic() < since + _BIRTH_SECONDS and os.path.isfile(path) and os.path.getsize(path) == 0
