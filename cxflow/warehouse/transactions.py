"""Opens the warehouse: to change it (`transaction`, `committed`) or to read it (`reading`).

The engine (`engines`) decides how a database is opened and how long to wait for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.errors import ConfigError, SchemaError
from cxflow.settings import Settings
from cxflow.warehouse import database_errors, engines
from cxflow.warehouse.engines.base import Engine

STATEMENTS = 2_000
"""Size of the cache of compiled statements: more than a run over many streams uses."""
_TRIES = 5
"""Attempts at a transaction that collides with another session's."""

T = TypeVar("T")


def engine_of(settings: Settings) -> Engine:
    """The engine of the project's warehouse. Raises ConfigError, without quoting the URL: it may contain a password."""
    return engines.named(_parsed(settings).get_backend_name())


def warehouse_url(settings: Settings) -> sa.URL:
    """The warehouse's URL; a file path is relative to the project folder. Raises ConfigError as `engine_of` does."""
    return engine_of(settings).located(_parsed(settings), settings.path)


def _parsed(settings: Settings) -> sa.URL:
    written = settings.warehouse.url
    text = written if isinstance(written, str) else written.reveal("warehouse.url").get_secret_value()
    try:
        url = sa.make_url(text)
        url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            "warehouse.url is not a database URL",
            value="warehouse.url",
            fix="such as duckdb:///warehouse.duckdb",
        ) from None
    if not isinstance(written, str) and engines.named(url.get_backend_name()).single_writer:
        # Airflow's pool for it is chosen when a DAG file is parsed, where no secret is read.
        raise ConfigError(
            "warehouse.url: the URL of a database file is no secret",
            value="warehouse.url",
            fix="write it in cxflow.toml, such as duckdb:///warehouse.duckdb",
        )
    return url


def database(settings: Settings, *, read_only: bool = False) -> sa.Engine:
    """SQLAlchemy's engine of the warehouse.

    Raises ConfigError for a database that cannot hold a warehouse, an impossible file, a missing driver, and a BI role
    on a database without roles.
    """
    engine, url = engine_of(settings), warehouse_url(settings)
    engine.check_url(url)
    if role := settings.warehouse.bi_role:
        if engine.roles is None:
            raise ConfigError(
                f"{engine.title} has no roles, so warehouse.bi_role cannot be set",
                value="warehouse.bi_role",
                fix="remove it, or use a server",
            )
        engine.roles.check_name(role)
    if settings.warehouse.password:
        url = url.set(password=settings.warehouse.password.reveal("warehouse.password").get_secret_value())
    try:
        return _database(url, read_only)
    except ModuleNotFoundError as problem:
        fix = f"pip install 'cxflow-framework[{engine.extra}]'" if engine.extra else None
        raise ConfigError(
            f"the driver of {url.drivername} is not installed", value="warehouse.url", fix=fix
        ) from problem
    except sa.exc.NoSuchModuleError as problem:
        raise ConfigError(
            f"there is no driver {url.drivername!r}",
            value="warehouse.url",
            fix="such as duckdb:///warehouse.duckdb or postgresql+psycopg://user@host/database",
        ) from problem


@functools.lru_cache(maxsize=8)
def _database(url: sa.URL, read_only: bool) -> sa.Engine:
    """One engine per process, which caches compiled statements; without a pool, so that a file is free as soon as its
    connection closes."""
    engine = engines.named(url.get_backend_name())
    # Parameters are data: no traceback may show them.
    database = sa.create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        query_cache_size=STATEMENTS,
        **engine.options(read_only=read_only),
    )
    engine.adapt(database, read_only=read_only)
    return database


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """One transaction on the warehouse: committed as a whole at the end of the block, or not at all.

    Waits up to `warehouse.busy_timeout_seconds` for a file that another process holds, and at each statement up to
    `warehouse.lock_timeout_seconds` for a lock of a server, then raises WarehouseBusyError. Other errors of the
    database are raised as `database_errors` sorts them.
    """
    with _explained(settings), _begun(settings) as connection:
        yield connection


def committed(settings: Settings, work: Callable[[sa.Connection], T]) -> T:
    """Run `work` in a transaction and return its result. If it collides with another session (a deadlock, a key that
    both insert), the transaction starts again, and sees what the other one committed."""
    engine = engine_of(settings)
    with _explained(settings):
        for _ in range(_TRIES - 1):
            try:
                with _begun(settings) as connection:
                    return work(connection)
            except sa.exc.DBAPIError as problem:
                if not engine.is_conflict(problem):
                    raise
        with _begun(settings) as connection:
            return work(connection)


def exists(settings: Settings) -> bool:
    """Whether the warehouse's database exists. True for a server, which is not asked."""
    return engine_of(settings).exists(warehouse_url(settings))


def is_writable(settings: Settings) -> bool:
    """Whether this user may write to the warehouse's file. True for a server, which checks each statement."""
    return engine_of(settings).is_writable(warehouse_url(settings))


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """A read-only transaction with one snapshot for all its queries; other readers may open a file meanwhile.

    Raises SchemaError for a file that does not exist, without creating it; otherwise what `transaction` raises.
    """
    database(settings, read_only=True)
    if not exists(settings):
        raise SchemaError("the warehouse has no tables yet", fix="run `cxflow migrate`")
    with _explained(settings, read_only=True), _begun(settings, read_only=True) as connection:
        yield connection


@contextmanager
def _explained(settings: Settings, *, read_only: bool = False) -> Iterator[None]:
    driver = database(settings, read_only=read_only).dialect.loaded_dbapi.Error
    with database_errors.explained(driver, sqlstate=engine_of(settings).sqlstate):
        yield


@contextmanager
def _begun(settings: Settings, *, read_only: bool = False) -> Iterator[sa.Connection]:
    engine, patience_seconds = engine_of(settings), settings.warehouse.lock_timeout_seconds

    def opened(read_only: bool) -> sa.Engine:
        return database(settings, read_only=read_only)

    busy_seconds = settings.warehouse.busy_timeout_seconds
    with (
        engine.private_files(warehouse_url(settings)),
        engine.connect(opened, read_only=read_only, patience_seconds=busy_seconds) as connection,
        engine.lock_waits(connection.engine, connection, patience_seconds),
        connection.begin(),
    ):
        engine.begin(connection, read_only=read_only, lock_timeout_seconds=patience_seconds)
        yield connection
