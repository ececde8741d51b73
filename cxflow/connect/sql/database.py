"""A database as a source: opened for reading alone, each statement limited in time. Called by `connector`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.connect.sql.errors import explained, unreachable
from cxflow.connect.sql.row_tables import RowTables
from cxflow.errors import ConfigError
from cxflow.settings import nearest

CONNECT_TIMEOUT_SECONDS = 30
_DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "duckdb", "mssql", "oracle")
_DRIVER_ERRORS = (sa.exc.SQLAlchemyError, duckdb.Error, pa.ArrowException, OSError)


class SourceDatabase:
    """An open connection to a source, in a transaction that only reads."""

    def __init__(self, connection: sa.Connection, timeout_seconds: float) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self.dialect = connection.dialect.name
        driver: Any = connection.connection.driver_connection
        self._interrupt: Callable[[], None] | None = (
            driver.interrupt if self.dialect in ("sqlite", "duckdb") else None
        )
        with self._step():
            self._prepare(driver)

    def columns(self, statement: sa.Select[Any]) -> list[str]:
        """The names of a statement's columns; pass one that yields no row."""
        with self._step():
            result = self._connection.execute(statement)
            names = list(result.keys())
            result.close()
        return names

    def first(self, statement: sa.Select[Any]) -> Any:
        """The first value of the first row, or None."""
        with self._step():
            return self._connection.execute(statement).scalar()

    def partitions(self, statement: sa.Select[Any], rows: int) -> Iterator[pa.Table]:
        """What a statement yields, about `rows` at a time; no more than that is in memory."""
        with self._step():
            # DuckDB's rows leave it as Arrow: SQLAlchemy fetches none of them ahead.
            options = {} if self.dialect == "duckdb" else {"yield_per": rows}
            result = self._connection.execute(statement, execution_options=options)
        try:
            yield from self._batches(result, rows) if self.dialect == "duckdb" else self._rows(result)
        finally:
            result.close()

    def require_table(self, name: str, schema: str | None) -> None:
        """Raises ConfigError with the nearest name where there is neither such a table nor such a view."""
        with self._step():
            inspector = sa.inspect(self._connection)
            if inspector.has_table(name, schema):
                return
            schemas = [each.rsplit(".", 1)[-1] for each in inspector.get_schema_names()]
            if schema is not None and schema not in schemas:
                raise ConfigError(
                    f"there is no schema {schema!r}{nearest(schema, schemas)}", value=f"{schema}.{name}"
                )
            known = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        raise ConfigError(
            f"there is no table {name!r}{f' in {schema}' if schema else ''}{nearest(name, known)}",
            value=f"{schema}.{name}" if schema else name,
        )

    def _prepare(self, driver: Any) -> None:
        run = self._connection.exec_driver_sql
        if self.dialect == "postgresql":
            run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            run(f"SET LOCAL statement_timeout = {max(1, round(self._timeout_seconds * 1000))}")
            run("SET LOCAL TIME ZONE 'UTC'")
            if self._connection.dialect.driver == "psycopg":
                from psycopg.types.string import TextLoader

                # As written: parsed, a JSON number would be rounded and a JSON text lose its quotes.
                for kind in ("json", "jsonb", "uuid"):
                    driver.adapters.register_loader(kind, TextLoader)
        elif self.dialect == "sqlite":
            run("PRAGMA query_only = ON")
        elif self.dialect == "duckdb":
            run("SET TimeZone = 'UTC'")
        elif self.dialect in ("mysql", "mariadb"):
            run("SET SESSION TRANSACTION READ ONLY")
            self._connection.rollback()  # it holds from the next transaction on

    def _rows(self, result: sa.CursorResult[Any]) -> Iterator[pa.Table]:
        tables = RowTables(list(result.keys()))
        partitions = result.partitions()
        while True:
            with self._step():
                rows = next(partitions, None)
            if not rows:
                return
            yield tables.table(rows)

    def _batches(self, result: sa.CursorResult[Any], rows: int) -> Iterator[pa.Table]:
        cursor: Any = result.cursor
        with self._step():
            reader = cursor.to_arrow_reader(rows)
        while True:
            with self._step():
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            if batch.num_rows:
                yield pa.Table.from_batches([batch])

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Limits in time what stands in the block, and says in cxflow's errors what went wrong there."""
        expired = threading.Event()

        def stop() -> None:
            expired.set()
            if self._interrupt:
                self._interrupt()

        timer = threading.Timer(self._timeout_seconds, stop) if self._interrupt else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            yield
        except _DRIVER_ERRORS as problem:
            raise explained(problem, expired.is_set(), self._timeout_seconds) from None
        finally:
            if timer:
                timer.cancel()


@contextmanager
def opened(url: str, folder: Path, timeout_seconds: float) -> Iterator[SourceDatabase]:
    """The database behind a SQLAlchemy URL, whose file is seen from `folder`. Nothing is ever committed.

    Raises ConfigError for a URL, driver, file or credential that will not do, TransientError for a server out
    of reach.
    """
    engine = _engine(url, folder)
    try:
        with _connected(engine) as connection:
            yield SourceDatabase(connection, timeout_seconds)
    finally:
        engine.dispose()


def _engine(secret: str, folder: Path) -> sa.Engine:
    try:
        url = sa.make_url(secret)
        is_async = url.get_dialect().is_async
    except sa.exc.NoSuchModuleError:
        # What stands before the first colon names the driver; without `//` it might be anything.
        name = secret.partition("://")[0]
        backend = name.partition("+")[0]
        raise ConfigError(
            f"there is no driver {name!r} of databases{nearest(backend, _DIALECTS)}",
            value="url",
            fix="install SQLAlchemy's dialect of it, or mend the URL",
        ) from None
    except ImportError:
        raise _no_driver(secret) from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise ConfigError(
            "url is not a database URL", value="url", fix="such as postgresql://reader@host/erp"
        ) from None
    backend = url.get_backend_name()
    if is_async:
        raise ConfigError(
            f"{url.drivername} is an asynchronous driver, and this connector waits",
            value="url",
            fix=f"{backend}:// takes the usual one",
        )
    arguments: dict[str, Any] = {}
    if backend in ("sqlite", "duckdb"):
        url = _of_file(url, folder)
    if backend == "duckdb":
        arguments["read_only"] = True
    elif backend == "postgresql" and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    try:
        return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise _no_driver(secret) from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise ConfigError("the options of url do not fit its driver", value="url") from None


def _no_driver(secret: str) -> ConfigError:
    name = secret.partition("://")[0]
    fix = "cxflow-framework[postgres] brings psycopg" if name.startswith("postgresql") else "install it"
    return ConfigError(f"the driver of {name} is not installed", value="url", fix=fix)


def _of_file(url: sa.URL, folder: Path) -> sa.URL:
    """A file's URL, absolute. The file is there: SQLite would make one, empty."""
    name = url.database or ""
    if name in ("", ":memory:"):
        raise ConfigError("a database in memory holds nothing to read", value="url", fix="name its file")
    if name.startswith(("file:", "md:")):
        return url
    path = folder / name
    if not path.is_file():
        raise ConfigError("the database file that url names is not there", value="url")
    return url.set(database=str(path))


@contextmanager
def _connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except (*_DRIVER_ERRORS, TypeError, ValueError) as problem:
        raise unreachable(problem) from None
    try:
        yield connection
    finally:
        connection.close()
