"""All SQL that differs by database: DuckDB, embedded, and PostgreSQL, for a team."""

from __future__ import annotations

from pathlib import Path

import duckdb
import sqlalchemy as sa

from cxflow import scratch
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


def stage(connection: sa.Connection, name: str, parquet: Path) -> None:
    """Fill a temporary table from a Parquet file, in the connection's transaction. It lasts as long as that."""
    if connection.dialect.name == "duckdb":
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS "
            f"SELECT * FROM read_parquet({literal(str(parquet))})"
        )
        return
    _copy(connection, name, parquet)


def _copy(connection: sa.Connection, name: str, parquet: Path) -> None:
    """PostgreSQL: DuckDB writes the rows as CSV, COPY reads them; no row passes through Python.

    A connection of its own to the server (as ADBC has) would be a second transaction, and could leave its
    tables behind.
    """
    with duckdb.connect() as database, scratch.folder("copy") as folder:
        rows = folder / "rows.csv"
        database.execute("SET TimeZone = 'UTC'")
        source = f"read_parquet({literal(str(parquet))})"
        columns = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        declared = ", ".join(
            f"{identifier(row[0])} {_POSTGRESQL_TYPES.get(row[1], row[1])}" for row in columns
        )
        database.execute(
            f"COPY (SELECT * FROM {source}) TO {literal(str(rows))} "
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


def passing(problem: BaseException) -> str | None:
    """Why something failed that may succeed later, in words without values; None where it will not.

    A conflict of two loads, a server that went away in the midst, a full disk.
    """
    cause = problem.orig if isinstance(problem, sa.exc.DBAPIError) else problem
    state = str(getattr(cause, "sqlstate", None) or "")
    if state == "53100" or scratch.is_full(cause or problem):
        return "the disk is full"
    if isinstance(cause, duckdb.TransactionException):
        return "another load changed the same rows"
    # 57P: the server is told to stop. A connection that broke has no state, only its class.
    broken = state == "" and type(cause).__name__ == "OperationalError" and hasattr(cause, "sqlstate")
    return "the warehouse's server went away" if broken or state.startswith(("57P", "08")) else None
