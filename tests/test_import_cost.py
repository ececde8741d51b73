"""Importing cxflow costs next to nothing: libraries are loaded by the functions that use them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "airflow",
    "alembic",
    "duckdb",
    "great_expectations",
    "pandas",
    "pluggy",
    "pyarrow",
    "pydantic",
    "sqlalchemy",
)


def _loaded_by(statement: str) -> tuple[set[str], float]:
    """The top-level modules that a fresh interpreter has after a statement, and the seconds that it took."""
    code = (
        "import json, sys, time\n"
        "begun = time.perf_counter()\n"
        f"{statement}\n"
        "took = time.perf_counter() - begun\n"
        "print(json.dumps([sorted({name.split('.')[0] for name in sys.modules}), took]))"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    names, took = json.loads(output)
    return set(names), took


@pytest.mark.parametrize("statement", ["import cxflow", "import cxflow; dir(cxflow)", "import cxflow.errors"])
def test_importing_cxflow_loads_no_library(statement: str) -> None:
    loaded, took = _loaded_by(statement)
    print(f"{statement}: {took * 1000:.0f} ms")  # noqa: T201  for who runs with -s
    assert not loaded & set(HEAVY)


def test_the_face_loads_what_is_asked_for() -> None:
    loaded, _ = _loaded_by("from cxflow import ConfigError, Window")
    assert not loaded & set(HEAVY)
    loaded, _ = _loaded_by("from cxflow import Stream")
    assert "pydantic" in loaded
    assert not loaded & {"duckdb", "pyarrow", "great_expectations", "airflow", "sqlalchemy"}


def test_importing_the_registry_loads_no_plugin() -> None:
    loaded, _ = _loaded_by(
        "import sys\nfrom cxflow.connect import registry\n"
        "assert 'cxflow.connect.files' not in sys.modules\n"
        "assert registry.plugins.cache_info().currsize == 0"
    )
    assert "pluggy" in loaded
    assert not loaded & {"great_expectations", "airflow"}


def test_great_expectations_comes_without_what_two_of_its_expectations_need_and_they_still_have_it() -> None:
    _loaded_by(
        "import sys\nfrom cxflow.validate import runner\nrunner.great_expectations()\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "from scipy import stats\nassert stats.norm.cdf(0) == 0.5 and 'scipy.linalg' in sys.modules"
    )


def test_naming_the_services_of_plugins_imports_none() -> None:
    loaded, _ = _loaded_by(
        "from cxflow.connect import registry\nassert registry.services(registry.plugins()), 'the plugins are installed'"
    )
    assert not loaded & {"starlette", "uvicorn"}
