"""What tests of every stage share: their modules within reach, and warehouses on both databases."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from postgresql_server import Postgresql

DATABASES = ("duckdb", "postgresql")
"""What a warehouse may be: tests of what happens within one are run on each."""

NewWarehouse = Callable[[], dict[str, Any]]
"""Makes one, and gives a project's `[warehouse]`."""

_REAL_SETS = {path.parent.name for path in Path(__file__).parent.glob("real/*/cxflow.toml")}
_LONGEST = (
    "dunnhumby",
    "test_kills duckdb",
    "test_kills postgresql",
    "test_airflow_standalone",
    "test_side_by_side duckdb",
    "test_side_by_side postgresql",
    "test_airflow_postgresql",
    "olist",
    "cdnow",
    "test_flow_databases",
)
"""Groups of tests that begin first: whoever gets one of them last is waited for by all."""
_BY_DATABASE = ("test_kills", "test_side_by_side")
"""Files of which each database has a worker of its own."""


class _Groups(LoadScopeScheduling):
    """Tests that use the same costly things stay with one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Groups:
    """How tests are shared out among several workers."""
    return _Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""
    first = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: first.get(_group(item.nodeid), len(first)))


def _group(nodeid: str) -> str:
    """The file of a test; of real data the set, or its slice, and of long files the database."""
    file, _, test = nodeid.partition("::")
    name, values = Path(file).stem, test.partition("[")[2].rstrip("]").split("-")
    kept = " slice" if "slice" in values else ""
    if name == "test_real_loads":
        return next(each for each in _REAL_SETS if each in values) + kept
    if name.removeprefix("test_") in _REAL_SETS:
        return name.removeprefix("test_") + kept
    return f"{name} {values[0]}" if name in _BY_DATABASE and values[0] in DATABASES else name


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """A command that a test runs in this process configures structlog for the whole of it."""
    yield
    structlog.reset_defaults()


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
