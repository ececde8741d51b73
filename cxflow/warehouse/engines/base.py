"""What a database must be able to do to hold a warehouse: capabilities, and operations within a transaction.

The defaults fit a server with one snapshot per statement. A further engine subclasses `Engine` (or another engine),
overrides what differs and is the `ENGINE` of a module named after its SQLAlchemy backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import sqlalchemy as sa
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_SPELLINGS = {
    "CHARACTER VARYING": "VARCHAR",
    "TEXT": "VARCHAR",
    "DOUBLE PRECISION": "DOUBLE",
    "NUMERIC": "DECIMAL",
}
"""Type name → the spelling that is compared."""

VERBATIM = {"no_parameters": True}
"""Execution options of a statement without parameters: a driver takes no `%` in it for one."""


class LiveColumn(NamedTuple):
    """A column as it is in the database."""

    kind: str
    """Its type, in the spelling of `Engine.kind_of`."""
    is_nullable: bool


class Readers(NamedTuple):
    """A role, and what it may read of a schema's relations."""

    role: str
    schema: str
    relations: Sequence[str]
    """All tables and views of cxflow."""
    readable: Sequence[str]
    """Those the role may read."""


class Excess(NamedTuple):
    """A right that a reader should not have."""

    through: str
    """The role that has it: the reader itself (including PUBLIC's rights), or a role it belongs to."""
    right: str
    at: str
    """The object, as REVOKE writes it."""


class Roles(ABC):
    """The roles and rights of a database: creates a role that may read some relations and do nothing else.

    The checks look at effective rights (through PUBLIC, through roles it belongs to and roles it may assume), not at
    grants.
    """

    @abstractmethod
    def check_name(self, role: str) -> None:
        """Raise ConfigError for a name that no role can have."""

    @abstractmethod
    def exists(self, connection: sa.Connection, role: str) -> bool:
        """Whether the database knows the role."""

    @abstractmethod
    def may_create(self, connection: sa.Connection) -> bool:
        """Whether the connection's user may create roles."""

    @abstractmethod
    def create(self, role: str) -> str:
        """The statement that creates a role without login; login roles are granted it."""

    @abstractmethod
    def grants(self, readers: Readers) -> list[str]:
        """The statements that leave the role with the right to read, and nothing else. Idempotent."""

    @abstractmethod
    def are_granted(self, connection: sa.Connection, readers: Readers) -> bool:
        """Whether the role has exactly the rights that `grants` would leave it."""

    @abstractmethod
    def power(self, connection: sa.Connection, readers: Readers) -> tuple[str, str] | None:
        """Why an existing role cannot be a reader: the role at fault (it, or one it belongs to) and its power."""

    @abstractmethod
    def excess(self, connection: sa.Connection, readers: Readers) -> list[Excess]:
        """What the role can do beyond reading, one entry per object."""

    @abstractmethod
    def missing(self, connection: sa.Connection, readers: Readers) -> list[str]:
        """What the role should be able to read but cannot."""


