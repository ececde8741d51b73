"""All SQL that differs by database: DuckDB, embedded, and PostgreSQL, for a team."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import sqlalchemy as sa

from cxflow.model.sql import identifier, literal

SUPPORTED = ("duckdb", "postgresql")
"""Databases that a warehouse may be, by SQLAlchemy's names."""

_BLOCK_BYTES = 1 << 20

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
    """PostgreSQL: DuckDB writes the rows as CSV, COPY reads them; no row passes through Python.

    A connection of its own to the server (as ADBC has) would be a second transaction, and could leave its
    tables behind.
    """
    with (
        duckdb.connect(str(source), read_only=True) as database,
        tempfile.TemporaryDirectory(prefix="cxflow-copy-") as folder,
    ):
        rows = Path(folder) / "rows.csv"
        database.execute("SET TimeZone = 'UTC'")
        columns = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        declared = ", ".join(
            f"{identifier(row[0])} {_POSTGRESQL_TYPES.get(row[1], row[1])}" for row in columns
        )
        database.execute(
            f"COPY (SELECT * FROM {relation}) TO {literal(str(rows))} "
            r"(FORMAT csv, HEADER false, FORCE_QUOTE *, NULLSTR '\N')"
        )
        connection.exec_driver_sql(f"CREATE TEMP TABLE {identifier(name)} ({declared}) ON COMMIT DROP")
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        copying = cursor.copy(rf"COPY {identifier(name)} FROM STDIN (FORMAT csv, NULL '\N')")
        with rows.open("rb") as file, copying as copy:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)
    connection.exec_driver_sql(f"ANALYZE {identifier(name)}")


def prepare(connection: sa.Connection) -> None:
    """What every transaction begins with: times in UTC."""
    connection.exec_driver_sql(
        "SET TimeZone = 'UTC'" if connection.dialect.name == "duckdb" else "SET LOCAL TIME ZONE 'UTC'"
    )


def alone(connection: sa.Connection, what: str, *, with_others: bool = False) -> None:
    """Wait until nobody else is alone at `what`, and be so until the transaction ends; `with_others` only keeps
    those out who want to be alone. DuckDB has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock_shared if with_others else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(lock(sa.func.hashtextextended(what, 0))))
