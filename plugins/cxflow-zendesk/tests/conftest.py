"""The invented account, served, and a project that reads it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses

sys.path.insert(0, str(Path(__file__).parent))

from invented_account import account

from cxflow_zendesk.service import ZendeskService


@pytest.fixture
def zendesk() -> ZendeskService:
    return account()


@pytest.fixture
def address(zendesk: ZendeskService) -> Iterator[str]:
    with served(zendesk.application()) as url:
        yield url


@pytest.fixture
def project(
    tmp_path: Path, zendesk: ZendeskService, address: str, monkeypatch: pytest.MonkeyPatch
) -> TestProject:
    for name, value in zendesk.environment.items():
        monkeypatch.setenv(name, value)
    return TestProject(tmp_path, {"kpis": {"min_n": 1}, "connections": {"desk": zendesk.connection(address)}})


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """Tries follow each other at once; how many there are stays as it is."""
    with without_pauses():
        yield
