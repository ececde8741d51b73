"""Rows that several statements of one KPI are made of, and that are costly: computed once, into a temporary table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, column, event, select, table
from sqlalchemy.sql.visitors import replacement_traverse

from cxflow.kpis.facts import Rows
from cxflow.warehouse import engines

_NAME = "kpi_shared"


@contextmanager
def stored(connection: Connection, rows: Rows | None) -> Iterator[None]:
    """Store the rows for the block: its statements read them wherever they hold this very SELECT. None: nothing is
    stored."""
    if rows is None:
        yield
        return
    connection.execute(rows.into(_NAME, temporary=True))
    engines.of(connection).analyze(connection, _NAME)
    kept = table(_NAME, *(column(each.name, each.type) for each in rows.selected_columns))
    stand_in = select(*kept.c)

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
