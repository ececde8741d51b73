"""Checks whether there is a warehouse to read, without creating it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cxflow import scratch
from cxflow.errors import SchemaError
from cxflow.settings import Settings
from cxflow.warehouse import revisions, transactions


def exists(settings: Settings) -> bool:
    """Whether the warehouse has tables, of any version."""
    if not transactions.exists(settings):
        return False
    with transactions.reading(settings) as connection:
        return revisions.current(connection) is not None


def require(settings: Settings) -> None:
    """Raise SchemaError if nothing has been loaded yet."""
    if not exists(settings):
        raise SchemaError("the warehouse has no tables yet", fix="`cxflow run` creates them and loads data")


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
