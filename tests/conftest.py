"""What tests of every stage share: `trip_bench` within reach, and a PostgreSQL server of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes databases on a server that is started for the session; gives each one's URL."""
    from postgresql_server import databases

    with databases(tmp_path_factory.mktemp("postgresql")) as make:
        yield make
