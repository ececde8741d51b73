"""The real data sets, kept outside the repository: each is loaded once for all the tests that only look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from real_project import VARIABLE, RealProject
from real_sets import BPI13, CDNOW, COMCAST, OLIST, PWC, RESTMEX, SFO, SKYTRAX, Loaded, RealSet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets."""
    folder = Path(os.environ.get(VARIABLE) or ROOT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"the real data sets are kept outside the repository; {VARIABLE} says where")
    return folder


@pytest.fixture(scope="session")
def home(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[RealSet], RealProject]:
    """Makes a project of a set, with a copy of its data that a test may touch."""

    def make(of: RealSet) -> RealProject:
        absent = [file for file in of.files.values() if not (real_data / file).is_file()]
        if absent:
            pytest.skip(f"{real_data} has no {absent[0]}")
        return RealProject.create(of.name, tmp_path_factory.mktemp(of.name), real_data, of.files.values())

    return make


@pytest.fixture(scope="session")
def loaded_olist(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(OLIST)
    return Loaded(OLIST, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_sfo(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(SFO)
    return Loaded(SFO, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_pwc(home: Callable[[RealSet], RealProject]) -> Loaded:
    """The smallest set is loaded as people do it: by the installed command, in a process of its own."""
    project = home(PWC)
    return Loaded(PWC, project, project.cxflow_in_a_process("run"))


@pytest.fixture(scope="session")
def loaded_cdnow(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(CDNOW)
    return Loaded(CDNOW, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_comcast(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(COMCAST)
    return Loaded(COMCAST, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_skytrax(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(SKYTRAX)
    return Loaded(SKYTRAX, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_restmex(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(RESTMEX)
    return Loaded(RESTMEX, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def loaded_bpi13(home: Callable[[RealSet], RealProject]) -> Loaded:
    project = home(BPI13)
    return Loaded(BPI13, project, project.cxflow("run"))


@pytest.fixture(scope="session")
def olist(loaded_olist: Loaded) -> RealProject:
    return loaded_olist.project


@pytest.fixture(scope="session")
def sfo(loaded_sfo: Loaded) -> RealProject:
    return loaded_sfo.project


@pytest.fixture(scope="session")
def pwc(loaded_pwc: Loaded) -> RealProject:
    return loaded_pwc.project


@pytest.fixture(scope="session")
def cdnow(loaded_cdnow: Loaded) -> RealProject:
    return loaded_cdnow.project


@pytest.fixture(scope="session")
def comcast(loaded_comcast: Loaded) -> RealProject:
    return loaded_comcast.project


@pytest.fixture(scope="session")
def skytrax(loaded_skytrax: Loaded) -> RealProject:
    return loaded_skytrax.project


@pytest.fixture(scope="session")
def restmex(loaded_restmex: Loaded) -> RealProject:
    return loaded_restmex.project


@pytest.fixture(scope="session")
def bpi13(loaded_bpi13: Loaded) -> RealProject:
    return loaded_bpi13.project


@pytest.fixture(
    scope="session", params=["olist", "sfo", "pwc", "cdnow", "comcast", "skytrax", "restmex", "bpi13"]
)
def loaded(request: pytest.FixtureRequest) -> Loaded:
    """Every set in turn."""
    found: Loaded = request.getfixturevalue(f"loaded_{request.param}")
    return found
