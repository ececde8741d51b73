"""Vendors' own clients and other programs, in environments of their own: they read an imitation as if it were real.

Long tests of plugins use it. Making an environment needs a package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from pyarrow import parquet

from cxflow import flow
from cxflow.model.window import Window
from cxflow.testing.project import TestProject


def environment(folder: Path, *requirements: str) -> Path:
    """Make an environment with these packages, and return its interpreter."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *requirements], check=True)
    return python


def answered(python: Path, program: str, *arguments: str) -> Any:
    """What a program prints as JSON. Raises AssertionError, with what it wrote to stderr, if it fails."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        [str(python), "-c", program, *arguments], capture_output=True, text=True, env=own, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def landed(
    project: TestProject, connection: str, stream: str, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """The records that a connector lands of a window, as they came."""
    batch = flow.extract(project.settings, connection, stream, Window(start, end), "backfill")
    parts = sorted((project.folder / "landing" / batch.path).glob("part-*.parquet"))
    return [
        json.loads(payload)
        for part in parts
        for payload in parquet.read_table(part, columns=["_payload"]).column(0).to_pylist()
    ]
