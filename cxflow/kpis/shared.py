"""Rows that several statements of a computation read: computed once, into a temporary table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TableClause, column, event, insert, select, table
from sqlalchemy.sql.visitors import replacement_traverse

from cxflow.kpis.facts import Rows
from cxflow.warehouse import engines

_NAME = "kpi_shared"


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows in a temporary table."""

    connection: Connection
    name: str
    """Of the table."""
    rows: TableClause
    """Where to read them."""

    def drop(self) -> None:
        """Drop them."""
        engines.of(self.connection).drop_filled(self.connection, self.name)


def store(connection: Connection, rows: Rows, name: str) -> Stored:
    """Store the rows in a temporary table of this name."""
    found = store_all(connection, [rows], name)
    assert found is not None
    return found


def store_all(connection: Connection, several: Iterable[Rows], name: str) -> Stored | None:
    """Likewise of several SELECTs of the same columns, one after the other; None if there are none."""
    first: Rows | None = None
    for rows in several:
        if first is None:
            first = rows
            connection.execute(rows.into(name, temporary=True))
        else:
            filled = _like(name, first)
            connection.execute(insert(filled).from_select(list(filled.c), rows))
    if first is None:
        return None
    return Stored(connection, name, _like(engines.of(connection).filled(connection, name), first))


def _like(name: str, rows: Rows) -> TableClause:
    """The relation of a name, with the columns of a SELECT."""
    return table(name, *(column(each.name, each.type) for each in rows.selected_columns))


@contextmanager
def stored(connection: Connection, rows: Rows | None) -> Iterator[None]:
    """Store rows that take long to compute: statements of the block read them wherever they hold this very SELECT.
    None: nothing is stored."""
    if rows is None:
        yield
        return
    kept = store(connection, rows, _NAME)
    stand_in = select(*kept.rows.c)

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
    kept.drop()
