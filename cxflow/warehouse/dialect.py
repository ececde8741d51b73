"""All SQL that differs by database: DuckDB, embedded, and PostgreSQL, for a team."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from cxflow.duck import identifier, literal, settings_sql, workbench
from cxflow.warehouse import locks

SUPPORTED = ("duckdb", "postgresql")
"""Databases that a warehouse may be, by SQLAlchemy's names."""

_BATCH_ROWS = 65_536
"""Rows that are on their way to PostgreSQL at a time."""
_OTHER_COLUMNS = "42P16"
_UNCHANGED = sa.text(
    "SELECT c.relname FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema() "
    "WHERE c.relname = ANY(:names) AND c.relkind = 'v' AND c.reloptions IS NULL "
    "AND pg_get_viewdef(c.oid) = pg_get_viewdef(to_regclass('pg_temp.probe_' || c.relname))"
)

_POSTGRESQL_TYPES = {
    "VARCHAR": "text",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "DOUBLE": "double precision",
    "HUGEINT": "numeric",
}
"""DuckDB types that PostgreSQL spells otherwise."""


def stage(
    connection: sa.Connection, name: str, source: Path, relation: str, *, is_read_only: bool = False
) -> None:
    """Fill a temporary table from a relation of a DuckDB file, in the connection's transaction. It lasts as long as
    that. Where nobody is to change it, DuckDB reads the file in place."""
    if connection.dialect.name == "duckdb":
        attached = _attach(connection, source)
        kind = "VIEW" if is_read_only else "TABLE"
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TEMP {kind} {identifier(name)} AS SELECT * FROM {attached}.{relation}"
        )
        return
    _copy(connection, name, source, relation)


def _attach(connection: sa.Connection, source: Path) -> str:
    """The name of a DuckDB file within the connection."""
    name = identifier(f"of {source}")
    connection.exec_driver_sql(f"ATTACH IF NOT EXISTS {literal(str(source))} AS {name} (READ_ONLY)")
    return name


def _copy(connection: sa.Connection, name: str, source: Path, relation: str) -> None:
    """PostgreSQL: DuckDB gives Arrow, pgpq makes it binary, COPY takes it: no row passes through Python.

    ADBC would do the same over a connection of its own, which is a second transaction: what it stages would
    have to be committed, found and cleared away. This is as fast, and goes with the load.
    """
    import pgpq

    with workbench(source, read_only=True) as database:
        columns = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        declared = ", ".join(
            f"{identifier(row[0])} {_POSTGRESQL_TYPES.get(row[1], row[1])}" for row in columns
        )
        connection.exec_driver_sql(f"CREATE TEMP TABLE {identifier(name)} ({declared}) ON COMMIT DROP")
        batches = database.execute(f"SELECT * FROM {relation}").to_arrow_reader(_BATCH_ROWS)
        encoder = pgpq.ArrowToPostgresBinaryEncoder(batches.schema)
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        with cursor.copy(f"COPY {identifier(name)} FROM STDIN (FORMAT binary)") as copy:
            copy.write(encoder.write_header())
            for batch in batches:
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())
    analyze(connection, name)


class Live(NamedTuple):
    """A column as it stands in the database."""

    kind: str
    """Its type, spelt as `kind_of` spells the one that is declared."""
    is_nullable: bool


