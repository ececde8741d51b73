"""The project that `cxflow init` writes, before and after its first run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cli_runner import Answer, cxflow


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """A project and what `cxflow run` said of it. Not to be changed."""
    folder = tmp_path_factory.mktemp("loaded") / "shop"
    assert cxflow("init", folder).code == 0
    return folder, cxflow("run", "--json", project=folder)


@pytest.fixture(scope="session")
def loaded(first_run: tuple[Path, Answer]) -> Path:
    """A project after its first run. Not to be changed."""
    return first_run[0]


@pytest.fixture
def own(loaded: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(loaded, tmp_path / "shop"))


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project before its first run."""
    folder = tmp_path / "shop"
    assert cxflow("init", folder).code == 0
    return folder


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Commands point logs at stderr for their whole process."""
    yield
    structlog.reset_defaults()
