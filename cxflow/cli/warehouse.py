"""Whether there is a warehouse to look into. Looking into one that is not there yet must not make it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cxflow import scratch
from cxflow.errors import SchemaError
from cxflow.settings import Settings
from cxflow.warehouse import revisions, transactions


def is_there(settings: Settings) -> bool:
    """Whether the warehouse has tables, of whatever version."""
    if not transactions.exists(settings):
        return False
    with transactions.reading(settings) as connection:
        return revisions.current(connection) is not None


def require(settings: Settings) -> None:
    """Raises SchemaError where nothing has been loaded yet."""
    if not is_there(settings):
        raise SchemaError(
            "the warehouse has no tables yet", fix="`cxflow run` makes them, and loads something"
        )


@contextmanager
def or_empty(settings: Settings) -> Iterator[Settings]:
    """The settings; where there is no warehouse yet, with an empty one that lasts for the block."""
    if is_there(settings):
        yield settings
        return
    with scratch.folder("empty") as folder:
        url = f"duckdb:///{folder}/empty.duckdb"
        other = settings.warehouse.model_copy(update={"url": url, "bi_role": None})
        empty = settings.model_copy(update={"warehouse": other})
        revisions.migrate(empty)
        yield empty
