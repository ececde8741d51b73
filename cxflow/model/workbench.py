"""Opens the DuckDB that the stages work in: times in UTC, memory bounded, what does not fit goes to disk.

How much memory there is belongs to the machine, not to the project: the environment variable
`CXFLOW_MEMORY_LIMIT` says it, as DuckDB writes it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import duckdb

from cxflow.model.sql import literal

MEMORY_VARIABLE = "CXFLOW_MEMORY_LIMIT"
DEFAULT_MEMORY = "400MB"
"""Of DuckDB alone. Python, Great Expectations and the drivers take about as much: together they stay under 1 GB."""


def workbench(path: Path | str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection to a DuckDB file, or to one in memory that spills into the machine's temporary folder."""
    database = duckdb.connect(str(path), read_only=read_only)
    database.execute(settings_sql())
    if str(path) == ":memory:":
        spill = Path(tempfile.gettempdir()) / f"cxflow-spill-{os.getpid()}"
        database.execute(f"SET temp_directory = {literal(str(spill))}")
    return database


def settings_sql() -> str:
    """What every DuckDB connection of cxflow begins with."""
    memory = os.environ.get(MEMORY_VARIABLE, DEFAULT_MEMORY)
    return f"SET TimeZone = 'UTC'; SET memory_limit = {literal(memory)}"
