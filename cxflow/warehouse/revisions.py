"""The revision of the warehouse's schema: upgrades it with Alembic, and raises SchemaError if it is not up to date."""

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

_MAX_NAMED = 5
"""Maximum number of manual alterations in a message."""


def resources() -> Path:
    """The folder of migrations, marts and seeds: in the wheel, or next to the package in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "_warehouse"
    return shipped if shipped.is_dir() else package.parent / "warehouse"


@cache
def head() -> str:
    """The revision that this version of cxflow needs: the one of the last file, as their names begin with it. Every
    command asks for it, and Alembic would compile all of them to find it."""
    files = (resources() / "migrations" / "versions").glob("*.py")
    return max(file.name.partition("_")[0] for file in files)


def current(connection: sa.Connection) -> str | None:
    """The revision of a warehouse; None if it has none."""
    if not _has(connection, VERSION_TABLE):
        return None
    found = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return str(found) if found else None


def _has(connection: sa.Connection, table: str) -> bool:
    return engines.of(connection).has_table(connection, table)


def require(connection: sa.Connection) -> None:
    """Raise SchemaError, with the fix, if the warehouse is not of this version or was altered by hand."""
    require_revision(connection)
    _require_unaltered(connection)


def require_revision(connection: sa.Connection) -> None:
    """The fast half of `require`, for reads on the way to a load."""
    found = current(connection)
    if found is None:
        raise SchemaError("the warehouse has no tables yet", fix="run `cxflow migrate`")
    if found != head():
        raise SchemaError(
            f"the warehouse is at revision {found}, this version of cxflow needs {head()}",
            value=found,
            fix="run `cxflow migrate`; if the warehouse is newer, update cxflow",
        )


def _require_unaltered(connection: sa.Connection) -> None:
    found = schema_drift.find(connection)
    if found:
        names = [alteration.description for alteration in found[:_MAX_NAMED]]
        more = f", and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
        raise SchemaError(
            f"the warehouse was altered by hand: {', '.join(names)}{more}",
            value=names[0].split(" ")[0],
            fix="; ".join(alteration.undo for alteration in found[:_MAX_NAMED]),
        )


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the warehouse to this version, in one transaction; returns the revisions before and after.

    Waits for running loads. If two processes migrate at once, even an empty warehouse, the second one finds it done.
    Raises SchemaError, and changes nothing, for an unknown revision and for tables that differ from the migrations.
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
    """Point `alembic.op`, which migrations use, at the context."""
    from alembic.operations import Operations

    with Operations.context(context):  # type: ignore[arg-type]
        yield


def ensure(settings: Settings) -> bool:
    """Create the tables of an empty warehouse; returns whether it did. An old warehouse is left to `require`.

    Raises SchemaError for tables that were altered by hand.
    """
    if transactions.exists(settings):
        with transactions.reading(settings) as connection:
            found = current(connection)
            if found == head():
                _require_unaltered(connection)
        if found is not None:
            return False
    before, _ = migrate(settings)
    return before is None
