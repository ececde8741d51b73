"""Warehouses for runs to begin with, copied from snapshots: DuckDB files, or databases of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg


class Warehouses:
    """A DuckDB file lies in the project, and is copied with it; of a database the snapshot holds the name."""

    def __init__(self, make: Callable[[], str] | None = None) -> None:
        """`make` makes a database of the server and gives its URL; None for DuckDB."""
        self._url = make() if make else None
        self._numbers = count(1)
        if self._url:
            # Dropping a database waits for a disk. Only clients die here: the server needs none.
            self._execute("ALTER SYSTEM SET fsync = off")
            self._execute("SELECT pg_reload_conf()")

    def begin(self, snapshot: Path | None) -> str | None:
        """A copy of a snapshot's database, or an empty one; gives its URL. None for DuckDB."""
        if self._url is None:
            return None
        name = self._copy((snapshot / "database").read_text() if snapshot else "template0")
        return self._url.replace(f"/{_name(self._url)}?", f"/{name}?")

    def keep(self, snapshot: Path, url: str | None) -> None:
        """Copy a database for a snapshot."""
        if url:
            (snapshot / "database").write_text(self._copy(_name(url)))

    def end(self, url: str | None) -> None:
        """A database is not needed any more; a backend that outlives its client goes with it."""
        if url:
            self._execute(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def _copy(self, name: str) -> str:
        copy = f"{_name(self._url or '')}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY WAL_LOG")
        return copy

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self._url or "", autocommit=True) as connection:
            connection.execute(sql)


def _name(url: str) -> str:
    return url.split("?")[0].rsplit("/", 1)[1]
