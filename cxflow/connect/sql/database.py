"""A database as a source: opened read-only, each statement limited in time. Called by `connector`.

This is the second of two safeguards, and holds even if a query slips through the first (see `query`): what a stream
declares is sent in a way that takes a single statement, in a transaction that is read-only from its first statement,
and nothing is ever committed. Each subclass says how its database does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cxflow.connect.sql.errors import explained, unreachable
from cxflow.connect.sql.row_tables import Partition, RowTables, Unreadable
from cxflow.errors import ConfigError
from cxflow.settings import nearest

_DRIVER_ERRORS = (sa.exc.SQLAlchemyError, duckdb.Error, pa.ArrowException, OSError, UnicodeError)


class SourceDatabase:
    """An open connection to a source, in a read-only transaction. This class serves databases without a subclass."""

    drivers: ClassVar[tuple[str, ...]] = ()
    """SQLAlchemy's names of the drivers that send one statement at a time; empty: any driver is accepted."""
    has_one_snapshot: ClassVar[bool] = False
    """Whether all statements of the transaction see one snapshot of the database."""
    has_infinite_times: ClassVar[bool] = False
    """Whether its time types have a value 'infinity'."""
    has_commit_times: ClassVar[bool] = False
    """Whether it can be set to remember when each row was committed, as PostgreSQL does."""
    mixes_types: ClassVar[bool] = False
    """Whether a column may hold numbers beside texts."""
    _options: ClassVar[Mapping[str, Any]] = {}
    """SQLAlchemy's execution options for statements that hold what a stream declares."""

    def __init__(self, connection: sa.Connection, timeout_seconds: float) -> None:
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self.dialect = connection.dialect.name
        self._driver: Any = connection.connection.driver_connection
        with self._step():
            self._begin()

    @classmethod
    @contextmanager
    def opened(cls, url: sa.URL, timeout_seconds: float, folders: Sequence[str] = ()) -> Iterator[Self]:  # noqa: ARG003
        """Open the database for the block. `folders` are those whose files a query may read (DuckDB only).

        Raises ConfigError for an unsuitable driver, option or credential, TransientError for an unreachable server.
        """
        engine = cls._engine(url)
        try:
            with _connected(engine) as connection:
                yield cls(connection, timeout_seconds)
        finally:
            engine.dispose()

    def columns(self, statement: sa.Select[Any]) -> list[str]:
        """The names of a statement's columns; pass one that yields no row."""
        with self._step():
            result = self._execute(statement)
            names = list(result.keys())
            result.close()
        return names

    def spelled(self, names: list[str], query: str | None) -> list[str]:  # noqa: ARG002
        """The names of columns as the stream's table or query has them: a database may rename those of a sub-select
        that it takes for equal."""
        return names

    def first(self, statement: sa.Select[Any]) -> Any:
        """The first value of the first row, or None. A time Python cannot represent is replaced by one of its type."""
        with self._step():
            value = self._execute(statement).scalar()
        return value.like if isinstance(value, Unreadable) else value

    def rows(self, statement: sa.Select[Any]) -> list[Sequence[Any]]:
        """All rows of a statement that yields few."""
        with self._step():
            return [tuple(row) for row in self._execute(statement)]

    def masked(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """An expression: the text with each digit replaced by 9."""
        for digit in "012345678":
            text = sa.func.replace(text, digit, "9")
        return text

    def as_time(self, column: str, *, zoned: bool) -> str:
        """SQL that converts a column of texts to times, for advice. `zoned`: the texts have zones."""
        return f"CAST({column} AS {'timestamp with time zone' if zoned else 'timestamp'})"

    def count(self, statement: sa.Select[Any]) -> int:
        """The number of rows a statement yields, counted by the database."""
        counting = statement.with_only_columns(sa.func.count()).order_by(None)
        with self._step():
            return int(self._execute(counting).scalar_one())

    def partitions(
        self, statement: sa.Select[Any], rows: int, *, key: Sequence[str] = (), cursor: int | None = None
    ) -> Iterator[Partition]:
        """The rows of a statement, about `rows` at a time; no more than that is in memory.

        `key` names the columns that identify a refused record in its reason; `cursor` is the position of the column
        whose last value each partition reports.
        """
        with self._step():
            result = self._execute(statement, yield_per=rows)
        tables = RowTables(list(result.keys()), key=key, cursor=cursor)
        try:
            partitions = result.partitions()
            while True:
                with self._step():
                    found = next(partitions, None)
                if not found:
                    return
                yield tables.partition(found)
        finally:
            result.close()

    def require_table(self, name: str, schema: str | None) -> None:
        """Raise ConfigError with the nearest name if there is no such table or view."""
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

    @classmethod
    def _engine(cls, url: sa.URL, **arguments: Any) -> sa.Engine:
        """The engine of a URL; `arguments` go to the driver."""
        driver = url.get_driver_name()
        if cls.drivers and driver not in cls.drivers:
            backend = url.get_backend_name()
            raise ConfigError(
                f"the driver {driver} may send several statements at once, and a source is only read",
                value="url",
                fix=f"use {backend}+{cls.drivers[0]}://",
            )
        try:
            return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        except ImportError:
            raise no_driver(url.drivername) from None
        except (sa.exc.ArgumentError, ValueError, TypeError):
            raise ConfigError("the options of url do not fit its driver", value="url") from None

    def _begin(self) -> None:
        """Begin the transaction, read-only."""

    def _interrupt(self) -> Callable[[], None] | None:
        """A function that cancels a running statement, for databases without a statement timeout."""
        return None

    def _run(self, statement: str) -> None:
        """Send one of cxflow's own statements."""
        self._connection.exec_driver_sql(statement)

    def _execute(self, statement: sa.Select[Any], **options: Any) -> sa.CursorResult[Any]:
        """Send a statement that holds what a stream declares."""
        return self._connection.execute(statement, execution_options={**self._options, **options})

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Limit the block in time, and turn errors of the driver into cxflow's."""
        expired = threading.Event()
        interrupt = self._interrupt()

        def stop() -> None:
            expired.set()
            if interrupt:
                interrupt()

        timer = threading.Timer(self._timeout_seconds, stop) if interrupt else None
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


def no_driver(drivername: str) -> ConfigError:
    """The error for a driver that is not installed."""
    is_postgresql = drivername.startswith("postgresql")
    fix = "install cxflow-framework[postgres]" if is_postgresql else "install it"
    return ConfigError(f"the driver of {drivername} is not installed", value="url", fix=fix)


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
