"""SQLite as a source. It stays read-only whatever a query contains: the file is opened with `mode=ro`, the connection
is `query_only`, and Python's `execute` takes a single statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import quote

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase

_NUMBERED = re.compile(r"(.+):\d+", re.DOTALL)


class Sqlite(SourceDatabase):
    """A file, in one read transaction."""

    drivers: ClassVar[tuple[str, ...]] = ("pysqlite",)
    has_one_snapshot: ClassVar[bool] = True
    mixes_types: ClassVar[bool] = True

    def spelled(self, names: list[str], query: str | None) -> list[str]:
        """As in `SourceDatabase`: the second `score` is `Score:1`."""
        if query is None:
            return names
        known = {name.lower() for name in names}
        bases = (_NUMBERED.fullmatch(name) for name in names)
        return [
            base[1] if base and base[1].lower() in known else name
            for name, base in zip(names, bases, strict=True)
        ]

    def as_time(self, column: str, *, zoned: bool) -> str:
        """As in `SourceDatabase`: SQLite's own form of times, which sorts. Those with a zone are converted to UTC."""
        return f"strftime('%Y-%m-%d %H:%M:%f{'Z' if zoned else ''}', {column})"

    @classmethod
    def _engine(cls, url: sa.URL, **arguments: Any) -> sa.Engine:
        file = f"file:{quote(url.database or '')}"
        url = url.set(database=file).update_query_dict({"mode": "ro", "uri": "true"})
        return super()._engine(url, **arguments)

    def _begin(self) -> None:
        # Bytes that are not UTF-8 become surrogates, which valid text never has: `row_tables` finds them.
        self._driver.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        self._run("PRAGMA query_only = ON")
        self._run("BEGIN")  # the sqlite3 module only begins a transaction before it writes

    def _interrupt(self) -> Callable[[], None] | None:
        interrupt: Callable[[], None] = self._driver.interrupt
        return interrupt
