"""What tests of every stage share: their modules within reach, and warehouses on both databases."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from postgresql_server import Postgresql

DATABASES = ("duckdb", "postgresql")
"""What a warehouse may be: tests of what happens within one are run on each."""

NewWarehouse = Callable[[], dict[str, Any]]
"""Makes one, and gives a project's `[warehouse]`."""

_LONGEST = (
    "real dunnhumby",
    "test_kills duckdb",
    "test_kills postgresql",
    "test_airflow_standalone",
    "real olist",
    "real cdnow",
    "test_flow_databases",
)
"""Groups of tests that begin first: whoever gets one of them last is waited for by all."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests stay together where several workers share them out: those that use the same costly things."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    first = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: first.get(_group(item), len(first)))


def _group(item: pytest.Item) -> str:
    """The file of a test; of real data the set, and of what is done on each database the database."""
    values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if item.path.parent.name == "real":
        of = values.get("real_set")
        return f"real {of.name if of else item.path.stem.removeprefix('test_')}"
    return " ".join([item.path.stem, *([values["campaign"]] if "campaign" in values else [])])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A server that is started for the session."""
    from postgresql_server import Postgresql, server

    # Not in a folder of pytest's: the next session that starts closes those to the server's user.
    folder = tempfile.TemporaryDirectory(prefix="cxflow-postgresql-", ignore_cleanup_errors=True)
    with folder, server(Path(folder.name)) as started:
        yield Postgresql(started)


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Each database in turn, by its name."""
    return str(request.param)


@pytest.fixture(scope="session")
def new_database(database: str, request: pytest.FixtureRequest) -> NewWarehouse:
    """Makes a database without tables there, and gives a project's `[warehouse]`."""
    if database == "duckdb":
        return lambda: {"url": "duckdb:///warehouse.duckdb"}
    server: Postgresql = request.getfixturevalue("postgresql")
    return lambda: {"url": server()}


@pytest.fixture(scope="session")
def new_warehouse(database: str, new_database: NewWarehouse, request: pytest.FixtureRequest) -> NewWarehouse:
    """Makes an empty warehouse there, and gives a project's `[warehouse]`. Where that is a file, its tables are
    made with the project."""
    if database == "duckdb":
        return new_database
    server: Postgresql = request.getfixturevalue("postgresql")
    return lambda: {"url": server.copy(server.migrated)}
