"""The real data sets, kept outside the repository: each is loaded once for all the tests that only look."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from real_project import VARIABLE, RealProject
from real_sets import (
    BPI13,
    CDNOW,
    COMCAST,
    DUNNHUMBY,
    OLIST,
    PWC,
    RESTMEX,
    SETS,
    SFO,
    SKYTRAX,
    WAZO,
    Loaded,
    RealSet,
    begin,
)

ROOT = Path(__file__).parents[2]

Home = Callable[[RealSet, str], RealProject]
Load = Callable[[RealSet, str], Loaded]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets."""
    folder = Path(os.environ.get(VARIABLE) or ROOT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"the real data sets are kept outside the repository; {VARIABLE} says where")
    return folder


@pytest.fixture(scope="session")
def home(real_data: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Home:
    """Makes a project of a set on a database, with a copy of its data that a test may touch."""

    def make(of: RealSet, database: str) -> RealProject:
        absent = [file for file in of.files.values() if not (real_data / file).is_file()]
        if absent:
            pytest.skip(f"{real_data} has no {absent[0]}")
        url = "duckdb:///warehouse.duckdb"
        if database == "postgresql":
            server = request.getfixturevalue("postgresql")
            url = server.copy(server.migrated)
        folder = tmp_path_factory.mktemp(of.name)
        project = RealProject.create(of.name, folder, real_data, of.files.values(), url)
        for file, rows in of.first_rows.items():
            begin(project.data / file, rows)
        return project

    return make


@pytest.fixture(scope="session")
def load(home: Home) -> Load:
    """Loads a set into a database, once."""

    @functools.cache
    def once(of: RealSet, database: str) -> Loaded:
        project = home(of, database)
        # The smallest set is loaded as people do it: by the installed command, in a process of its own.
        run = project.cxflow_in_a_process if of is PWC else project.cxflow
        return Loaded(of, database, project, run("run"))

    return once


@pytest.fixture(scope="session")
def olist(load: Load) -> RealProject:
    return load(OLIST, "duckdb").project


@pytest.fixture(scope="session")
def sfo(load: Load) -> RealProject:
    return load(SFO, "duckdb").project


@pytest.fixture(scope="session")
def pwc(load: Load) -> RealProject:
    return load(PWC, "duckdb").project


@pytest.fixture(scope="session")
def cdnow(load: Load) -> RealProject:
    return load(CDNOW, "duckdb").project


@pytest.fixture(scope="session")
def comcast(load: Load) -> RealProject:
    return load(COMCAST, "duckdb").project


@pytest.fixture(scope="session")
def skytrax(load: Load) -> RealProject:
    return load(SKYTRAX, "duckdb").project


@pytest.fixture(scope="session")
def restmex(load: Load) -> RealProject:
    return load(RESTMEX, "duckdb").project


@pytest.fixture(scope="session")
def bpi13(load: Load) -> RealProject:
    return load(BPI13, "duckdb").project


@pytest.fixture(scope="session")
def wazo(load: Load) -> RealProject:
    return load(WAZO, "duckdb").project


@pytest.fixture(scope="session")
def dunnhumby(load: Load) -> RealProject:
    return load(DUNNHUMBY, "duckdb").project


@pytest.fixture(scope="session", params=SETS.values(), ids=SETS)
def real_set(request: pytest.FixtureRequest) -> RealSet:
    """Every set in turn."""
    found: RealSet = request.param
    return found


@pytest.fixture(scope="session")
def loaded(load: Load, real_set: RealSet, database: str) -> Loaded:
    """Every set on each database."""
    return load(real_set, database)
