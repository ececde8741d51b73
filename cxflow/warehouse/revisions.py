"""The warehouse's schema: brings it up to date with Alembic, and says plainly where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from cxflow.errors import SchemaError
from cxflow.settings import Settings
from cxflow.warehouse import engines, schema_drift, transactions
from cxflow.warehouse.tables import VERSION_TABLE, stream_lock

_TOLD = 5
"""Alterations by hand that are named at most."""


def resources() -> Path:
    """The folder of migrations, marts and seeds: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "_warehouse"
    return shipped if shipped.is_dir() else package.parent / "warehouse"


@cache
def head() -> str:
    """The revision that this version of cxflow works with. Asked for once: every transaction wants to know, and
    Alembic compiles all migrations to tell."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(resources() / "migrations")).get_current_head())


def current(connection: sa.Connection) -> str | None:
    """The revision of a warehouse; None where there is none."""
    if not _has(connection, VERSION_TABLE):
        return None
    found = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return str(found) if found else None


def _has(connection: sa.Connection, table: str) -> bool:
    return sa.inspect(connection).has_table(table)


def require(connection: sa.Connection) -> None:
    """Raises SchemaError, saying what to do, where the warehouse is not of this version or was altered by hand."""
    require_revision(connection)
    _require_unaltered(connection)


def require_revision(connection: sa.Connection) -> None:
    """The half of `require` that takes no time: for who only looks something up on the way to a load."""
    found = current(connection)
    if found is None:
        raise SchemaError("the warehouse has no tables yet", fix="run `cxflow migrate`")
    if found != head():
        raise SchemaError(
            f"the warehouse is at revision {found}, this version of cxflow needs {head()}",
            value=found,
            fix="run `cxflow migrate`; where the warehouse is newer, update cxflow",
        )


def _require_unaltered(connection: sa.Connection) -> None:
    found = schema_drift.find(connection)
    if found:
        told = [alteration.says for alteration in found[:_TOLD]]
        more = f", and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise SchemaError(
            f"the warehouse was altered by hand: {', '.join(told)}{more}",
            value=told[0].split(" ")[0],
            fix="; ".join(alteration.undo for alteration in found[:_TOLD]),
        )


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the warehouse to this version, in one transaction; returns the revisions before and after.

    Waits for running loads. Of two processes that migrate at once, also an empty warehouse, the second finds it done.
    Raises SchemaError for a warehouse of a revision that this version does not know, and for tables that are not what
    the migrations make: nothing is changed then.
    """
    return transactions.committed(settings, _migrate), head()


def _migrate(connection: sa.Connection) -> str | None:
    engine = engines.of(connection)
    if _has(connection, VERSION_TABLE):
        engine.lock_definitions(connection)
    if _has(connection, stream_lock.name):
        engine.lock_streams(connection)
    before = current(connection)
    engine.run_exclusive(connection, lambda: _upgrade(connection, before))
    _require_unaltered(connection)
    return before


def _upgrade(connection: sa.Connection, before: str | None) -> None:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    engines.of(connection).teach_alembic()
    scripts = ScriptDirectory(str(resources() / "migrations"))
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSION_TABLE,
            "fn": lambda revision, _: scripts._upgrade_revs("head", revision),
        },
    )
    with _operations(context):
        try:
            context.run_migrations()
        except CommandError as problem:
            raise SchemaError(
                f"the warehouse's revision {before} is unknown to this version of cxflow",
                fix="update cxflow",
            ) from problem


@contextmanager
def _operations(context: object) -> Iterator[None]:
    """Migrations speak to `alembic.op`; this points it at the context."""
    from alembic.operations import Operations

    with Operations.context(context):  # type: ignore[arg-type]
        yield


def ensure(settings: Settings) -> bool:
    """Create the tables of an empty warehouse; True where it did. An old one is not touched: `require` says so.
    Raises SchemaError for tables that somebody altered by hand."""
    if transactions.exists(settings):
        with transactions.reading(settings) as connection:
            found = current(connection)
            if found == head():
                _require_unaltered(connection)
        if found is not None:
            return False
    before, _ = migrate(settings)
    return before is None