_LIVE = {
    "duckdb": (
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = current_schema()"
    ),
    "postgresql": (
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull "
        "FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema() "
        "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    ),
}
_SPELLINGS = {
    "CHARACTER VARYING": "VARCHAR",
    "TEXT": "VARCHAR",
    "DOUBLE PRECISION": "DOUBLE",
    "NUMERIC": "DECIMAL",
}
"""Names of one type."""


def columns(connection: sa.Connection) -> dict[str, dict[str, Live]]:
    """The columns of every table in the warehouse's schema, by table and name."""
    found: dict[str, dict[str, Live]] = {}
    for table, name, kind, is_nullable in connection.exec_driver_sql(_LIVE[connection.dialect.name]):
        found.setdefault(table, {})[name] = Live(_spelt(kind), bool(is_nullable))
    return found


def kind_of(connection: sa.Connection, column: sa.Column[Any]) -> str:
    """The type that a column is declared with."""
    return _spelt(column.type.compile(connection.dialect))


def _spelt(kind: str) -> str:
    name, bracket, rest = kind.upper().partition("(")
    return _SPELLINGS.get(name, name) + bracket + rest.replace(" ", "")


class utc(FunctionElement[datetime]):  # noqa: N801 - it is written like a function
    """The wall clock of UTC at an instant."""

    name = "utc"
    type = sa.DateTime()
    inherit_cache = True


@compiles(utc)
def _by_zone(element: utc, compiler: SQLCompiler, **how: Any) -> str:
    return f"timezone('UTC', {compiler.process(element.clauses, **how)})"


@compiles(utc, "duckdb")
def _by_arithmetic(element: utc, compiler: SQLCompiler, **how: Any) -> str:
    """Zones are the business of ICU, which takes five times as long."""
    return f"make_timestamp(epoch_us({compiler.process(element.clauses, **how)}))"


class sorted_array(FunctionElement[Any]):  # noqa: N801 - it is written like a function
    """The values of a group as an array, in order."""

    name = "sorted_array"
    type = sa.ARRAY(sa.Double)
    inherit_cache = True


@compiles(sorted_array)
def _sorted_as_they_come(element: sorted_array, compiler: SQLCompiler, **how: Any) -> str:
    (value,) = element.clauses
    rendered = compiler.process(value, **how)
    return f"array_agg({rendered} ORDER BY {rendered})"


@compiles(sorted_array, "duckdb")
def _sorted_afterwards(element: sorted_array, compiler: SQLCompiler, **how: Any) -> str:
    """An aggregate that sorts holds kilobytes for each group, be it of one value."""
    return f"list_sort(list({compiler.process(element.clauses, **how)}))"


def analyze(connection: sa.Connection, *names: str) -> None:
    """Let PostgreSQL look at tables that were just filled: what it does not know it takes for small, and plans to go
    through row by row. DuckDB counts as it writes. A table that another load is analyzing is skipped: two loads that
    analyze several tables could deadlock."""
    if connection.dialect.name == "postgresql":
        for name in names:
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {identifier(name)}")


def prepare(connection: sa.Connection, lock_timeout_seconds: float) -> None:
    """What every transaction begins with: times in UTC, and on PostgreSQL a limit on waits for locks."""
    if connection.dialect.name == "duckdb":
        connection.exec_driver_sql(settings_sql())
        return
    connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    locks.limit_waits(connection, lock_timeout_seconds)


def replace_views(connection: sa.Connection, views: Mapping[str, str]) -> None:
    """Create the views, given by name and query, or replace whatever stands under a name. On PostgreSQL, where that
    waits for a view's readers, only those that differ from their query."""
    if connection.dialect.name == "duckdb":
        for name, query in views.items():
            connection.exec_driver_sql(_create_view(name, query))
        return
    changed = _changed(connection, views)

    def replace() -> None:
        for name, query in changed.items():
            _replace_view(connection, name, query)

    if changed:
        locks.give_way(connection, replace)


def _create_view(name: str, query: str, what: str = "OR REPLACE") -> str:
    return f"CREATE {what} VIEW {name} AS\n{query}"


def _changed(connection: sa.Connection, views: Mapping[str, str]) -> dict[str, str]:
    """The views that differ from their query. The server parses each query into a temporary view, and its own form of
    that is compared with its form of the view."""
    with connection.begin_nested() as probing:
        for name, query in views.items():
            connection.exec_driver_sql(_create_view(f"probe_{name}", query, "TEMP"))
        unchanged = set(connection.execute(_UNCHANGED, {"names": list(views)}).scalars())
        probing.rollback()
    return {name: query for name, query in views.items() if name not in unchanged}


def _replace_view(connection: sa.Connection, name: str, query: str) -> None:
    create = _create_view(name, query)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(create)
    except sa.exc.DBAPIError as problem:
        # PostgreSQL replaces a view only by one that begins with the same columns. With the view go its rights.
        if getattr(problem.orig, "sqlstate", None) != _OTHER_COLUMNS:
            raise
        connection.exec_driver_sql(f"DROP VIEW {name}")
        connection.exec_driver_sql(create)
