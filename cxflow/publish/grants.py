"""Manages the grants of `warehouse.bi_role`, the read-only PostgreSQL role for BI. Called by `flow`, after the views.

The role may read the views, and nothing else of cxflow's. Every publication compares its grants with these and corrects
them, then checks its effective rights: one may come through PUBLIC or another role.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cxflow.errors import ConfigError
from cxflow.warehouse import engines
from cxflow.warehouse.engines.base import Readers, Roles
from cxflow.warehouse.tables import VERSION_TABLE, metadata

_SETTING = "warehouse.bi_role"


def statements(connection: sa.Connection, role: str, views: Sequence[str]) -> list[str]:
    """The SQL that `apply` runs, including CREATE ROLE if the role does not exist."""
    roles = _roles(connection)
    creation = [] if roles.exists(connection, role) else [roles.create(role)]
    return creation + roles.grants(_readers(connection, role, views))


def apply(connection: sa.Connection, role: str, views: Sequence[str]) -> None:
    """Create the role if it does not exist and grant it the views, in the caller's transaction. Changes nothing if its
    grants are already correct.

    Raises ConfigError if this user may not create the role, if the role must not be restricted (a superuser, an owner),
    or if its effective rights are more or less than reading.
    """
    roles, readers = _roles(connection), _readers(connection, role, views)
    exists = roles.exists(connection, role)
    if not exists:
        if not roles.may_create(connection):
            raise ConfigError(
                f"the role {role} does not exist, and the warehouse's user may not create it",
                value=_SETTING,
                fix=f"let an administrator run: {roles.create(role)}",
            )
    elif power := roles.power(connection, readers):
        through = "" if power[0] == role else f" belongs to {power[0]}, which"
        raise ConfigError(
            f"the role {role}{through} {power[1]}: it cannot be the role for BI",
            value=_SETTING,
            fix="name another one; `cxflow publish` creates it",
        )
    if not exists or not roles.are_granted(connection, readers):
        for statement in statements(connection, role, views):
            connection.exec_driver_sql(statement)
    _check(connection, roles, readers)


def _check(connection: sa.Connection, roles: Roles, readers: Readers) -> None:
    """Check the role's effective rights. Raises ConfigError if they are more or less than reading."""
    if found := roles.excess(connection, readers):
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
    if missing := roles.missing(connection, readers):
        raise ConfigError(
            f"the role {readers.role} cannot read {missing[0]}: the warehouse's user may not grant it",
            value=_SETTING,
            fix="let its owner run the statements of `cxflow publish --sql`",
        )


def _roles(connection: sa.Connection) -> Roles:
    engine = engines.of(connection)
    if engine.roles is None:
        raise ConfigError(f"{engine.title} has no roles", value=_SETTING, fix="remove it, or use a server")
    return engine.roles


def _readers(connection: sa.Connection, role: str, views: Sequence[str]) -> Readers:
    schema = str(connection.scalar(sa.text("SELECT current_schema()")))
    relations = [*metadata.tables, VERSION_TABLE, *views]
    return Readers(role, schema, relations, views)
