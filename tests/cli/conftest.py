"""The project that `cxflow init` writes, before and after its first run."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from cli_runner import Answer, cxflow

from cxflow.settings import load


@pytest.fixture(scope="session")
def init(request: pytest.FixtureRequest) -> Callable[[Path, str], Path]:
    """Writes the project into a folder, with a database of its own."""

    def project(folder: Path, database: str) -> Path:
        assert cxflow("init", folder).code == 0
        if database == "postgresql":
            move(folder, request.getfixturevalue("postgresql")())
        return folder

    return project


@pytest.fixture(scope="session")
def first_runs(
    tmp_path_factory: pytest.TempPathFactory, init: Callable[[Path, str], Path]
) -> Callable[[str], tuple[Path, Answer]]:
    """A project and what `cxflow run` said of it, once on each database."""

    @functools.cache
    def run(database: str) -> tuple[Path, Answer]:
        folder = init(tmp_path_factory.mktemp("loaded") / "shop", database)
        return folder, cxflow("run", "--json", project=folder)

    return run


@pytest.fixture
def on(request: pytest.FixtureRequest) -> str:
    """The warehouse's database: each one in turn where a module asks for `database`, else DuckDB."""
    return str(request.getfixturevalue("database")) if "database" in request.fixturenames else "duckdb"


@pytest.fixture
def first_run(first_runs: Callable[[str], tuple[Path, Answer]], on: str) -> tuple[Path, Answer]:
    """A project and what `cxflow run` said of it. Not to be changed."""
    return first_runs(on)


@pytest.fixture
def loaded(first_run: tuple[Path, Answer]) -> Path:
    """A project after its first run. Not to be changed."""
    return first_run[0]


@pytest.fixture
def own(loaded: Path, on: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of it, to be changed."""
    folder = Path(shutil.copytree(loaded, tmp_path / "shop"))
    if on == "postgresql":
        url = load(loaded).warehouse.url
        move(folder, request.getfixturevalue("postgresql").copy(url))
    return folder


@pytest.fixture
def fresh(init: Callable[[Path, str], Path], on: str, tmp_path: Path) -> Path:
    """A project before its first run."""
    return init(tmp_path / "shop", on)


def move(folder: Path, url: str) -> None:
    """Give a project another warehouse."""
    path = folder / "cxflow.toml"
    text, _, _ = path.read_text().partition("\n[warehouse]")
    path.write_text(f'{text}\n[warehouse]\nurl = "{url}"\n')


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands point logs at stderr for their whole process."""
    yield
    structlog.reset_defaults()
