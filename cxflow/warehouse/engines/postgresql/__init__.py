"""PostgreSQL: the warehouse of a team, on a server that many sessions use at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxflow.errors import ConfigError, TransientError
from cxflow.warehouse.engines.base import VERBATIM, Engine, Roles, create_view
from cxflow.warehouse.engines.postgresql import locks

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cxflow.warehouse.engines.base import Numbers

_BATCH_ROWS = 65_536
"""Rows that are on their way to the server at a time."""
_COPY_HEADER_BYTES, _COPY_TRAILER_BYTES = 19, 2
"""What stands around the rows of a binary COPY."""
_OTHER_COLUMNS = "42P16"
_TYPES = {
    "VARCHAR": "text",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "DOUBLE": "double precision",
    "HUGEINT": "numeric",
}
"""DuckDB type → PostgreSQL type, if they differ."""
_COLUMNS = (
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull "
    "FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema() "
    "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_COMMENTS = (
    "SELECT c.relname, coalesce(a.attname, ''), d.description "
    "FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema() "
    "LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0"
)
_UNCHANGED_VIEWS = (
    "SELECT c.relname FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema() "
    "WHERE c.relname = ANY(:names) AND c.relkind = 'v' AND c.reloptions IS NULL "
    "AND pg_get_viewdef(c.oid) = pg_get_viewdef(to_regclass('pg_temp.probe_' || c.relname))"
)
_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
)
"""Messages of the server for which a retry will not help."""
_CROWDED = ("too many connections", "too many clients", "remaining connection slots")


class PostgreSQL(Engine):
    """The engine of a PostgreSQL server."""

    name = "postgresql"
    title = "PostgreSQL"
    columns_sql = _COLUMNS
    comments_sql = _COMMENTS
    extra = "postgres"

    @cached_property
    def roles(self) -> Roles:
        """By the server's catalogue."""
        from cxflow.warehouse.engines.postgresql.roles import PostgreSQLRoles

        return PostgreSQLRoles()

    def options(self, *, read_only: bool) -> dict[str, Any]:
        """Regardless of the server's default: a load must see what others committed before it got its lock; a reader
        gets one snapshot for all its queries."""
        return {
            "isolation_level": "REPEATABLE READ" if read_only else "READ COMMITTED",
            "connect_args": {"fallback_application_name": "cxflow"},
        }

    def connect(
        self,
        database: Callable[[bool], sa.Engine],
        *,
        read_only: bool,
        patience_seconds: float,  # noqa: ARG002 - a server is there or not
    ) -> sa.Connection:
        from sqlalchemy.exc import DBAPIError

        try:
            connection = database(read_only).connect()
        except DBAPIError as problem:
            raise _unreachable(problem) from None
        return connection.execution_options(postgresql_readonly=True) if read_only else connection

    def begin(self, connection: sa.Connection, *, read_only: bool, lock_timeout_seconds: float) -> None:  # noqa: ARG002
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        locks.limit_waits(connection, lock_timeout_seconds)

    @contextmanager
    def lock_waits(
        self, database: sa.Engine, connection: sa.Connection, timeout_seconds: float
    ) -> Iterator[None]:
        with locks.watched(database, connection, timeout_seconds):
            yield

    def is_conflict(self, problem: sa.exc.DBAPIError) -> bool:
        return getattr(problem.orig, "sqlstate", None) in locks.CONFLICTS

    def lock_stream(self, connection: sa.Connection, system: str, stream: str) -> None:
        from sqlalchemy import select
        from sqlalchemy.dialects.postgresql import insert

        from cxflow.warehouse.tables import stream_lock

        row = {"source_system": system, "source_object": stream}
        connection.execute(insert(stream_lock).values(row).on_conflict_do_nothing())
        connection.execute(select(stream_lock).filter_by(**row).with_for_update())

    def lock_streams(self, connection: sa.Connection) -> None:
        """Waits for running loads; others queue behind it."""
        from cxflow.warehouse.tables import stream_lock

        locks.lock_table(connection, stream_lock.name)

    def lock_definitions(self, connection: sa.Connection) -> None:
        from cxflow.warehouse.tables import VERSION_TABLE

        locks.lock_table(connection, VERSION_TABLE)

    def run_exclusive(self, connection: sa.Connection, work: Callable[[], None]) -> None:
        locks.give_way(connection, work)

    def stage(
        self,
        connection: sa.Connection,
        name: str,
        source: Path,
        relation: str,
        *,
        is_read_only: bool = False,  # noqa: ARG002 - the server cannot read the file
    ) -> None:
        """Arrow from DuckDB, encoded by pgpq for a binary COPY: no row passes through Python.

        ADBC would need a second connection and so a second transaction: staged rows would have to be committed, found
        and deleted. This is as fast, and is part of the load's transaction.
        """
        import pgpq

        from cxflow.duck import identifier, workbench

        with workbench(source, read_only=True) as database:
            columns = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
            declared = ", ".join(f"{identifier(row[0])} {_TYPES.get(row[1], row[1])}" for row in columns)
            connection.exec_driver_sql(f"CREATE TEMP TABLE {identifier(name)} ({declared}) ON COMMIT DROP")
            # A UUID travels as its 16 bytes, in Arrow and to the server.
            selected = ", ".join(
                f"unhex(replace({identifier(row[0])}::VARCHAR, '-', ''))"
                if row[1] == "UUID"
                else identifier(row[0])
                for row in columns
            )
            batches = database.execute(f"SELECT {selected} FROM {relation}").to_arrow_reader(_BATCH_ROWS)
            encoder = pgpq.ArrowToPostgresBinaryEncoder(batches.schema)
            cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
            with cursor.copy(f"COPY {identifier(name)} FROM STDIN (FORMAT binary)") as copy:
                copy.write(encoder.write_header())
                for batch in batches:
                    copy.write(encoder.write_batch(batch))
                copy.write(encoder.finish())
        self.analyze(connection, name)

    def numbers(self, connection: sa.Connection, query: str, columns: int) -> list[Numbers]:
        """By a binary COPY: each row has the number of its fields, and each field its length, before the value."""
        import numpy as np

        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
            data = b"".join(bytes(block) for block in copy)
        fields = [
            (f"{kind}{number}", size)
            for number in range(columns)
            for kind, size in (("n", ">i4"), ("v", ">i8"))
        ]
        rows = np.frombuffer(
            data[_COPY_HEADER_BYTES:-_COPY_TRAILER_BYTES], np.dtype([("fields", ">i2"), *fields])
        )
        return [rows[f"v{number}"].astype(np.int64) for number in range(columns)]

    def analyze(self, connection: sa.Connection, *names: str) -> None:
        """The planner takes a table it does not know for small, and would go through it row by row. A table that
        another load is analyzing is skipped: two loads that analyze several tables could deadlock."""
        from cxflow.duck import identifier

        for name in names:
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {identifier(name)}")

    def replace_views(self, connection: sa.Connection, views: Mapping[str, str]) -> None:
        """Replacing a view waits for its readers, so only views that differ from their query are replaced."""
        changed = _changed(connection, views)

        def replace() -> None:
            for name, query in changed.items():
                _replace_view(connection, name, query)

        if changed:
            self.run_exclusive(connection, replace)


