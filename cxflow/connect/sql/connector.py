"""The built-in connector `sql`: any database that SQLAlchemy reads, declared in `cxflow.toml`, no Python needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import duckdb
import sqlalchemy as sa
from pydantic import Field, field_validator

from cxflow.connect.column_names import trimmed
from cxflow.connect.connector import Connector
from cxflow.connect.sql import lateness, selection, time_texts
from cxflow.connect.sql.database import SourceDatabase
from cxflow.connect.sql.opening import file_of, is_file, opened, parsed
from cxflow.connect.sql.query import reading, tables, varies
from cxflow.connect.sql.row_tables import Partition, landing_select
from cxflow.connect.sql.stream import SqlStream
from cxflow.duck import literal, workbench
from cxflow.errors import ConfigError, CxflowError, SourceError
from cxflow.model import progress
from cxflow.model.dataset import Dataset, of_table
from cxflow.model.names import alike
from cxflow.model.reading import Count, Cursor, Query, Reading, Snapshot
from cxflow.model.window import Window
from cxflow.settings import Connection, Secret, nearest

_SHOWN_CHARACTERS = 80
"""How much of a query a plan shows."""


class SqlConnection(Connection):
    """A connection to a database."""

    url: Secret = Field(repr=False)
    """Where its SQLAlchemy URL is found. A file in it is relative to the project's folder."""
    statement_timeout_seconds: float = Field(default=600, gt=0)
    """How long the database may take for a statement, or for the next partition of its rows."""
    folders: tuple[str, ...] = ()
    """Folders whose files the queries of a DuckDB database may read (read_csv, read_parquet, read_json), relative to
    the project's folder. Unset: none."""

    @field_validator("url", mode="before")
    @classmethod
    def _found_elsewhere(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError('a URL may hold a password: set where it is found, url = { env = "NAME" }')
        return value


class Sql(Connector[SqlConnection, SqlStream]):
    """Tables and queries of PostgreSQL, SQLite, DuckDB and any other database with a SQLAlchemy dialect."""

    name: ClassVar[str] = "sql"
    title: ClassVar[str] = "Tables and queries of any SQL database that SQLAlchemy reads"

    def check(self, stream: SqlStream) -> None:
        """Check that the query only reads, the database accepts the connection and the query, the table exists, and the
        cursor is one of its columns, whose names differ in more than case."""
        with self._source(stream) as (database, source):
            _columns(database, source)

    def columns(self, stream: SqlStream, *, offline: bool = False) -> Sequence[str] | None:
        """The columns of the table or query, as the database names them; None without asking it."""
        if offline:
            return None
        with self._source(stream) as (database, source):
            return _columns(database, source)

    def remarks(self, stream: SqlStream) -> list[str]:
        """How late rows commit, against the look-back, where the database knows it."""
        with self._source(stream, lateness.TIMEOUT_SECONDS) as (database, source):
            found = lateness.remark(database, source, stream.timezone or self.connection.timezone)
        return [found] if found else []

    def plan(self, stream: SqlStream, window: Window, cursor: Cursor | None) -> list[str]:
        """One line: the table or query, and how much of it. The database is not asked."""
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

    def is_windowed(self, stream: SqlStream) -> bool:
        """Whether it has a cursor."""
        return bool(stream.cursor)

    def datasets(self, stream: SqlStream) -> list[Dataset]:
        """Its table, or those that its query names. The database is not asked."""
        url = parsed(self.connection.url.reveal("url").get_secret_value())
        if is_file(url) and url.database:
            url = url.set(database=str(file_of(url, self.settings.folder)))
        named = tables(stream.query, url.get_backend_name()) if stream.query else [stream.place]
        return [of_table(url, table, schema) for schema, table in named]

    def available(self, stream: SqlStream) -> str | None:
        """The least and the greatest value of the cursor."""
        if not stream.cursor:
            return "there is no row"  # without a cursor, a window holds all
        with self._source(stream) as (database, source):
            value = database.first(selection.sample(source))
            if value is None:
                return f"no row has a value in {source.cursor[0]}"
            infinite = database.has_infinite_times and isinstance(value, date)
            least, greatest = (
                database.first(each) for each in selection.extremes(source, value, infinite=infinite)
            )
        if least is None:
            return None
        return f"{source.cursor[0]} goes from {selection.shown(source, least)} to {selection.shown(source, greatest)}"

    def read(self, stream: SqlStream, window: Window, cursor: Cursor | None) -> Reading:
        """Read the window's rows, those after the last key, or all; a backfill by a key reads all."""
        received_at = datetime.now(UTC)
        with self._source(stream) as (database, stream), workbench() as landing:
            chosen = self._chosen(database, stream, _columns(database, stream), window, cursor)
            rows, last = 0, _last_key(stream, cursor)
            counted = None
            if database.has_one_snapshot and progress.is_heard():
                counted = database.count(chosen.statement)
                yield Count(counted, stream.origin)
            for partition in database.partitions(
                chosen.statement, stream.partition_rows, key=_shown_key(stream), cursor=chosen.key
            ):
                rows += partition.rows
                yield from _queries(landing, partition, stream.origin, received_at)
                if partition.last is not None:
                    last = selection.key_value(partition.last, stream.cursor[0])
            yield from _independent_count(database, stream, chosen.statement, rows, counted)
            if stream.snapshot:
                yield Snapshot(stream.origin, received_at)
            if chosen.is_empty:
                return dict(cursor or {})
            by_key = chosen.key is not None and last is not None
            return {"column": stream.cursor[0], "after": last} if by_key else {}

    def _chosen(
        self,
        database: SourceDatabase,
        stream: SqlStream,
        columns: list[str],
        window: Window,
        cursor: Cursor | None,
    ) -> _Chosen:
        if not stream.cursor:
            return _Chosen(selection.whole(stream))
        if stream.without_cursor == "stop" and database.first(selection.one_without_cursor(stream)):
            raise SourceError(
                f"there are rows without {stream.cursor[0]!r}, which no window would ever contain",
                value=stream.cursor[0],
                fix='use coalesce(…) in a query, or set without_cursor = "read" or "skip"',
            )
        value = _sampled(database, stream)
        if value is None:
            if stream.without_cursor == "read":
                return _Chosen(selection.whole(stream))
            return _Chosen(selection.with_cursor(stream), is_empty=True)
        if selection.is_key(stream, value):
            selection.key_value(value, stream.cursor[0])
            position = columns.index(stream.cursor[0])
            return _Chosen(selection.after(stream, _last_key(stream, cursor)), position)
        zone = stream.timezone or self.connection.timezone
        edges = selection.edges(stream, window, value, zone)
        may_be_infinite = database.has_infinite_times and isinstance(value, date)
        infinite = may_be_infinite and bool(database.first(selection.one_infinite(stream)))
        return _Chosen(selection.within(stream, edges, infinite=infinite))

    @contextmanager
    def _source(
        self, stream: SqlStream, timeout_seconds: float = math.inf
    ) -> Iterator[tuple[SourceDatabase, SqlStream]]:
        """The open database, and the stream with its query checked; errors in the block name the connection and the
        stream. A statement may take `timeout_seconds`, but no longer than the connection allows."""
        connection = self.connection
        timeout_seconds = min(timeout_seconds, connection.statement_timeout_seconds)
        try:
            url = parsed(connection.url.reveal("url").get_secret_value())
            if stream.query:
                text = reading(stream.query, url.get_backend_name(), files=bool(connection.folders))
                stream = stream.model_copy(update={"query": text})
            with opened(url, self.settings.folder, timeout_seconds, connection.folders) as database:
                yield database, stream
        except CxflowError as problem:
            problem.at(connection.name, stream.name)
            raise


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a run reads."""

    statement: sa.Select[Any]
    key: int | None = None
    """The position of the key column it reads by, if any."""
    is_empty: bool = False
    """No row has a cursor, so nothing is read; the count confirms it."""


def _independent_count(
    database: SourceDatabase, stream: SqlStream, statement: sa.Select[Any], read: int, before: int | None
) -> Iterator[Count]:
    """The number of rows that the database itself counts in the snapshot that was read.

    It is counted after reading, so that a dry run, which stops early, does not pay for it, unless that was done
    `before`, for the progress that is shown. Raises ConfigError if the numbers differ because the statement yields
    different rows each time it runs.
    """
    if not database.has_one_snapshot:
        return
    counted = database.count(statement) if before is None else before
    if counted != read:
        word = varies(stream.query, database.dialect) if stream.query else None
        if word or database.count(statement) != counted:
            raise ConfigError(
                f"{stream.origin} yields different rows each time it runs{f' ({word})' if word else ''}: {read:,} when "
                f"it was read, {counted:,} when they were counted in the same snapshot",
                value="query" if stream.query else stream.table,
                fix="remove what is random, or store its result in a table and read that",
            )
    if before is None:
        yield Count(counted, stream.origin)


def _sampled(database: SourceDatabase, stream: SqlStream) -> Any:
    """A value of the cursor that stands for all of them; None if there is none.

    Raises ConfigError if they do not sort: texts that are times in several forms, or texts beside numbers, which a
    column of SQLite may hold.
    """
    value = database.first(selection.sample(stream))
    column = stream.cursor[0]
    if value is not None and database.mixes_types:
        kinds = {
            _kind(database.first(edge)) for edge in (selection.least(stream), selection.greatest(stream))
        }
        if len(kinds) > 1:
            raise ConfigError(
                f"the cursor {column!r} holds {' and '.join(sorted(kinds))}, which do not sort by their meaning",
                value=column,
                fix="convert it in a query: CAST(… AS integer), or strftime(…) for times",
            )
    if not isinstance(value, str) or stream.cursor_type == "key":
        return value
    if stream.cursor_type in ("epoch", "epoch_ms"):
        raise ConfigError(
            f"the cursor {column!r} is text, and cursor_type {stream.cursor_type!r} needs a number",
            value=column,
            fix="convert it in a query: CAST(… AS bigint)",
        )
    return time_texts.representative(database, stream) or value


def _kind(value: Any) -> str:
    """The kind of a value, as SQLite sorts them: numbers before texts before blobs."""
    return "texts" if isinstance(value, str) else "blobs" if isinstance(value, bytes) else "numbers"


def _shown_key(stream: SqlStream) -> list[str]:
    """The columns that may identify a refused record in a reason."""
    return [name for name in stream.primary_key if name not in stream.pii]


def _columns(database: SourceDatabase, stream: SqlStream) -> list[str]:
    """The stream's columns.

    Raises ConfigError for a table or a cursor column that does not exist, and for names that differ in case alone.
    """
    if stream.table:
        schema, name = stream.place
        database.require_table(name, schema)
    names = database.columns(selection.nothing(stream))
    # Landing trims names, too, and would number one of the two.
    spelled = database.spelled(names, stream.query)
    if pair := alike(spelled, key=lambda name: trimmed(name).lower()):
        raise ConfigError(
            f"{stream.origin} has the columns {pair[0]!r} and {pair[1]!r}, and a mapping cannot tell them apart",
            value=pair[1],
            fix="list the columns in a query, and rename one of these two with AS",
        )
    for column in stream.cursor:
        if column not in names:
            raise ConfigError(
                f"{stream.origin} has no column {column!r} for the cursor{nearest(column, names)}",
                value=column,
            )
    return names


def _last_key(stream: SqlStream, cursor: Cursor | None) -> int | str | None:
    """The last key read; None for a backfill, a first run, and a cursor of another column."""
    if not cursor or not stream.cursor or cursor.get("column") != stream.cursor[0]:
        return None
    last: int | str | None = cursor.get("after")
    return last


def _queries(
    landing: duckdb.DuckDBPyConnection, partition: Partition, origin: str, received_at: datetime
) -> Iterator[Query]:
    delivery = f"{literal(origin)} AS _origin, TIMESTAMPTZ {literal(received_at.isoformat())} AS _received_at"
    if partition.records.num_rows:
        landing.register("records", partition.records)
        yield Query(landing, f"SELECT {landing_select(partition.records.schema)}, {delivery} FROM records")
        landing.unregister("records")
    if partition.refused is not None:
        landing.register("refused", partition.refused)
        yield Query(landing, f"SELECT {delivery}, reason, payload FROM refused", of_rejects=True)
        landing.unregister("refused")


def _shown(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"
