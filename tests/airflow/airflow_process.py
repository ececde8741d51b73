"""Processes of their own for Airflow, and a tiny project to run in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cxflow

ROOT = Path(cxflow.__file__ or "").parents[1]

Script = Callable[..., Any]

REVIEWS = """\
review_id,score,comment,created
r1,5,good,2026-03-01T10:00:00Z
r2,1,bad,2026-03-01T11:00:00Z
r3,4,fine,2026-03-02T12:00:00Z
"""

TOML = """\
[project]
name = "acme"
timezone = "Europe/Madrid"

[airflow]
retries = 2
retry_delay_seconds = 60

[connections.shop]
connector = "files"
timezone = "UTC"

[connections.shop.streams.reviews]
path = "reviews.csv"
primary_key = ["review_id"]

[connections.shop.streams.reviews.to.review]
review_id = "review_id"
rating_value = "score"
worst_rating = "1"
best_rating = "5"
review_body = "comment"
date_published = "created"

[connections.shop.streams.reviews.to.touchpoint]
activity = "'wrote_review'"
channel = "'web'"
occurred_at = "created"
"""


def make_project(folder: Path) -> Path:
    """One connection with one stream of three reviews."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cxflow.toml").write_text(TOML)
    (folder / "reviews.csv").write_text(REVIEWS)
    return folder


def clean_environment(home: Path) -> dict[str, str]:
    """An environment in which Airflow finds nothing of this machine's, and this cxflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {**kept, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT)}


def run_script(folder: Path, code: str, *arguments: object, **environment: str) -> Any:
    """Run Python in a process of its own; returns the JSON of the last line it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**clean_environment(folder / "airflow"), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
