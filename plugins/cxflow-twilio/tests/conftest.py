"""Twilio's imitation, served; a morning in an account; and a project that reads it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import account
import pytest
from cxflow.testing import TestProject
from cxflow.testing.service import served, without_pauses

from cxflow_twilio.service import TwilioService

try:
    importlib.metadata.version("cxflow-twilio")
    PLUGINS: dict[str, Any] = {}
except importlib.metadata.PackageNotFoundError:
    # Only on the path: then a project has to name it.
    PLUGINS = {"plugins": ["cxflow_twilio"]}

LONG_SLICES = int(timedelta(days=30).total_seconds())
"""Of the whole of what is kept: tests need not ask three thousand times."""


@pytest.fixture
def twilio() -> TwilioService:
    return account.of_one_morning()


@pytest.fixture
def address(twilio: TwilioService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where it is; `TWILIO_URL` in the environment."""
    with served(twilio.application()) as url, without_pauses():
        monkeypatch.setenv("TWILIO_URL", url)
        for name, value in twilio.environment.items():
            monkeypatch.setenv(name, value)
        yield url


def settings(connection: dict[str, Any], slices: int = LONG_SLICES) -> dict[str, Any]:
    """A project with Twilio as its one connection."""
    streams = {name: dict(each) for name, each in connection["streams"].items()}
    streams["events"]["slices"] = slices
    return {
        **PLUGINS,
        "project": {"timezone": "UTC", "country": "GB"},
        "kpis": {"min_n": 1},
        "connections": {"voice": {**connection, "streams": streams}},
    }


@pytest.fixture
def project(tmp_path: Path, twilio: TwilioService, address: str) -> TestProject:
    return TestProject(tmp_path, settings(twilio.connection(address)))
