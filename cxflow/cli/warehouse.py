"""Opens the warehouse for commands that read, without creating it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cxflow import scratch
from cxflow.cli.call import Call
from cxflow.cli.output import moment
from cxflow.errors import SchemaError, WarehouseBusyError
from cxflow.publish import snapshot
from cxflow.settings import Settings
from cxflow.warehouse import revisions, transactions

_NONE = "the warehouse has no tables yet"
_FIX = "`cxflow run` creates them and loads data"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a command reads."""

    connection: sa.Connection
    """On which the tables of the warehouse have their names."""
    taken_at: datetime | None = None
    """Of a snapshot: when it was taken. Texts of customers and the registry of records are not in it."""


def exists(settings: Settings) -> bool:
    """Whether the warehouse has tables, of any version."""
    if not transactions.exists(settings):
        return False
    with transactions.reading(settings) as connection:
        return revisions.current(connection) is not None


def require(settings: Settings) -> None:
    """Raise SchemaError if nothing has been loaded yet."""
    if not exists(settings):
        raise SchemaError(_NONE, fix=_FIX)


@contextmanager
def reading(call: Call) -> Iterator[Reading]:
    """The warehouse, in one transaction; or while another process holds its file, its snapshot: then a remark says how
    old that is. Without a snapshot of this version it waits, as long as the settings say.

    Raises SchemaError if nothing has been loaded yet, and what `transactions.reading` and `revisions.require` raise.
    """
    if not transactions.exists(call.settings):
        raise SchemaError(_NONE, fix=_FIX)
    with ExitStack() as stack:
        yield _open(call, stack)


def _open(call: Call, stack: ExitStack) -> Reading:
    settings = call.settings
    try:
        connection = stack.enter_context(transactions.reading(_impatient(settings)))
    except WarehouseBusyError as busy:
        if found := stack.enter_context(snapshot.reading(settings)):
            call.out.remark(_old(settings, busy, found[1]))
            return Reading(*found)
        connection = stack.enter_context(transactions.reading(settings))
    if revisions.current(connection) is None:
        raise SchemaError(_NONE, fix=_FIX)
    revisions.require(connection)
    return Reading(connection)


def _impatient(settings: Settings) -> Settings:
    warehouse = settings.warehouse.model_copy(update={"busy_timeout_seconds": 0})
    return settings.model_copy(update={"warehouse": warehouse})


def _old(settings: Settings, busy: WarehouseBusyError, taken_at: datetime) -> str:
    minutes = int((datetime.now(UTC) - taken_at).total_seconds() // 60)
    age = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    holder = busy.holder or "another process"
    return (
        f"{holder} holds the warehouse: this is its snapshot of {moment(taken_at, settings.project.timezone)}, "
        f"{age} old"
    )


@contextmanager
def or_empty(settings: Settings) -> Iterator[Settings]:
    """Yield the settings or, if there is no warehouse yet, settings with an empty one that lasts for the block."""
    if exists(settings):
        yield settings
        return
    with scratch.folder("empty") as folder:
        url = f"duckdb:///{folder}/empty.duckdb"
        other = settings.warehouse.model_copy(update={"url": url, "bi_role": None})
        empty = settings.model_copy(update={"warehouse": other})
        revisions.migrate(empty)
        yield empty
