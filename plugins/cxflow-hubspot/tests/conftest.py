"""HubSpot's imitation, served; an account of one day; and a project that reads it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import account
import pytest
from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses

from cxflow_hubspot.connector import HubSpot
from cxflow_hubspot.service import HubSpotService

try:
    importlib.metadata.version("cxflow-hubspot")
    PLUGINS: dict[str, Any] = {}
except importlib.metadata.PackageNotFoundError:
    # Only on the path: then a project has to name it.
    PLUGINS = {"plugins": ["cxflow_hubspot"]}


@pytest.fixture
def hubspot() -> HubSpotService:
    return account.of_one_day()


@pytest.fixture
def address(hubspot: HubSpotService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where it is; `HUBSPOT_URL` in the environment."""
    with served(hubspot.application()) as url:
        monkeypatch.setenv("HUBSPOT_URL", url)
        for name, value in hubspot.environment.items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture(autouse=True)
def _no_pauses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests follow each other at once, unless a test is about their rate, as the suite's is."""
    if "rates" not in request.keywords and not hasattr(request.cls, "kit"):
        monkeypatch.setattr(HubSpot, "rates", ())
    with without_pauses():
        yield


def settings(hubspot: HubSpotService, address: str, **connection: Any) -> dict[str, Any]:
    """A project with HubSpot as its one connection."""
    return {
        **PLUGINS,
        "project": {"timezone": "UTC", "country": "GB", "currency": "GBP"},
        "kpis": {"min_n": 1},
        "connections": {"crm": {**hubspot.connection(address), **connection}},
    }


@pytest.fixture
def project(tmp_path: Path, hubspot: HubSpotService, address: str) -> TestProject:
    return TestProject(tmp_path, settings(hubspot, address))
