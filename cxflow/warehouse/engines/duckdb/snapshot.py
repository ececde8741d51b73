"""Copies views of a DuckDB file into a file of their own, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxflow.model import progress

if TYPE_CHECKING:
    import sqlalchemy as sa

_TARGET = "cxflow_snapshot"


def copy(connection: sa.Connection, target: Path, views: Sequence[str], comments: Sequence[str]) -> None:
    """Fill the new file `target`, as one transaction; `comments` are statements that run in it afterwards.

    On a connection of its own to the same database, whose open file may be read-only: a transaction writes to one file.
    """
    from cxflow.duck import identifier, literal, settings_sql

    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.duplicate() as cursor:
        home = cursor.execute("SELECT current_database()").fetchone()[0]
        cursor.execute(settings_sql())
        cursor.execute(
            f"ATTACH {literal(str(target))} AS {_TARGET} (READ_WRITE, RECOVERY_MODE NO_WAL_WRITES)"
        )
        try:
            cursor.execute("BEGIN")
            for number, name in enumerate(views):
                progress.report("writing the snapshot", number, total=len(views), unit="tables")
                cursor.execute(
                    f"CREATE TABLE {_TARGET}.{identifier(name)} AS FROM {identifier(home)}.{identifier(name)}"
                )
            cursor.execute(f"USE {_TARGET}")
            if comments:
                cursor.execute("; ".join(comments))
            cursor.execute("COMMIT")
        finally:
            cursor.execute(f"USE {identifier(home)}")
            cursor.execute(f"DETACH {_TARGET}")  # which writes it out
