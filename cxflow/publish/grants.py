"""Lets BI read what it may: the role `warehouse.bi_role`, on an engine with roles. Called by `flow`, after the views.

The role reads the views, and the derived tables without personal data: customers' ids and the KPIs. Everything else of
cxflow is closed to it. Every publication compares its rights with these, sets them if they differ, and then checks
what the server says it can do: a right may come by PUBLIC or by another role.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.publish.masked import is_personal
from cxflow.warehouse import engines
from cxflow.warehouse.engines.base import Readers, Roles
from cxflow.warehouse.tables import VERSION_TABLE, metadata

_SETTING = "warehouse.bi_role"


def statements(connection: sa.Connection, role: str, views: Sequence[str]) -> list[str]:
    """The SQL that `apply` runs, the role's creation included where it does not exist."""
    roles = _roles(connection)
    creation = [] if roles.exists(connection, role) else [roles.create(role)]
    return creation + roles.grants(_readers(connection, role, views))


def apply(connection: sa.Connection, role: str, views: Sequence[str]) -> None:
    """Create the role where it does not exist, and let it read the views: in the caller's transaction. Changes nothing
    if its rights are right already.

    Raises ConfigError where this user may not create it, where it is a role that must not be restricted (a superuser,
    an owner), and where it could do more than read, or less.
    """
    roles, readers = _roles(connection), _readers(connection, role, views)
    exists = roles.exists(connection, role)
    if not exists:
        if not roles.may_create(connection):
            raise ConfigError(
                f"there is no role {role}, and the warehouse's user may not make it",
                value=_SETTING,
                fix=f"let an administrator run: {roles.create(role)}",
            )
    elif power := roles.power(connection, readers):
        through = "" if power[0] == role else f" belongs to {power[0]}, which"
        raise ConfigError(
            f"the role {role}{through} {power[1]}: it is no role for BI",
            value=_SETTING,
            fix="name another one; `cxflow publish` makes it",
        )
    if not exists or not roles.are_granted(connection, readers):
        for statement in statements(connection, role, views):
            connection.exec_driver_sql(statement)
    _check(connection, roles, readers)


def _check(connection: sa.Connection, roles: Roles, readers: Readers) -> None:
    """Raises ConfigError where the role can do more than read, or less."""
    if found := roles.excess(connection, readers):
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
    if missing := roles.missing(connection, readers):
        raise ConfigError(
            f"the role {readers.role} cannot read {missing[0]}: the warehouse's user may not grant it",
            value=_SETTING,
            fix="let its owner run the statements of `cxflow publish --sql`",
        )


def _roles(connection: sa.Connection) -> Roles:
    engine = engines.of(connection)
    if engine.roles is None:
        raise ConfigError(f"{engine.title} has no roles", value=_SETTING, fix="take it out, or use a server")
    return engine.roles


def _readers(connection: sa.Connection, role: str, views: Sequence[str]) -> Readers:
    open_tables = [
        table.name
        for table in metadata.sorted_tables
        if table.info["kind"] == "derived" and not is_personal(table)
    ]
    schema = str(connection.scalar(sa.text("SELECT current_schema()")))
    relations = [*metadata.tables, VERSION_TABLE, *views]
    return Readers(role, schema, relations, [*views, *open_tables])
