"""All SQL that differs by database."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.model.sql import identifier, literal


def stage(connection: sa.Connection, name: str, parquet: Path) -> None:
    """Fill a temporary table from a Parquet file, in the connection's transaction. It lasts as long as that."""
    if connection.dialect.name != "duckdb":
        raise ConfigError(
            f"the warehouse {connection.dialect.name!r} is not supported", fix="use duckdb:///…"
        )
    connection.exec_driver_sql(
        f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS SELECT * FROM read_parquet({literal(str(parquet))})"
    )
