"""Airflow is only ever imported in processes of their own: it reads its configuration when it is imported,
sets up logging for the whole process, and warns about itself, which would fail other tests here.

This folder must have no `__init__.py`: as a package it would hide Airflow's own.
"""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path

import pytest
from airflow_process import Script, make_project, run_script


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Airflow, which is an extra, these tests have nothing to say."""
    if importlib.util.find_spec("airflow") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="Airflow is not installed"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One connection with one stream of three reviews."""
    return make_project(tmp_path / "acme")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """`run_script` in the test's folder."""
    return partial(run_script, tmp_path)
