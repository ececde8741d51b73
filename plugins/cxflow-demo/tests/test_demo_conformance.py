"""The suite that every connector passes, on a few days of one of the demo's systems, read as its `cxflow.toml` says."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from cxflow.testing import conformance

import cxflow_demo
from cxflow_demo.simulation import generate

DAYS = 4
_OTHERS = "hubspot.contact"
"""An identifier of another connection, which the suite's project does not have."""
PROJECT: dict[str, Any] = tomllib.loads(
    (Path(cxflow_demo.__file__).parent / "cxflow.toml").read_text(encoding="utf-8")
)


@cache
def _company() -> Path:
    """A twentieth of the company."""
    folder = Path(tempfile.mkdtemp(prefix="cxflow-demo-"))
    generate(folder, scale=0.05)
    return folder


def few_days(folder: Path) -> None:
    """The last days of the CRM's exports, with their times."""
    source, target = _company() / "exports" / "crm", folder / "exports" / "crm"
    target.mkdir(parents=True)
    for path in sorted(source.glob("leads-*"))[-DAYS:]:
        shutil.copy2(path, target)


def crm() -> dict[str, Any]:
    """Its connection, by itself."""
    found: dict[str, Any] = deepcopy(PROJECT["connections"]["crm"])
    del found["streams"]["leads"]["identifiers"][_OTHERS]
    return found


TestDemoCrm = conformance(
    crm(),
    source=few_days,
    project={"project": PROJECT["project"], "quality": {"max_rejected_share": 1}},
)
