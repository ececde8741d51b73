"""Settings and a scratch folder for conforming: no warehouse is needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from trip_bench import Scratch, conformed

from cxflow.settings import Settings, load

Conform = Callable[..., AbstractContextManager[Scratch]]


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("conform")
    (folder / "cxflow.toml").write_text(
        'project = { currency = "EUR", country = "ES" }\nconnections = { shop = { connector = "files" }, '
        'web = { connector = "files" } }\n'
    )
    return load(folder)


@pytest.fixture
def conform(settings: Settings, tmp_path: Path) -> Conform:
    """`conform(declaration, records)`: a context with the outcome."""
    return partial(conformed, settings, tmp_path)
