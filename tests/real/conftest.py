"""The data sets, each in two editions: the real one, kept outside the repository, and the slice of it that is kept
here. Each is loaded once for all the tests that only look."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from editions import Figure, Home, Load, Source, file_of, folder_of
from real_project import RealProject
from real_sets import (
    A_MONTH_OF_DUNNHUMBY,
    BPI13,
    CDNOW,
    COMCAST,
    DUNNHUMBY,
    EDITIONS,
    OFTEN,
    OLIST,
    PWC,
    REAL,
    RESTMEX,
    SETS,
    SFO,
    SKYTRAX,
    SLICE,
    WAZO,
    Loaded,
    RealSet,
    begin,
)

from cxflow.settings import Settings
from cxflow.warehouse import revisions


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a real set that is not among `OFTEN`, every run of the tests loads one on DuckDB, and looks at what came; of
    the largest, only its first month."""
    for item in items:
        params = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        if params.get("edition") != REAL:
            continue
        of = params.get("real_set")
        is_on_server = params.get("database", "duckdb") != "duckdb"
        loads_again = item.name.startswith(("test_what_is_loaded_already", "test_both_databases"))
        is_rare = of is not None and of.name not in OFTEN and (is_on_server or loads_again)
        if is_rare or item.path.stem == "test_dunnhumby":
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=EDITIONS)
def edition(request: pytest.FixtureRequest) -> str:
    """Each edition in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def source(edition: str) -> Source:
    return lambda of, stream: file_of(of, stream, edition)


@pytest.fixture(scope="session")
def figure(edition: str) -> Figure:
    return lambda *, real, slice: slice if edition == SLICE else real


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the warehouse's tables, to be copied: to make them takes half as long as to load a slice."""
    file = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    revisions.migrate(Settings.model_validate({"warehouse": {"url": f"duckdb:///{file}"}}))
    return file


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Home:
    def make(of: RealSet, database: str, edition: str) -> RealProject:
        for stream in of.files:
            file_of(of, stream, edition)
        url = "duckdb:///warehouse.duckdb"
        if database == "postgresql":
            server = request.getfixturevalue("postgresql")
            url = server.copy(server.migrated)
        folder = tmp_path_factory.mktemp(f"{of.name}-{edition}")
        project = RealProject.create(of.name, folder, folder_of(edition), of.files.values(), url)
        if edition == REAL:
            for file, rows in of.first_rows.items():
                begin(project.data / file, rows)
        elif database == "duckdb":
            shutil.copy(request.getfixturevalue("empty_warehouse"), folder)
        return project

    return make


@pytest.fixture(scope="session")
def load(home: Home) -> Load:
    @functools.cache
    def once(of: RealSet, database: str, edition: str) -> Loaded:
        project = home(of, database, edition)
        # The smallest set is loaded as people do it: by the installed command, in a process of its own.
        run = project.cxflow_in_a_process if of is PWC and edition == REAL else project.cxflow
        return Loaded(of, edition, database, project, run("run"))

    return once


@pytest.fixture(scope="session")
def olist(load: Load, edition: str) -> RealProject:
    return load(OLIST, "duckdb", edition).project


@pytest.fixture(scope="session")
def sfo(load: Load, edition: str) -> RealProject:
    return load(SFO, "duckdb", edition).project


@pytest.fixture(scope="session")
def pwc(load: Load, edition: str) -> RealProject:
    return load(PWC, "duckdb", edition).project


@pytest.fixture(scope="session")
def cdnow(load: Load, edition: str) -> RealProject:
    return load(CDNOW, "duckdb", edition).project


@pytest.fixture(scope="session")
def comcast(load: Load, edition: str) -> RealProject:
    return load(COMCAST, "duckdb", edition).project


@pytest.fixture(scope="session")
def skytrax(load: Load, edition: str) -> RealProject:
    return load(SKYTRAX, "duckdb", edition).project


@pytest.fixture(scope="session")
def restmex(load: Load, edition: str) -> RealProject:
    return load(RESTMEX, "duckdb", edition).project


@pytest.fixture(scope="session")
def bpi13(load: Load, edition: str) -> RealProject:
    return load(BPI13, "duckdb", edition).project


@pytest.fixture(scope="session")
def wazo(load: Load, edition: str) -> RealProject:
    return load(WAZO, "duckdb", edition).project


@pytest.fixture(scope="session")
def dunnhumby(load: Load, edition: str) -> RealProject:
    # A slice has no first month: it is loaded once for all tests.
    return load(DUNNHUMBY if edition == REAL else A_MONTH_OF_DUNNHUMBY, "duckdb", edition).project


@pytest.fixture(scope="session", params=SETS.values(), ids=SETS)
def real_set(request: pytest.FixtureRequest) -> RealSet:
    """Every set in turn."""
    found: RealSet = request.param
    return found


@pytest.fixture(scope="session")
def loaded(load: Load, real_set: RealSet, database: str, edition: str) -> Loaded:
    """Every set on each database."""
    return load(real_set, database, edition)
