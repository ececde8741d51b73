"""Lets BI read what it may: the role `warehouse.bi_role` of PostgreSQL. Called by `flow`, after the views.

The role reads the views, and the derived tables without personal data: customers' ids and the KPIs. Everything
else of cxflow's is closed to it. Every publication compares its rights with these, sets them if they differ, and then
checks what the server says it can do: a right may come by PUBLIC or by another role.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.publish.masked import is_personal
from cxflow.warehouse import revisions
from cxflow.warehouse import roles as rights
from cxflow.warehouse.tables import metadata

_SETTING = "warehouse.bi_role"


def statements(connection: sa.Connection, role: str, views: Sequence[str]) -> list[str]:
    """The SQL that `apply` runs, the role's making included where it is not there."""
    making = [] if rights.is_there(connection, role) else [rights.create(role)]
    return making + rights.statements(_readers(connection, role, views))


def apply(connection: sa.Connection, role: str, views: Sequence[str]) -> None:
    """Make the role where it is not there, and let it read the views: in the caller's transaction. Changes nothing if
    its rights are right already.

    Raises ConfigError where this user may not make it, where it is one that must not be restricted (a superuser,
    an owner), and where it could do more than read, or less.
    """
    readers = _readers(connection, role, views)
    if not rights.is_there(connection, role):
        if not rights.may_create_roles(connection):
            raise ConfigError(
                f"there is no role {role}, and the warehouse's user may not make it",
                value=_SETTING,
                fix=f"let an administrator run: {rights.create(role)}",
            )
    elif power := rights.power(connection, readers):
        through = "" if power[0] == role else f" belongs to {power[0]}, which"
        raise ConfigError(
            f"the role {role}{through} {power[1]}: it is no role for BI",
            value=_SETTING,
            fix="name another one; `cxflow publish` makes it",
        )
    if not rights.is_there(connection, role) or not rights.are_so(connection, readers):
        for statement in statements(connection, role, views):
            connection.exec_driver_sql(statement)
    _check(connection, readers)


def _check(connection: sa.Connection, readers: rights.Readers) -> None:
    if found := rights.excess(connection, readers):
        first = found[0]
        of_others = first.through != readers.role
        revoke = f"REVOKE {first.right} ON {first.at} FROM PUBLIC, {readers.role}"
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"the role {readers.role} could do more than read: {first.right} ON {first.at}"
            f"{f' through {first.through}' if of_others else ''}{more}",
            value=_SETTING,
            fix="let an administrator run: "
            + (f"REVOKE {first.through} FROM {readers.role}" if of_others else revoke),
        )
    if lacks := rights.lacking(connection, readers):
        raise ConfigError(
            f"the role {readers.role} cannot read {lacks[0]}: the warehouse's user may not grant it",
            value=_SETTING,
            fix="let its owner run the statements of `cxflow publish --sql`",
        )


def _readers(connection: sa.Connection, role: str, views: Sequence[str]) -> rights.Readers:
    open_tables = [
        table.name
        for table in metadata.sorted_tables
        if table.info["kind"] == "derived" and not is_personal(table)
    ]
    relations = [*metadata.tables, revisions.VERSION_TABLE, *views]
    return rights.Readers(role, rights.current_schema(connection), relations, [*views, *open_tables])
