"""Opens the warehouse, once a process and URL.

DuckDB lets one process write a file and shuts all others out meanwhile. Under Airflow a pool of one slot keeps
tasks apart; the bounded retry here is the second layer, for people who look in while a run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.errors import ConfigError, FatalError, WarehouseBusyError
from cxflow.settings import Settings

SUPPORTED = ("duckdb",)
"""Databases that a warehouse may be, by SQLAlchemy's names."""


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
    """An engine without a pool: a DuckDB file is free again as soon as its connection closes.

    Raises ConfigError for a database that a warehouse cannot be, and for a file that cannot be there.
    """
    url = warehouse_url(settings)
    if url.get_backend_name() not in SUPPORTED:
        raise ConfigError(
            f"a warehouse cannot be {url.get_backend_name()!r}",
            value="warehouse.url",
            fix=f"it can be {', '.join(SUPPORTED)}",
        )
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            "a warehouse in memory is gone after each step", value="warehouse.url", fix="name a file"
        )
    folder = Path(str(url.database)).parent
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder} for the warehouse", value="warehouse.url")
    return sa.create_engine(url, poolclass=NullPool)


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
        except sa.exc.DBAPIError as problem:
            text = str(problem.orig)
            if "Could not set lock" not in text:
                raise FatalError(
                    f"the warehouse cannot be opened: {text.splitlines()[0]}",
                    value="warehouse.url",
                    fix="is it a DuckDB file, may this user write it, and is there room?",
                ) from problem
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"another process has held the warehouse for {patience_seconds:g} s",
                    fix="close it there, or raise warehouse.busy_timeout_seconds",
                ) from problem
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