class Engine(ABC):
    """One database. Stateless; each operation takes the connection it works on."""

    name: ClassVar[str]
    """SQLAlchemy's name of the backend: the module's own."""
    title: ClassVar[str]
    """The name in messages."""
    single_writer: ClassVar[bool] = False
    """Whether a writing process excludes all others, so that tasks must queue."""
    has_indexes: ClassVar[bool] = True
    """Whether its tables have indexes."""
    holds_updates_in_memory: ClassVar[bool] = False
    """Whether what a statement updates stays in memory until the transaction ends."""
    columns_sql: ClassVar[str]
    """Selects table, name, type and nullability of every column in the warehouse's schema, for `columns`."""
    comments_sql: ClassVar[str]
    """Selects relation, column (empty: the relation itself) and comment of all that has one in the schema."""
    extra: ClassVar[str | None] = None
    """The extra of cxflow-framework that brings its driver; None where cxflow always does."""

    @property
    def roles(self) -> Roles | None:
        """The database's roles; None where it has none."""
        return None

    @property
    def has_roles(self) -> bool:
        """Whether BI can be given a role of its own."""
        return self.roles is not None

    # Opening

    def located(self, url: sa.URL, path: Callable[[str], Path]) -> sa.URL:  # noqa: ARG002 - servers have no path
        """The URL with its file, if any, resolved against the project folder by `path`."""
        return url

    def check_url(self, url: sa.URL) -> None:  # noqa: B027 - a server can be anywhere
        """Raise ConfigError for a URL where no warehouse can be."""

    def options(self, *, read_only: bool) -> dict[str, Any]:  # noqa: ARG002 - for those that differ
        """Arguments of `sa.create_engine`."""
        return {}

    def adapt(self, database: sa.Engine, *, read_only: bool) -> None:  # noqa: B027 - for those that differ
        """Change how SQLAlchemy's engine, just made, writes statements."""

    def has_table(self, connection: sa.Connection, name: str) -> bool:
        """Whether there is a table of this name in the connection's schema."""
        import sqlalchemy as sa

        return sa.inspect(connection).has_table(name)

    def exists(self, url: sa.URL) -> bool:  # noqa: ARG002 - a server is not asked
        """Whether the database exists; True for a server, which is not asked."""
        return True

    def is_writable(self, url: sa.URL) -> bool:  # noqa: ARG002 - a server checks each statement
        """Whether this user may write to it; True for a server, which checks each statement."""
        return True

    def files(self, url: sa.URL) -> tuple[Path, ...]:  # noqa: ARG002 - a server has files of its own
        """The files that hold the warehouse, whether they exist or not; none on a server."""
        return ()

    @contextmanager
    def private_files(self, url: sa.URL) -> Iterator[None]:  # noqa: ARG002 - a server has files of its own
        """Keep the files that a connection creates in the block from group and others."""
        yield

    @abstractmethod
    def connect(
        self, database: Callable[[bool], sa.Engine], *, read_only: bool, patience_seconds: float
    ) -> sa.Connection:
        """Open a connection of `database(read_only)`; waits up to `patience_seconds` for a file that is in use.

        Raises ConfigError, TransientError or WarehouseBusyError.
        """

    @abstractmethod
    def begin(self, connection: sa.Connection, *, read_only: bool, lock_timeout_seconds: float) -> None:
        """Set up a transaction that has just begun: times in UTC, and a limit on waits for locks."""

    @contextmanager
    def lock_waits(
        self,
        database: sa.Engine,  # noqa: ARG002 - for engines that look up the holder of a lock
        connection: sa.Connection,  # noqa: ARG002
        timeout_seconds: float,  # noqa: ARG002
    ) -> Iterator[None]:
        """Turn a lock time-out in the block into a WarehouseBusyError that names the holder."""
        yield

    def is_conflict(self, problem: sa.exc.DBAPIError) -> bool:  # noqa: ARG002
        """Whether a statement collided with another session's, so that the transaction may succeed if repeated."""
        return False

    def sqlstate(self, problem: Exception) -> str:
        """The SQLSTATE of a driver's error, or an equivalent one; empty if there is none."""
        return str(getattr(problem, "sqlstate", None) or "")

    def teach_alembic(self) -> None:  # noqa: B027 - it knows most dialects
        """Register the dialect with Alembic, if Alembic does not support it."""

    # Locks: always taken in the order definitions, then all streams or one, so that they cannot deadlock

    @abstractmethod
    def lock_stream(self, connection: sa.Connection, system: str, stream: str) -> None:
        """Exclude other loads of the stream, and `lock_streams`, until the transaction ends."""

    @abstractmethod
    def lock_streams(self, connection: sa.Connection) -> None:
        """Exclude every load until the transaction ends."""

    @abstractmethod
    def lock_definitions(self, connection: sa.Connection) -> None:
        """Exclude other migrations and publications until the transaction ends."""

    def run_exclusive(self, connection: sa.Connection, work: Callable[[], None]) -> None:  # noqa: ARG002
        """Run DDL that readers may block. `work` may run several times; its effect is kept once."""
        work()

    # Operations

    @abstractmethod
    def stage(
        self, connection: sa.Connection, name: str, source: Path, relation: str, *, is_read_only: bool = False
    ) -> None:
        """Fill the temporary table `name` from a relation of a DuckDB file, in the connection's transaction.

        With `is_read_only`, the table is not changed afterwards, so it may be a view of the file.
        """

    def numbers(self, connection: sa.Connection, query: str, columns: int) -> list[Numbers]:
        """The columns of a query's result as arrays; all are whole numbers (BIGINT), none is null."""
        import numpy as np

        rows = connection.exec_driver_sql(query).fetchall()
        table = np.array([tuple(row) for row in rows], np.int64).reshape(len(rows), columns)
        return [table[:, number] for number in range(columns)]

    def batches(
        self, connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema, rows: int
    ) -> Iterator[pa.Table]:
        """The result of a query, a few rows at a time: its columns have the names and types of `schema`. The connection
        must not be used for anything else meanwhile."""
        import pyarrow as pa

        names, kinds = schema.names, schema.types
        with connection.execute(query, execution_options={"yield_per": rows}) as result:
            for some in result.partitions():
                columns = zip(*some, strict=True)
                yield pa.Table.from_arrays(
                    [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names
                )

    def stage_numbers(self, connection: sa.Connection, name: str, columns: Mapping[str, Numbers]) -> None:
        """Fill the temporary table `name` from arrays of whole numbers of one length."""
        from cxflow import scratch
        from cxflow.duck import workbench

        with scratch.folder("numbers") as folder:
            with workbench(folder / "numbers.duckdb") as database:
                database.register("numbers", dict(columns))
                database.execute("CREATE TABLE number AS SELECT * FROM numbers")
            self.stage(connection, name, folder / "numbers.duckdb", "number")

    @abstractmethod
    def analyze(self, connection: sa.Connection, *names: str) -> None:
        """Refresh the planner's statistics of tables that were just filled."""

    def filled(self, connection: sa.Connection, name: str) -> str:
        """Get a temporary table that was just filled ready to be read, and return the name to read it by."""
        self.analyze(connection, name)
        return name

    def drop_filled(self, connection: sa.Connection, name: str) -> None:
        """Drop a temporary table that `filled` got ready, and what it made of it."""
        connection.exec_driver_sql(f"DROP TABLE {name}")

    def columns(self, connection: sa.Connection) -> dict[str, dict[str, LiveColumn]]:
        """The columns of every table in the warehouse's schema, by table and name."""
        found: dict[str, dict[str, LiveColumn]] = {}
        # At once: row by row, DuckDB's driver takes as long as the query.
        for table, name, kind, is_nullable in connection.exec_driver_sql(self.columns_sql).all():
            found.setdefault(table, {})[name] = LiveColumn(spelt(kind), bool(is_nullable))
        return found

    def kind_of(self, connection: sa.Connection, column: sa.Column[Any]) -> str:
        """The type a column is declared with, spelt as `columns` spells it."""
        return spelt(column.type.compile(connection.dialect))

    def replace_views(self, connection: sa.Connection, views: Mapping[str, str]) -> None:
        """Create or replace the views, given by name and query."""
        for name, query in views.items():
            connection.exec_driver_sql(create_view(name, query), execution_options=VERBATIM)

    # A snapshot for readers, where a writing process shuts them out

    def snapshot_file(self, url: sa.URL) -> Path | None:  # noqa: ARG002 - a server shuts no reader out
        """Where the snapshot of the marts is, whether it exists or not; None where readers wait for nobody."""
        return None

    def snapshot_url(self, url: sa.URL) -> sa.URL:
        """The URL under which this engine opens the snapshot."""
        return url.set(database=str(self.snapshot_file(url)))

    def copy_views(
        self, connection: sa.Connection, target: Path, views: Sequence[str], comments: Sequence[str]
    ) -> None:
        """Copy views into the new database file `target`, as tables, and run the statements that comment them there.
        Only called where there is a `snapshot_file`."""
        raise NotImplementedError

    # SQL

    def utc(self, instant: str) -> str:
        """The SQL for an instant as a timestamp without time zone, in UTC."""
        return f"timezone('UTC', {instant})"

    def hashed(self, text: str) -> str:
        """The SQL for a text's hash, an integer from 32 on."""
        return f"((hashtextextended({text}, 0) & 2305843009213693951) + 32)"

    def sorted_array(self, value: str) -> str:
        """The SQL for a group's values as a sorted array."""
        return f"array_agg({value} ORDER BY {value})"


def create_view(name: str, query: str, kind: str = "OR REPLACE") -> str:
    """The statement that creates a view."""
    from cxflow.duck import identifier

    return f"CREATE {kind} VIEW {identifier(name)} AS\n{query}"


def spelt(kind: str) -> str:
    """A type's name in the spelling in which live and declared columns are compared."""
    item, is_list, _ = kind.partition("[]")
    name, bracket, rest = item.upper().partition("(")
    return _SPELLINGS.get(name, name) + bracket + rest.replace(" ", "") + is_list
