"""Opens DuckDB for cxflow's own work, and quotes names and values for the SQL that it writes.

Times are in UTC, memory is bounded, and DuckDB spills the rest to disk. The memory limit is a property of the machine,
not of the project: a share of its memory, unless the environment variable `CXFLOW_MEMORY_LIMIT` sets it, in DuckDB's
notation.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache
from pathlib import Path

import duckdb

from cxflow import scratch
from cxflow.errors import ConfigError

MEMORY_VARIABLE = "CXFLOW_MEMORY_LIMIT"
_LEAST_MEMORY = 400_000_000
"""Bytes with which a million records with two identifiers each are loaded and resolved. DuckDB's share only: Python,
Great Expectations and the drivers use about as much."""
_SHARE_OF_MACHINE = 24
"""Several workers run at once, and the page cache wants the rest."""
_CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_AMOUNT = re.compile(r"(?=.*[1-9])(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMGT]i?)B", re.IGNORECASE)
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

_WATCH_SECONDS = 0.2

SEALED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "enable_external_access": False,
    "lock_configuration": True,
}
"""Settings, in this order, that cut a database off from everything but its own file, for good: other files, the
network, extensions, variables of this process."""


@contextmanager
def workbench(path: Path | None = None, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file for the block, or an in-memory database that spills into its own temporary folder."""
    if path is None:
        with scratch.folder("spill") as spill, duckdb.connect() as database:
            database.execute(f"{settings_sql()}; SET temp_directory = {literal(str(spill))}")
            yield database
        return
    with duckdb.connect(str(path), read_only=read_only) as database:
        database.execute(settings_sql())
        yield database


@contextmanager
def blank() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database that reaches nothing, for SQL that reads nothing: to parse it, or to compute a constant. Its
    connections share one database in memory, because opening one takes ten milliseconds."""
    with _blank(os.getpid()).cursor() as connection:
        yield connection


@cache
def _blank(_process: int) -> duckdb.DuckDBPyConnection:
    """By process, and without threads of its own: those do not survive a fork, and whoever closes it waits for them."""
    database = duckdb.connect(config={"threads": 1})
    settings = (f"SET GLOBAL {name} = {str(value).lower()}" for name, value in SEALED.items())
    database.execute("; ".join(["SET GLOBAL TimeZone = 'UTC'", *settings]))
    return database


@contextmanager
def watched(database: duckdb.DuckDBPyConnection, tell: Callable[[float], None]) -> Iterator[None]:
    """While the block runs a statement, tell a few times a second which share of it is done, from 0 to 1. `tell` is
    called in another thread."""
    database.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_SECONDS):
            percent = database.query_progress()
            if percent > 0:
                tell(percent / 100)

    watcher = threading.Thread(target=copy_context().run, args=(watch,), name="cxflow-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def seal_sql(*, files: Sequence[str] = (), folders: Sequence[str] = ()) -> str:
    """The SQL that cuts a database off from everything but its own file, and these. Nothing can be set afterwards."""
    allowed = (
        f"SET allowed_paths = {literals(tuple(files))}; SET allowed_directories = {literals(tuple(folders))}"
    )
    return "; ".join([allowed, *(f"SET {name} = {str(value).lower()}" for name, value in SEALED.items())])


def settings_sql() -> str:
    """The SQL that every DuckDB connection of cxflow runs first."""
    return f"SET TimeZone = 'UTC'; SET memory_limit = {literal(memory_limit())}"


def memory_limit() -> str:
    """How much memory DuckDB may use, in its notation. Raises ConfigError if the variable is not an amount."""
    limit = os.environ.get(MEMORY_VARIABLE, _default_memory()).strip()
    if not _AMOUNT.fullmatch(limit):
        raise ConfigError(
            f"the environment variable {MEMORY_VARIABLE} is not an amount of memory: {limit!r}",
            value=MEMORY_VARIABLE,
            fix="set it to an amount such as 2GB, or unset it",
        )
    return limit


def memory_bytes() -> int:
    """The same in bytes."""
    amount = _AMOUNT.fullmatch(memory_limit())
    if amount is None:
        raise TypeError("not an amount of memory")
    units = {name.lower(): size for name, size in _UNITS.items()}
    return int(float(amount["number"]) * units[amount["unit"].lower()])


@cache
def _default_memory() -> str:
    """A share of the machine's memory, or of its container's."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # none, or "max"
            found.append(int(Path(path).read_text(encoding="ascii")))
    return f"{max(min(found) // _SHARE_OF_MACHINE, _LEAST_MEMORY) // 10**6}MB"


def count(database: duckdb.DuckDBPyConnection, relation: str) -> int:
    """The number of rows of a relation, given as the SQL after FROM."""
    row = database.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name of any characters as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literals(texts: list[str] | tuple[str, ...]) -> str:
    """Texts as a SQL list."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def relative(path: str, folder: str) -> str:
    """SQL: a path relative to a folder, if it lies in it; else as it is."""
    inside = literal(f"{folder.rstrip('/')}/")
    return f"CASE WHEN starts_with({path}, {inside}) THEN substr({path}, {len(folder.rstrip('/')) + 2}) ELSE {path} END"


OUT_OF_MEMORY = "memory"
"""What `sqlstate` returns for DuckDB's own memory limit, where a retry does not help. There is no SQLSTATE for it."""

_CODES_BY_WORDS: tuple[tuple[str, str], ...] = (
    ("failed to offload data block", "53100"),  # to the temporary directory, up to its size limit
    ("Permission denied", "25006"),
    ("Read-only file system", "25006"),
    ("read-only mode", "25006"),
    ("Corrupt database file", "XX001"),
    ("Could not read enough bytes", "XX001"),
)
_CODES_BY_CLASS: tuple[tuple[type[duckdb.Error], str], ...] = (
    (duckdb.OutOfMemoryException, OUT_OF_MEMORY),
    (duckdb.TransactionException, "40001"),
    (duckdb.CatalogException, "42P01"),
    (duckdb.BinderException, "42703"),
    (duckdb.ConstraintException, "23000"),
    (duckdb.DataError, "22000"),
    (duckdb.SerializationException, "XX001"),
)


def sqlstate(problem: Exception) -> str:
    """PostgreSQL's SQLSTATE for an error of DuckDB, which has no such codes; empty if none fits."""
    if scratch.is_full(problem):
        return "53100"
    message = str(problem)
    by_words = (code for words, code in _CODES_BY_WORDS if words in message)
    by_class = (code for kind, code in _CODES_BY_CLASS if isinstance(problem, kind))
    return next(by_words, None) or next(by_class, "")
