"""The built-in connector `sql`: any database that SQLAlchemy reads, declared in `cxflow.toml`, no Python needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from pydantic import Field, field_validator

from cxflow.connect.connector import Connector, Cursor, Sink
from cxflow.connect.hookspecs import hookimpl
from cxflow.connect.sql import selection
from cxflow.connect.sql.database import SourceDatabase, opened
from cxflow.connect.sql.row_tables import landing_select
from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import ConfigError, CxflowError, SourceError
from cxflow.model.sql import literal
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.model.workbench import workbench
from cxflow.settings import Connection, Secret, nearest

_SHOWN_CHARACTERS = 80
"""Of a query in a plan."""


class SqlConnection(Connection):
    """Which database."""

    url: Secret = Field(repr=False)
    """Where its SQLAlchemy URL is found; a file in it is seen from the project's folder."""
    statement_timeout_seconds: float = Field(default=600, gt=0)
    """How long the database may take for a statement, or for the next partition of one."""

    @field_validator("url", mode="before")
    @classmethod
    def _found_elsewhere(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError('a URL may hold a password: say where it is found, url = { env = "NAME" }')
        return value


class Sql(Connector):
    """Tables and queries of PostgreSQL, SQLite, DuckDB and whatever else SQLAlchemy has a dialect of."""

    name: ClassVar[str] = "sql"
    title: ClassVar[str] = "Tables and queries of any SQL database that SQLAlchemy reads"
    connection_model: ClassVar[type[Connection]] = SqlConnection
    stream_model: ClassVar[type[Stream]] = SqlStream

    def check(self, stream: Stream) -> None:
        """The database lets us in, the table is there, the query is understood, the cursor is a column of it."""
        stream = _sql_stream(stream)
        with self._database(stream) as database:
            _columns(database, stream)

    def plan(self, stream: Stream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line: the table or query, and how much of it. The database is not asked."""
        stream = _sql_stream(stream)
        what = stream.table or f"query {_shown(stream.query or '')}"
        if not stream.cursor:
            return [f"{what}, whole"]
        by = stream.cursor[0]
        last = _last_key(stream, cursor)
        if last is not None:
            again = f" less {stream.look_back_keys:,}" if isinstance(last, int) else ""
            return [f"{what} with {by} after {last}{again}"]
        if stream.cursor_type == "key":
            return [f"{what}, whole, by {by}"]
        return [f"{what} with {by} in {window}"]

    def read(self, stream: Stream, window: Window, cursor: Cursor | None, sink: Sink) -> Cursor:
        """Land the window's rows, or those behind the last key, or all; a backfill by a key reads all."""
        stream = _sql_stream(stream)
        received_at = datetime.now(UTC)
        with self._database(stream) as database, workbench() as landing:
            position = _cursor_position(_columns(database, stream), stream)
            chosen = self._chosen(database, stream, window, cursor)
            if chosen is None:
                return dict(cursor or {})
            statement, by_key = chosen
            last = _last_key(stream, cursor)
            for table in database.partitions(statement, stream.partition_rows):
                _land(sink, landing, table, stream.origin, received_at)
                if by_key and position is not None:
                    keys = table.column(position).drop_null()
                    last = selection.key_value(keys[-1].as_py(), stream.cursor[0]) if len(keys) else last
            return {"column": stream.cursor[0], "after": last} if by_key and last is not None else {}

    def _chosen(
        self, database: SourceDatabase, stream: SqlStream, window: Window, cursor: Cursor | None
    ) -> tuple[sa.Select[Any], bool] | None:
        """The statement to read, and whether it goes by a key; None where there is nothing to read."""
        if not stream.cursor:
            return selection.whole(stream), False
        if stream.without_cursor == "stop" and database.first(selection.one_without_cursor(stream)):
            raise SourceError(
                f"there are rows without {stream.cursor[0]!r}, which no window would ever hold",
                value=stream.cursor[0],
                fix='put coalesce(…) into a query, or say without_cursor = "read" or "skip"',
            )
        value = database.first(selection.sample(stream))
        if value is None:
            return (selection.whole(stream), False) if stream.without_cursor == "read" else None
        if selection.is_key(stream, value):
            selection.key_value(value, stream.cursor[0])
            return selection.after(stream, _last_key(stream, cursor)), True
        zone = stream.timezone or self.connection.timezone
        return selection.within(stream, selection.edges(stream, window, value, zone)), False

    @contextmanager
    def _database(self, stream: SqlStream) -> Iterator[SourceDatabase]:
        """The database, open; errors in the block name the connection and the stream."""
        connection = self.connection
        assert isinstance(connection, SqlConnection)
        try:
            url = connection.url.reveal("url").get_secret_value()
            with opened(url, self.settings.folder, connection.statement_timeout_seconds) as database:
                yield database
        except CxflowError as problem:
            problem.at(connection.name, stream.name)
            raise


def _columns(database: SourceDatabase, stream: SqlStream) -> list[str]:
    """The stream's columns. Raises ConfigError for a table or a cursor column that is not there."""
    if stream.table:
        schema, name = stream.place
        database.require_table(name, schema)
    names = database.columns(selection.nothing(stream))
    for column in stream.cursor:
        if column not in names:
            raise ConfigError(
                f"{stream.origin} has no column {column!r} for the cursor{nearest(column, names)}",
                value=column,
            )
    return names


def _cursor_position(names: list[str], stream: SqlStream) -> int | None:
    return names.index(stream.cursor[0]) if stream.cursor else None


def _last_key(stream: SqlStream, cursor: Cursor | None) -> int | str | None:
    """The last key read; None for a backfill, a first run, and a cursor of another column."""
    if not cursor or not stream.cursor or cursor.get("column") != stream.cursor[0]:
        return None
    last: int | str | None = cursor.get("after")
    return last


def _land(
    sink: Sink, landing: duckdb.DuckDBPyConnection, table: pa.Table, origin: str, received_at: datetime
) -> None:
    landing.register("partition", table)
    sink.query(
        landing,
        f"SELECT {landing_select(table.schema)}, {literal(origin)} AS _origin, "
        f"TIMESTAMPTZ {literal(received_at.isoformat())} AS _received_at FROM partition",
    )
    landing.unregister("partition")


def _shown(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"


def _sql_stream(stream: Stream) -> SqlStream:
    assert isinstance(stream, SqlStream)
    return stream


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    """The connector for SQL databases."""
    return [Sql]
