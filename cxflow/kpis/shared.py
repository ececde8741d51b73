"""Rows that several statements of a KPI read: computed once, into a temporary table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, TableClause, column, event, insert, select, table
from sqlalchemy.sql.visitors import replacement_traverse

from cxflow.kpis.facts import Rows
from cxflow.warehouse import engines

_NAME = "kpi_shared"


def store(connection: Connection, rows: Rows, name: str) -> TableClause:
    """Store the rows as a temporary table of this name, which the caller drops."""
    found = store_all(connection, [rows], name)
    assert found is not None
    return found


def store_all(connection: Connection, several: Iterable[Rows], name: str) -> TableClause | None:
    """Likewise of several SELECTs of the same columns, one after the other; None if there are none."""
    found = None
    for rows in several:
        if found is None:
            connection.execute(rows.into(name, temporary=True))
            found = table(name, *(column(each.name, each.type) for each in rows.selected_columns))
        else:
            connection.execute(insert(found).from_select(list(found.c), rows))
    if found is not None:
        engines.of(connection).analyze(connection, name)
    return found


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
