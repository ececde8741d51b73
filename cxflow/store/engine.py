"""Opens the warehouse, once a process and URL.

DuckDB lets one process write a file and shuts all others out meanwhile. Under Airflow a pool of one slot keeps
tasks apart; the bounded retry here is the second layer, for people who look in while a run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from cxflow.errors import ConfigError, TransientError, WarehouseBusyError
from cxflow.settings import Settings


def warehouse_url(settings: Settings) -> sa.URL:
    """The warehouse's URL; a DuckDB file is seen from the project's folder."""
    try:
        url = sa.make_url(settings.warehouse.url)
    except sa.exc.ArgumentError as problem:
        raise ConfigError(f"warehouse.url is not a database URL: {settings.warehouse.url!r}") from problem
    if url.get_backend_name() == "duckdb" and url.database not in (None, "", ":memory:"):
        return url.set(database=str(settings.path(str(url.database))))
    return url


def engine(settings: Settings) -> sa.Engine:
    """An engine without a pool: a DuckDB file is free again as soon as its connection closes."""
    url = warehouse_url(settings)
    try:
        return sa.create_engine(url, poolclass=NullPool)
    except sa.exc.NoSuchModuleError as problem:
        raise ConfigError(
            f"no driver for the warehouse {url.drivername!r}",
            fix="cxflow-framework[postgres] brings PostgreSQL's",
        ) from problem


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """One transaction on the warehouse: committed as a whole at the end of the block, or not at all.

    Waits up to `warehouse.busy_timeout_seconds` for a file that another process holds, then raises
    WarehouseBusyError.
    """
    warehouse = engine(settings)
    try:
        with _connect(warehouse, settings.warehouse.busy_timeout_seconds) as connection, connection.begin():
            _prepare(connection)
            yield connection
    finally:
        warehouse.dispose()


def _prepare(connection: sa.Connection) -> None:
    if connection.dialect.name == "duckdb":
        connection.exec_driver_sql("SET TimeZone = 'UTC'")


def _connect(warehouse: sa.Engine, patience_seconds: float) -> sa.Connection:
    deadline = time.monotonic() + patience_seconds
    pause = 0.05
    while True:
        try:
            return warehouse.connect()
        except (OperationalError, sa.exc.DBAPIError) as problem:
            text = str(problem.orig)
            if "lock" not in text.lower():
                raise TransientError(f"the warehouse cannot be opened: {text.splitlines()[0]}") from problem
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"another process has held the warehouse for {patience_seconds:g} s",
                    fix="close it there, or raise warehouse.busy_timeout_seconds",
                ) from problem
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
