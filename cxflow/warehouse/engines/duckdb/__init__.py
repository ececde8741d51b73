"""DuckDB: the embedded warehouse in one file. A writing process excludes all others."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from cxflow import private_files
from cxflow.errors import ConfigError, CxflowError, WarehouseBusyError
from cxflow.warehouse.engines.base import Engine, create_view

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from cxflow.warehouse.engines.base import Numbers

_LONGEST_PAUSE_SECONDS = 0.2
"""Between two tries to open the file. Whoever has it opens it again at once for their next step: a longer pause would
miss the moments when it is free."""
_BIRTH_SECONDS = 2.0
"""How long a new file may be empty, between its creation and its first lock."""
_OPEN_HERE = "different configuration than existing connections"
"""DuckDB's message if this process has the file open in the other mode (read-only or read-write)."""
_HOLDER = re.compile(r"lock is held in (?:(?P<program>.+?) \(PID (?P<pid>\d+)\)|PID (?P<bare>\d+))")
"""DuckDB's message about the process that holds a file; without the program if it is another user's."""
_IN_MEMORY = (None, "", ":memory:")
_COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
    "WHERE database_name = current_database() AND schema_name = current_schema()"
)
_HERE = "database_name = current_database() AND schema_name = current_schema()"
_COMMENTS = (
    f"SELECT view_name, '', comment FROM duckdb_views() WHERE {_HERE} AND comment IS NOT NULL "
    f"UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns() WHERE {_HERE} AND comment IS NOT NULL"
)
_PROBE = "probe_"
_DIVIDED = "_divided"
"""After the name of a temporary table: the view of its parts."""
_ROWS_OF_THREAD = 250_000
"""Of a table with fewer for each thread, dividing it costs more than it saves."""
_VIEWS = (
    "SELECT v.view_name, v.sql, list((c.column_name, c.data_type) ORDER BY c.column_index) "
    "FROM duckdb_views() AS v JOIN duckdb_columns() AS c ON c.table_oid = v.view_oid "
    "AND c.database_oid = v.database_oid WHERE NOT v.internal GROUP BY ALL"
)
"""Every view with its SQL, as DuckDB writes it, and the names and types of its columns when it was made."""


