"""Opens the DuckDB that the stages work in: times in UTC, memory bounded, what does not fit goes to disk.

How much memory there is belongs to the machine, not to the project: the environment variable
`CXFLOW_MEMORY_LIMIT` says it, as DuckDB writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cxflow import scratch
from cxflow.errors import ConfigError
from cxflow.model.sql import literal

MEMORY_VARIABLE = "CXFLOW_MEMORY_LIMIT"
DEFAULT_MEMORY = "400MB"
"""Of DuckDB alone. Python, Great Expectations and the drivers take about as much: together they stay under 1 GB."""


@contextmanager
def workbench(path: Path | None = None, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file, open for the block, or a database in memory, which spills into a folder of its own."""
    if path is None:
        with scratch.folder("spill") as spill, duckdb.connect() as database:
            database.execute(f"{settings_sql()}; SET temp_directory = {literal(str(spill))}")
            yield database
        return
    with duckdb.connect(str(path), read_only=read_only) as database:
        database.execute(settings_sql())
        yield database


def settings_sql() -> str:
    """What every DuckDB connection of cxflow begins with."""
    return f"SET TimeZone = 'UTC'; SET memory_limit = {literal(memory_limit())}"


def memory_limit() -> str:
    """How much memory DuckDB may take, as it writes it. Raises ConfigError where the variable says no amount."""
    limit = os.environ.get(MEMORY_VARIABLE, DEFAULT_MEMORY).strip()
    if not re.fullmatch(r"(?=.*[1-9])\d+(\.\d+)?\s*[KMGT]i?B", limit, re.IGNORECASE):
        raise ConfigError(
            f"the environment variable {MEMORY_VARIABLE} is no amount of memory: {limit!r}",
            value=MEMORY_VARIABLE,
            fix=f"such as {DEFAULT_MEMORY}, or leave it unset",
        )
    return limit
