"""What is imported is declared: all but the test kit works where nothing but cxflow's own requirements is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = "airflow,excel,lineage,postgres,report,sandbox"
WITHOUT = """
import importlib, json, pkgutil, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not declared", name=name)

refused = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Refusing())
"""
ALL_MODULES = """
import cxflow
for each in pkgutil.walk_packages(cxflow.__path__, "cxflow."):
    if not each.name.startswith("cxflow.testing.") or each.name == "cxflow.testing.service":
        importlib.import_module(each.name)
        print(each.name)
"""
SERVED = """
from cxflow_demo import command
from collections import defaultdict
from cxflow_demo.company import Company
with Company(defaultdict(list)).served() as urls:
    print(*urls)
"""


def closure(*wanted: str) -> set[str]:
    """The names of the distributions that an installation of these brings."""
    found: set[tuple[str, str]] = set()
    left = [Requirement(each) for each in wanted]
    while left:
        each = left.pop()
        name = canonicalize_name(each.name)
        for extra in ("", *each.extras):
            if (name, extra) in found:
                continue
            found.add((name, extra))
            try:
                needed = [Requirement(line) for line in requires(name) or ()]
            except PackageNotFoundError:
                continue  # for another platform
            left += [one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def refused(*wanted: str) -> list[str]:
    """The top-level modules of what is installed beside these."""
    brought = closure(*wanted)
    return [
        module
        for module, owners in packages_distributions().items()
        if not brought & {canonicalize_name(owner) for owner in owners}
    ]


@pytest.mark.parametrize(
    ("wanted", "program", "expected"),
    [
        (f"cxflow-framework[{EXTRAS}]", ALL_MODULES, {"cxflow.flow", "cxflow.testing.service"}),
        ("cxflow-demo", SERVED, {"zendesk", "shopify", "hubspot"}),
    ],
)
def test_nothing_else_is_needed(wanted: str, program: str, expected: set[str]) -> None:
    others = refused(wanted)
    assert {"pytest", "mypy"} <= set(others)
    assert not {"duckdb", "sqlalchemy", "httpx2"} & set(others)
    command = [sys.executable, "-c", WITHOUT + program, json.dumps(others)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert expected <= set(ran.stdout.split())


def test_what_is_not_declared_would_be_seen() -> None:
    program = WITHOUT + "import cxflow.testing.suite"
    command = [sys.executable, "-c", program, json.dumps(refused(f"cxflow-framework[{EXTRAS}]"))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "pytest is not declared" in ran.stderr