class DuckDB(Engine):
    """The engine of a DuckDB file."""

    name = "duckdb"
    title = "DuckDB"
    single_writer = True
    has_indexes = False
    holds_updates_in_memory = True
    columns_sql = _COLUMNS
    comments_sql = _COMMENTS

    def located(self, url: sa.URL, path: Callable[[str], Path]) -> sa.URL:
        return url if url.database in _IN_MEMORY else url.set(database=str(path(str(url.database))))

    def check_url(self, url: sa.URL) -> None:
        if url.database in _IN_MEMORY:
            raise ConfigError(
                "a warehouse in memory is lost after each step", value="warehouse.url", fix="name a file"
            )
        folder = Path(str(url.database)).parent
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder} for the warehouse", value="warehouse.url")

    def options(self, *, read_only: bool) -> dict[str, Any]:
        return {"connect_args": {"read_only": read_only}}

    def adapt(self, database: sa.Engine, *, read_only: bool) -> None:
        from cxflow.warehouse.engines.duckdb import literals

        if read_only:
            literals.use(database)

    def has_table(self, connection: sa.Connection, name: str) -> bool:
        from cxflow.duck import literal

        # SQLAlchemy's own question binds parameters; see `literals`.
        asked = f"SELECT count(*) FROM duckdb_tables() WHERE {_HERE} AND table_name = {literal(name)}"
        return bool(connection.exec_driver_sql(asked).scalar())

    def exists(self, url: sa.URL) -> bool:
        return os.path.isfile(str(url.database))

    def is_writable(self, url: sa.URL) -> bool:
        return os.access(str(url.database), os.W_OK)

    def files(self, url: sa.URL) -> tuple[Path, ...]:
        return Path(str(url.database)), Path(f"{url.database}.wal")

    @contextmanager
    def private_files(self, url: sa.URL) -> Iterator[None]:
        """The file itself, its log and its spill folder; the latter two as the file, if it exists."""
        with private_files.like(self.files(url)[0]):
            yield

    def connect(
        self, database: Callable[[bool], sa.Engine], *, read_only: bool, patience_seconds: float
    ) -> sa.Connection:
        from sqlalchemy.exc import DBAPIError

        warehouse = database(read_only)
        begun = time.monotonic()
        pause = 0.05
        holder = ""
        while True:
            try:
                return warehouse.connect()
            except DBAPIError as problem:
                # DuckDB asks who holds the file after it was refused: by the last try, the holder may be gone.
                holder = _holder(problem) or holder
                if _OPEN_HERE in str(problem.orig):
                    # Another thread of this process writes to the file: only that mode works now.
                    warehouse = database(False)
                elif "Could not set lock" not in str(problem.orig) and not _is_begun(warehouse.url, begun):
                    raise _unopened(problem) from problem
                if time.monotonic() > begun + patience_seconds:
                    raise _held(holder, patience_seconds) from problem
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def begin(self, connection: sa.Connection, *, read_only: bool, lock_timeout_seconds: float) -> None:  # noqa: ARG002
        from cxflow.duck import settings_sql

        connection.exec_driver_sql(settings_sql())

    def sqlstate(self, problem: Exception) -> str:
        from cxflow import duck

        return duck.sqlstate(problem)

    def run_exclusive(self, connection: sa.Connection, work: Callable[[], None]) -> None:
        """DDL that no log holds: the commit writes the file itself. DuckDB (1.5) fails on a logged ALTER TABLE if the
        table has a function in a check: after a kill, the warehouse could not be opened any more."""
        connection.exec_driver_sql("SET checkpoint_threshold = '0B'")
        work()

    def teach_alembic(self) -> None:
        """DuckDB runs DDL within transactions; nothing else about it is special."""
        from alembic.ddl.impl import DefaultImpl

        type("DuckDBImpl", (DefaultImpl,), {"__dialect__": self.name, "transactional_ddl": True})

    def stage(
        self, connection: sa.Connection, name: str, source: Path, relation: str, *, is_read_only: bool = False
    ) -> None:
        from cxflow.duck import identifier, literal

        attached = identifier(f"of {source}")
        connection.exec_driver_sql(f"ATTACH IF NOT EXISTS {literal(str(source))} AS {attached} (READ_ONLY)")
        kind = "VIEW" if is_read_only else "TABLE"
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TEMP {kind} {identifier(name)} AS SELECT * FROM {attached}.{relation}"
        )

    def numbers(self, connection: sa.Connection, query: str, columns: int) -> list[Numbers]:  # noqa: ARG002 - it has as many
        return list(connection.exec_driver_sql(query).cursor.fetchnumpy().values())

    def batches(
        self, connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema, rows: int
    ) -> Iterator[pa.Table]:
        """As Arrow, which DuckDB makes without an object per value."""
        import pyarrow as pa

        sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        driver = connection.connection.driver_connection
        for batch in driver.sql(sql).to_arrow_reader(rows):  # type: ignore[union-attr]
            yield pa.Table.from_batches([batch]).cast(schema)

    def replace_views(self, connection: sa.Connection, views: Mapping[str, str]) -> None:
        """With a view goes its comment, so only views that differ from their query are replaced: DuckDB's own form of
        each query, as a temporary view, is compared with the view."""
        for name, query in views.items():
            connection.exec_driver_sql(create_view(_PROBE + name, query, "OR REPLACE TEMP"))
        found = {
            # What stands after the name, and the columns.
            name: (sql.partition(name)[2], columns)
            for name, sql, columns in connection.exec_driver_sql(_VIEWS)
        }
        for name, query in views.items():
            if found.get(name) != found[_PROBE + name]:
                connection.exec_driver_sql(create_view(name, query))
            connection.exec_driver_sql(f"DROP VIEW {_PROBE}{name}")

    def snapshot_file(self, url: sa.URL) -> Path | None:
        return Path(str(url.database)).with_suffix(".marts.duckdb")

    def copy_views(
        self, connection: sa.Connection, target: Path, views: Sequence[str], comments: Sequence[str]
    ) -> None:
        from cxflow.warehouse.engines.duckdb import snapshot

        snapshot.copy(connection, target, views, comments)

    def lock_stream(self, connection: sa.Connection, system: str, stream: str) -> None:
        """Not needed: a writing process has the file to itself, and `load` serialises the threads of its process."""

    def lock_streams(self, connection: sa.Connection) -> None:
        """As `lock_stream`."""

    def lock_definitions(self, connection: sa.Connection) -> None:
        """As `lock_stream`."""

    def analyze(self, connection: sa.Connection, *names: str) -> None:
        """Not needed: DuckDB keeps statistics as it writes."""

    def filled(self, connection: sa.Connection, name: str) -> str:
        """One thread alone would read a table that its own transaction has filled. So a large one is read through a
        view of as many parts as there are threads, each with its own thread."""
        about = f"SELECT min(rowid), count(*), current_setting('threads') FROM {name}"
        first, rows, threads = connection.exec_driver_sql(about).one()
        parts = min(threads, rows // _ROWS_OF_THREAD)
        if parts < 2:
            return name
        ends = [first + rows * number // parts for number in range(parts + 1)]
        divided = " UNION ALL ".join(
            f"SELECT * FROM {name} WHERE rowid >= {begin} AND rowid < {end}" for begin, end in pairwise(ends)
        )
        connection.exec_driver_sql(f"CREATE TEMPORARY VIEW {name}{_DIVIDED} AS {divided}")
        return f"{name}{_DIVIDED}"

    def drop_filled(self, connection: sa.Connection, name: str) -> None:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}{_DIVIDED}")
        super().drop_filled(connection, name)

    def utc(self, instant: str) -> str:
        """By arithmetic: ICU's time zone functions take five times as long."""
        return f"make_timestamp(epoch_us({instant}))"

    def hashed(self, text: str) -> str:
        """DuckDB's own hash, which takes a tenth of the time of one that other engines have."""
        return f"(CAST(hash({text}) >> 3 AS BIGINT) + 32)"

    def sorted_array(self, value: str) -> str:
        """Sorted afterwards: a sorting aggregate needs kilobytes per group, even for a single value."""
        return f"list_sort(list({value}))"


ENGINE = DuckDB()


def _is_begun(url: sa.URL, since: float) -> bool:
    """Whether another process has just created the file and not locked it yet."""
    path = str(url.database)
    return time.monotonic() < since + _BIRTH_SECONDS and os.path.isfile(path) and os.path.getsize(path) == 0


def _holder(problem: sa.exc.DBAPIError) -> str:
    """The process that holds the file, as far as DuckDB says; empty if it does not."""
    found = _HOLDER.search(str(problem.orig))
    if found is None:
        return ""
    if found["bare"]:
        return f"process {found['bare']}"
    return f"process {found['pid']}, {PurePath(found['program']).name}"


def _held(holder: str, seconds: float) -> WarehouseBusyError:
    """The file was locked for too long."""
    problem = WarehouseBusyError(
        f"another process has held the warehouse for {seconds:g} s{f' ({holder})' if holder else ''}",
        fix="close it there, or raise warehouse.busy_timeout_seconds; a BI tool can read the snapshot beside it",
    )
    problem.holder = holder or None
    return problem


def _unopened(problem: sa.exc.DBAPIError) -> CxflowError:
    """Why the file could not be opened. What DuckDB says then is about the file, never about its content."""
    import duckdb

    from cxflow import duck
    from cxflow.warehouse import database_errors

    if isinstance(problem.orig, duckdb.Error) and duck.sqlstate(problem.orig) in ("53100", "25006", "XX001"):
        return database_errors.as_error(problem)
    return ConfigError(
        f"the warehouse cannot be opened: {database_errors.first_line(problem.orig)}",
        value="warehouse.url",
        fix="is it a DuckDB file, of this version of DuckDB or an older one? or restore a backup",
    )
