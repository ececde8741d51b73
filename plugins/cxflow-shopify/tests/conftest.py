"""The imitated Shopify, served, and projects that read it."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cxflow.testing import TestProject
from cxflow.testing.postgresql import warehouse
from cxflow.testing.service import served, without_pauses

sys.path.insert(0, str(Path(__file__).parent))

from cxflow_shopify.service import ShopifyService

try:
    importlib.metadata.version("cxflow-shopify")
    PLUGINS: dict[str, Any] = {}
except importlib.metadata.PackageNotFoundError:
    # Only on the path: then a project has to name it.
    PLUGINS = {"plugins": ["cxflow_shopify"]}
PROJECT = {
    **PLUGINS,
    "project": {"timezone": "Europe/London", "country": "GB", "currency": "GBP"},
    "kpis": {"min_n": 1},
    "identity": {"store_values": "clear"},
}

NewProject = Callable[..., TestProject]


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty database, on a server of its own."""
    with warehouse() as found:
        yield str(found["url"])


@pytest.fixture
def service() -> ShopifyService:
    return ShopifyService(restored_per_second=1000)


@pytest.fixture
def address(service: ShopifyService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    with served(service.application()) as url:
        yield url


@pytest.fixture
def new_project(tmp_path: Path, service: ShopifyService, address: str) -> NewProject:
    """Makes a project with a connection `shop`, without bulk operations; what it is given changes the
    connection's settings (None: takes one away)."""

    def make(*, warehouse: dict[str, Any] | None = None, **settings: Any) -> TestProject:
        found = {**service.connection(address), "bulk_days": 0, **settings}
        connections = {"shop": {name: value for name, value in found.items() if value is not None}}
        return TestProject(tmp_path, {**PROJECT, "connections": connections}, warehouse=warehouse)

    return make


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """Tries follow each other at once."""
    with without_pauses():
        yield
