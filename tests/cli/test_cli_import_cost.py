"""Commands that only look import no library that they do not need: each of these takes a fraction of a second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NEVER = ("airflow", "alembic", "great_expectations", "pandas", "polars", "scipy", "statsmodels", "vl_convert")
WATCHED = """
import atexit, json, sys
sys.argv = ["cxflow", *sys.argv[1:]]
names = lambda: sorted({part for name in sys.modules for part in (name, name.split(".")[0])})
atexit.register(lambda: print("LOADED", json.dumps(names()), file=sys.stderr))
from cxflow.cli import main
main()
"""


def _loaded_by(project: Path, *arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "--project", str(project), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout, "it answers"
    line = done.stderr.splitlines()[-1]
    assert line.startswith("LOADED ")
    return set(json.loads(line.removeprefix("LOADED ")))


@pytest.mark.parametrize(
    "arguments",
    [
        ("kpis",),
        ("kpis", "nps", "--grain", "month", "--since", "2020-01-01"),
        ("kpis", "--as-of", "2100-01-01", "--json"),
        ("status",),
        ("status", "--json"),
        ("lint",),
        ("lint", "--json"),
    ],
)
def test_looking_at_a_project_loads_no_library_for_processing(
    loaded: Path, arguments: tuple[str, ...]
) -> None:
    assert _loaded_by(loaded, *arguments) & set(NEVER) == set()


def test_looking_at_kpis_loads_neither_arrow_nor_a_http_client(loaded: Path) -> None:
    assert _loaded_by(loaded, "kpis") & {"pyarrow", "httpx2", "phonenumbers", "fsspec"} == set()


@pytest.mark.parametrize("command", ["status", "lint"])
def test_a_project_of_files_imports_no_other_connector(loaded: Path, command: str) -> None:
    assert _loaded_by(loaded, command) & {"httpx2", "sqlglot", "cxflow_zendesk.connector"} == set()
