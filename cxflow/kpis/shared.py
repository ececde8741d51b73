"""Rows that several statements of a KPI read: computed once, into a temporary table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, TableClause, column, event, select, table
from sqlalchemy.sql.visitors import replacement_traverse

from cxflow.kpis.facts import Rows
from cxflow.warehouse import engines

_NAME = "kpi_shared"


def store(connection: Connection, rows: Rows, name: str) -> TableClause:
    """Store the rows as a temporary table of this name, which the caller drops."""
    connection.execute(rows.into(name, temporary=True))
    engines.of(connection).analyze(connection, name)
    return table(name, *(column(each.name, each.type) for each in rows.selected_columns))


@contextmanager
def stored(connection: Connection, rows: Rows | None) -> Iterator[None]:
    """Store rows that take long to compute: statements of the block read them wherever they hold this very SELECT.
    None: nothing is stored."""
    if rows is None:
        yield
        return
    stand_in = select(*store(connection, rows, _NAME).c)

    def swap(element: Any, **_: Any) -> Any:
        return stand_in if element is rows else None

    def reads_kept(
        _connection: Connection, statement: Any, several: Any, parameters: Any, _options: Any
    ) -> tuple[Any, Any, Any]:
        return replacement_traverse(statement, {}, swap), several, parameters

    event.listen(connection, "before_execute", reads_kept, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_execute", reads_kept)
    connection.exec_driver_sql(f"DROP TABLE {_NAME}")
