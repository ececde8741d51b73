"""PostgreSQL's roles and rights: the SQL for a role that may read some relations of a schema and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from cxflow.duck import identifier
from cxflow.errors import ConfigError
from cxflow.warehouse.engines.base import Excess, Readers, Roles

_MAY = "pg_has_role(CAST(:role AS name), r.oid, 'MEMBER')"
"""Condition for the roles `r` whose rights the role has or can assume, itself included."""

_SCHEMA = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"

_ROLE = "(SELECT oid FROM pg_roles WHERE rolname = CAST(:role AS name))"

_POWERS = sa.text(
    "SELECT r.rolname, CASE WHEN r.rolsuper THEN 'is a superuser' "
    "WHEN r.rolcreaterole OR r.rolcreatedb THEN 'may create roles or databases' "
    "WHEN r.rolreplication OR r.rolbypassrls THEN 'may replicate or pass by row security' "
    f"ELSE 'owns what it is to read' END FROM pg_roles AS r WHERE {_MAY} "
    "AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls "
    "OR r.rolname = current_user "
    f"OR r.oid IN (SELECT relowner FROM pg_class WHERE relnamespace = {_SCHEMA} "
    "AND relname = ANY(:relations)) "
    "OR r.oid IN (SELECT nspowner FROM pg_namespace WHERE nspname = current_schema()) "
    "OR r.oid IN (SELECT datdba FROM pg_database WHERE datname = current_database())) "
    "ORDER BY r.rolname <> CAST(:role AS name), NOT r.rolsuper, r.rolname LIMIT 1"
)

_EXCESS = sa.text(
    "SELECT r.rolname, 'ALL', 'TABLE ' || c.relname FROM pg_roles AS r CROSS JOIN pg_class AS c "
    f"WHERE {_MAY} AND c.relnamespace = {_SCHEMA} AND c.relname = ANY(:relations) "
    "AND (has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
    "OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE, REFERENCES') "
    "OR (NOT c.relname = ANY(:readable) AND has_any_column_privilege(r.oid, c.oid, 'SELECT'))) "
    "UNION ALL SELECT r.rolname, 'CREATE', 'SCHEMA ' || current_schema() FROM pg_roles AS r "
    f"WHERE {_MAY} AND has_schema_privilege(r.oid, current_schema(), 'CREATE') "
    "UNION ALL SELECT r.rolname, 'CREATE', 'DATABASE ' || current_database() FROM pg_roles AS r "
    f"WHERE {_MAY} AND has_database_privilege(r.oid, current_database(), 'CREATE')"
)

_MISSING = sa.text(
    "SELECT c.relname FROM pg_class AS c "
    f"WHERE c.relnamespace = {_SCHEMA} AND c.relname = ANY(:readable) "
    "AND NOT has_table_privilege(CAST(:role AS name), c.oid, 'SELECT') "
    "UNION ALL SELECT 'anything of the schema ' || current_schema() "
    "WHERE NOT has_schema_privilege(CAST(:role AS name), current_schema(), 'USAGE') ORDER BY 1"
)


_WANTED = (
    "SELECT relname AS at, 'SELECT' AS what FROM unnest(CAST(:readable AS name[])) AS readable (relname) "
    "UNION ALL SELECT current_schema(), 'USAGE'"
)
_GIVEN = (
    "SELECT c.relname AS at, a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END AS what "
    "FROM pg_class AS c, aclexplode(c.relacl) AS a "
    f"WHERE c.relnamespace = {_SCHEMA} AND c.relname = ANY(:relations) AND a.grantee IN (0, {_ROLE}) "
    # A schema may stay open to PUBLIC: its relations are not.
    "UNION ALL SELECT n.nspname, a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END "
    f"FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.oid = {_SCHEMA} AND a.grantee = {_ROLE} "
    "UNION ALL SELECT c.relname || '.' || t.attname, a.privilege_type "
    "FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid, aclexplode(t.attacl) AS a "
    f"WHERE c.relnamespace = {_SCHEMA} AND c.relname = ANY(:relations) AND a.grantee IN (0, {_ROLE}) "
    "UNION ALL SELECT 'later', a.privilege_type FROM pg_default_acl AS d, aclexplode(d.defaclacl) AS a "
    "WHERE d.defaclobjtype = 'r' AND d.defaclrole = CAST(current_user AS regrole) "
    f"AND d.defaclnamespace IN (0, {_SCHEMA}) AND a.grantee = {_ROLE}"
)
_DIFFERENCES = sa.text(
    f"WITH wanted AS ({_WANTED}), given AS ({_GIVEN}) SELECT count(*) FROM ("
    "(SELECT * FROM wanted EXCEPT SELECT * FROM given) UNION ALL "
    "(SELECT * FROM given EXCEPT SELECT * FROM wanted)) AS differences"
)


class PostgreSQLRoles(Roles):
    """Roles and rights from the server's catalogue."""

    def check_name(self, role: str) -> None:
        if role.startswith("pg_") or role in ("public", "none"):
            raise ConfigError(
                f"bi_role cannot be {role!r}: PostgreSQL keeps that name for itself",
                value="warehouse.bi_role",
                fix="name another one",
            )

    def exists(self, connection: sa.Connection, role: str) -> bool:
        query = sa.text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
        return bool(connection.scalar(query, {"role": role}))

    def may_create(self, connection: sa.Connection) -> bool:
        query = sa.text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        return bool(connection.scalar(query))

    def create(self, role: str) -> str:
        return f"CREATE ROLE {identifier(role)} NOLOGIN"

    def grants(self, readers: Readers) -> list[str]:
        role, schema = identifier(readers.role), identifier(readers.schema)

        def listed(names: Iterable[str]) -> str:
            return ", ".join(f"{schema}.{identifier(name)}" for name in names)

        return [
            f"REVOKE ALL ON TABLE {listed(readers.relations)} FROM PUBLIC, {role}",
            f"REVOKE ALL ON SCHEMA {schema} FROM {role}",
            # Nor may the role read what the warehouse's user creates later.
            f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {role}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {role}",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT SELECT ON TABLE {listed(readers.readable)} TO {role}",
        ]

    def are_granted(self, connection: sa.Connection, readers: Readers) -> bool:
        return not connection.scalar(_DIFFERENCES, _parameters(readers))

    def power(self, connection: sa.Connection, readers: Readers) -> tuple[str, str] | None:
        found = connection.execute(_POWERS, _parameters(readers)).first()
        return (found[0], found[1]) if found else None

    def excess(self, connection: sa.Connection, readers: Readers) -> list[Excess]:
        found = [Excess(*row) for row in connection.execute(_EXCESS, _parameters(readers))]
        # A right through another role is also the reader's own right: name the other role.
        found.sort(key=lambda each: each.through != readers.role)
        return sorted({each.at: each for each in found}.values(), key=lambda each: each.at)

    def missing(self, connection: sa.Connection, readers: Readers) -> list[str]:
        return [row[0] for row in connection.execute(_MISSING, _parameters(readers))]


def _parameters(readers: Readers) -> dict[str, str | list[str]]:
    """Query parameters; psycopg passes lists as arrays."""
    return {"role": readers.role, "relations": list(readers.relations), "readable": list(readers.readable)}
