"""Finds what somebody altered by hand: the live tables against the metadata. Called by `schema`.

A missing column stops a load by itself; one of another type takes values and spoils them, and one that cxflow
does not know is emptied when its row is written anew. So all of them are told, before anything is read or written.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from cxflow.warehouse import engines
from cxflow.warehouse.engines.base import LiveColumn
from cxflow.warehouse.tables import metadata


class Alteration(NamedTuple):
    """One difference, and the statement that would undo it; what a dropped column held, none brings back."""

    says: str
    undo: str


def find(connection: sa.Connection) -> list[Alteration]:
    """The differences, table by table."""
    live = engines.of(connection).columns(connection)
    return [
        alteration
        for table in metadata.sorted_tables
        for alteration in _of_table(connection, table, live.get(table.name, {}))
    ]


def _of_table(connection: sa.Connection, table: sa.Table, live: dict[str, LiveColumn]) -> list[Alteration]:
    if not live:
        return [Alteration(f"{table.name} is gone", f"put {table.name} back from a backup")]
    engine = engines.of(connection)
    quote = connection.dialect.identifier_preparer.quote
    alter = f"ALTER TABLE {table.name}"
    declared = {
        column.name: LiveColumn(engine.kind_of(connection, column), bool(column.nullable))
        for column in table.columns
    }
    missing = [name for name in declared if name not in live]
    unknown = [name for name in live if name not in declared]
    if len(missing) == len(unknown) == 1 and declared[missing[0]] == live[unknown[0]]:
        says = f"{table.name}.{missing[0]} is called {unknown[0]}"
        return [Alteration(says, f"{alter} RENAME COLUMN {quote(unknown[0])} TO {missing[0]}")]
    found = [
        Alteration(f"{table.name}.{name} is gone", f"put {table.name}.{name} back from a backup")
        for name in missing
    ]
    found += [
        Alteration(f"{table.name}.{name} is none of cxflow's", f"{alter} DROP COLUMN {quote(name)}")
        for name in unknown
    ]
    for name in (name for name in declared if name in live):
        is_so, should_be = live[name], declared[name]
        if is_so.kind != should_be.kind:
            says = f"{table.name}.{name} is {is_so.kind} instead of {should_be.kind}"
            kind = table.c[name].type.compile(connection.dialect)
            undo = f"{alter} ALTER COLUMN {name} TYPE {kind} USING CAST({name} AS {kind})"
            found.append(Alteration(says, undo))
        elif is_so.is_nullable != should_be.is_nullable:
            says = f"{table.name}.{name} {'may' if is_so.is_nullable else 'may not'} be null"
            verb = "DROP" if should_be.is_nullable else "SET"
            found.append(Alteration(says, f"{alter} ALTER COLUMN {name} {verb} NOT NULL"))
    return found
