"""Opens the warehouse.

DuckDB lets one process write a file and shuts all others out meanwhile. Under Airflow a pool of one slot keeps
tasks apart; the bounded retry here is the second layer, for people who look in while a run goes on.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.errors import ConfigError, WarehouseBusyError
from cxflow.settings import Settings
from cxflow.store import database_errors, dialect

STATEMENTS = 2_000
"""More than one trip through many streams has."""


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


def engine(settings: Settings) -> sa.Engine:
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
        return _engine(url)
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f"the driver of {url.drivername} is not installed",
            value="warehouse.url",
            fix="cxflow-framework[postgres] brings PostgreSQL's",
        ) from problem


@functools.lru_cache(maxsize=4)
def _engine(url: sa.URL) -> sa.Engine:
    """One engine for the process, which remembers how statements are written; without a pool, so that a DuckDB file
    is free again as soon as its connection closes."""
    # Parameters are data: no traceback may show them.
    return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, query_cache_size=STATEMENTS)


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

    Waits up to `warehouse.busy_timeout_seconds` for a file that another process holds, then raises
    WarehouseBusyError. Whatever else the database refuses is raised as `database_errors` sorts it.
    """
    warehouse = engine(settings)
    with (
        database_errors.explained(warehouse.dialect.loaded_dbapi.Error),
        _connect(warehouse, settings.warehouse.busy_timeout_seconds) as connection,
        connection.begin(),
    ):
        dialect.prepare(connection)
        yield connection


def _connect(warehouse: sa.Engine, patience_seconds: float) -> sa.Connection:
    deadline = time.monotonic() + patience_seconds
    pause = 0.05
    while True:
        try:
            return warehouse.connect()
        except sa.exc.DBAPIError as problem:
            if warehouse.dialect.name == "postgresql":
                raise database_errors.unreachable(problem) from None
            if "Could not set lock" not in str(problem.orig):
                raise database_errors.unopened(problem) from problem
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"another process has held the warehouse for {patience_seconds:g} s",
                    fix="close it there, or raise warehouse.busy_timeout_seconds",
                ) from problem
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
