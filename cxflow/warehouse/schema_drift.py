"""Finds manual alterations by comparing the live tables with the metadata. Called by `revisions`.

A missing column stops a load anyway, but a column of another type corrupts values, and an unknown column loses its
values when a row is rewritten. So every difference is reported before anything is read or written.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from cxflow.warehouse import engines
from cxflow.warehouse.engines.base import LiveColumn
from cxflow.warehouse.tables import metadata


class Alteration(NamedTuple):
    """One difference, and how to undo it: a statement, or a backup if data was lost."""

    description: str
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
        return [Alteration(f"{table.name} is missing", f"restore {table.name} from a backup")]
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
        description = f"{table.name}.{missing[0]} was renamed to {unknown[0]}"
        return [Alteration(description, f"{alter} RENAME COLUMN {quote(unknown[0])} TO {missing[0]}")]
    found = [
        Alteration(f"{table.name}.{name} is missing", f"restore {table.name}.{name} from a backup")
        for name in missing
    ]
    found += [
        Alteration(f"{table.name}.{name} is not a column of cxflow's", f"{alter} DROP COLUMN {quote(name)}")
        for name in unknown
    ]
    for name in (name for name in declared if name in live):
        actual, expected = live[name], declared[name]
        if actual.kind != expected.kind:
            description = f"{table.name}.{name} is {actual.kind} instead of {expected.kind}"
            kind = table.c[name].type.compile(connection.dialect)
            undo = f"{alter} ALTER COLUMN {name} TYPE {kind} USING CAST({name} AS {kind})"
            found.append(Alteration(description, undo))
        elif actual.is_nullable != expected.is_nullable:
            description = f"{table.name}.{name} {'may' if actual.is_nullable else 'may not'} be null"
            verb = "DROP" if expected.is_nullable else "SET"
            found.append(Alteration(description, f"{alter} ALTER COLUMN {name} {verb} NOT NULL"))
    return found