ENGINE = PostgreSQL()


def _changed(connection: sa.Connection, views: Mapping[str, str]) -> dict[str, str]:
    """The views that differ from their query. The server parses each query into a temporary view, and its own form of
    that is compared with its form of the view."""
    from sqlalchemy import text

    with connection.begin_nested() as probing:
        for name, query in views.items():
            probe = create_view(f"probe_{name}", query, "TEMP")
            connection.exec_driver_sql(probe, execution_options=VERBATIM)
        unchanged = set(connection.execute(text(_UNCHANGED_VIEWS), {"names": list(views)}).scalars())
        probing.rollback()
    return {name: query for name, query in views.items() if name not in unchanged}


def _replace_view(connection: sa.Connection, name: str, query: str) -> None:
    from sqlalchemy.exc import DBAPIError

    create = create_view(name, query)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(create, execution_options=VERBATIM)
    except DBAPIError as problem:
        # PostgreSQL replaces a view only by one that begins with the same columns. With the view go its rights.
        if getattr(problem.orig, "sqlstate", None) != _OTHER_COLUMNS:
            raise
        connection.exec_driver_sql(f"DROP VIEW {name}")
        connection.exec_driver_sql(create, execution_options=VERBATIM)


def _unreachable(problem: sa.exc.DBAPIError) -> ConfigError | TransientError:
    """Why the connection failed. Recognised by the message: psycopg gives no code here."""
    message = str(problem.orig)
    if reason := next((words for words in _REFUSALS if words in message), None):
        return ConfigError(
            f"the warehouse refuses the connection ({reason})",
            value="warehouse.url",
            fix="correct warehouse.url or warehouse.password, or ask for the privilege",
        )
    if any(words in message for words in _CROWDED):
        return TransientError(
            "the warehouse has no connection left",
            value="warehouse.url",
            fix="run fewer tasks at once, or raise the server's limit",
        )
    return TransientError(
        "the warehouse cannot be reached", value="warehouse.url", fix="is the server up, and the host right?"
    )
