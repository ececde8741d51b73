"""The invented forms, served, and a project that reads it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses

sys.path.insert(0, str(Path(__file__).parent))

from invented_forms import account

from cxflow_typeform.service import TypeformService


@pytest.fixture
def typeform() -> TypeformService:
    return account()


@pytest.fixture
def address(typeform: TypeformService) -> Iterator[str]:
    with served(typeform.application()) as url:
        yield url


@pytest.fixture
def project(
    tmp_path: Path, typeform: TypeformService, address: str, monkeypatch: pytest.MonkeyPatch
) -> TestProject:
    for name, value in typeform.environment.items():
        monkeypatch.setenv(name, value)
    return TestProject(
        tmp_path, {"kpis": {"min_n": 1}, "connections": {"forms": typeform.connection(address)}}
    )


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """Tries follow each other at once; how many there are stays as it is."""
    with without_pauses():
        yield
