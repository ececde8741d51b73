"""Manages the grants of `warehouse.bi_role`, the read-only PostgreSQL role for BI. Called by `flow`, after the views.

The role may read the views and the derived tables without personal data (customer ids and KPIs), and nothing else of
cxflow's. Every publication compares its grants with these and corrects them, then checks its effective rights: one may
come through PUBLIC or another role.
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
    """The SQL that `apply` runs, including CREATE ROLE if the role does not exist."""
    creation = [] if rights.is_there(connection, role) else [rights.create(role)]
    return creation + rights.statements(_readers(connection, role, views))


def apply(connection: sa.Connection, role: str, views: Sequence[str]) -> None:
    """Create the role if it does not exist and grant it the views, in the caller's transaction. Changes nothing if its
    grants are already correct.

    Raises ConfigError if this user may not create the role, if the role must not be restricted (a superuser, an owner),
    or if its effective rights are more or less than reading.
    """
    readers = _readers(connection, role, views)
    if not rights.is_there(connection, role):
        if not rights.may_create_roles(connection):
            raise ConfigError(
                f"the role {role} does not exist, and the warehouse's user may not create it",
                value=_SETTING,
                fix=f"let an administrator run: {rights.create(role)}",
            )
    elif power := rights.power(connection, readers):
        through = "" if power[0] == role else f" belongs to {power[0]}, which"
        raise ConfigError(
            f"the role {role}{through} {power[1]}: it cannot be the role for BI",
            value=_SETTING,
            fix="name another one; `cxflow publish` creates it",
        )
    if not rights.is_there(connection, role) or not rights.are_so(connection, readers):
        for statement in statements(connection, role, views):
            connection.exec_driver_sql(statement)
    _check(connection, readers)


def _check(connection: sa.Connection, readers: rights.Readers) -> None:
    """Check the role's effective rights. Raises ConfigError if they are more or less than reading."""
    if found := rights.excess(connection, readers):
        first = found[0]
        of_others = first.through != readers.role
        revoke = f"REVOKE {first.right} ON {first.at} FROM PUBLIC, {readers.role}"
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"the role {readers.role} can do more than read: {first.right} ON {first.at}"
            f"{f' through {first.through}' if of_others else ''}{more}",
            value=_SETTING,
            fix="let an administrator run: "
            + (f"REVOKE {first.through} FROM {readers.role}" if of_others else revoke),
        )
    if missing := rights.lacking(connection, readers):
        raise ConfigError(
            f"the role {readers.role} cannot read {missing[0]}: the warehouse's user may not grant it",
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
