"""PostgreSQL as a source. It stays read-only whatever a query contains:

- The session is read-only by its connection options, and the transaction by its own BEGIN. PostgreSQL does not let a
  transaction that has read anything become read-write.
- What a stream declares is read through a server-side cursor. `DECLARE … CURSOR FOR` takes a SELECT without
  data-modifying CTEs, and psycopg sends it with the extended protocol, which takes a single statement. psycopg's
  simple protocol, which takes several, is only used for cxflow's own statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase

CONNECT_TIMEOUT_SECONDS = 30
_READ_ONLY = "-c default_transaction_read_only=on"
_NO_OPTIONS = ("unsupported startup parameter", "command-line options")
"""How PgBouncer and RDS Proxy refuse connection options."""


class Postgresql(SourceDatabase):
    """Read with psycopg, in one REPEATABLE READ snapshot."""

    drivers: ClassVar[tuple[str, ...]] = ("psycopg",)
    has_one_snapshot: ClassVar[bool] = True
    has_infinite_times: ClassVar[bool] = True
    has_commit_times: ClassVar[bool] = True
    _options: ClassVar[Mapping[str, Any]] = {"stream_results": True}

    @classmethod
    def _engine(cls, url: sa.URL, **arguments: Any) -> sa.Engine:
        if "connect_timeout" not in url.query:
            arguments["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
        own = url.query.get("options", "")
        own_options = own if isinstance(own, str) else " ".join(own)
        engine = super()._engine(url, options=f"{own_options} {_READ_ONLY}".strip(), **arguments)
        sa.event.listen(engine, "do_connect", _connector(own_options))
        return engine

    def masked(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """As in `SourceDatabase`, in one pass over the text."""
        return sa.func.translate(text, "012345678", "999999999")

    def _begin(self) -> None:
        self._run(f"SET LOCAL statement_timeout = {max(1, round(self._timeout_seconds * 1000))}")
        self._run("SET LOCAL TIME ZONE 'UTC'")
        # psycopg reads no other style.
        self._run("SET LOCAL DateStyle = 'ISO'")
        self._run("SET LOCAL IntervalStyle = 'postgres'")


def _connector(own_options: str) -> Callable[..., Any]:
    """A listener that connects for SQLAlchemy, so that even SQLAlchemy's own first statements are read-only."""

    def connect(dialect: sa.Dialect, _record: Any, arguments: Any, keywords: dict[str, Any]) -> Any:
        # Imported here because psycopg is an extra.
        from psycopg import IsolationLevel, OperationalError

        from cxflow.connect.sql.postgresql_values import register

        try:
            driver: Any = dialect.connect(*arguments, **keywords)
        except OperationalError as problem:
            if not any(mark in str(problem) for mark in _NO_OPTIONS):
                raise
            # A pooler that refuses options. Its sessions are shared, so they are left as they are: only the
            # transaction is read-only then.
            keywords["options"] = own_options
            driver = dialect.connect(*arguments, **keywords)
        # psycopg puts both into its BEGIN.
        driver.read_only = True
        driver.isolation_level = IsolationLevel.REPEATABLE_READ
        register(driver)
        return driver

    return connect
