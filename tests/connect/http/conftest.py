"""The invented desk, served, and a project that reads it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from invented_desk import TOKEN, Desk, configuration

from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with served(desk.application()) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> TestProject:
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    return TestProject(tmp_path, configuration(address))


@pytest.fixture(autouse=True)
def _no_pauses(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tries follow each other at once; how many there are stays as it is."""
    if "pauses" in request.keywords:
        yield
        return
    with without_pauses():
        yield
