"""PostgreSQL as a source. What holds whatever a query says:

- The session is read-only by the options of its connection, and the transaction by its own BEGIN; a transaction that
  has begun to read cannot be made to write.
- What a stream declares goes through a cursor of the server: `DECLARE … CURSOR FOR` takes a SELECT without CTEs that
  write, and psycopg sends it by the extended protocol, which takes one statement. Its simple protocol, which takes
  several, sends statements of our own alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase

CONNECT_TIMEOUT_SECONDS = 30
_READ_ONLY = "-c default_transaction_read_only=on"
_NO_OPTIONS = ("unsupported startup parameter", "command-line options")
"""What PgBouncer and RDS Proxy say to options of a connection."""


class Postgresql(SourceDatabase):
    """By psycopg, in one read-only snapshot."""

    drivers: ClassVar[tuple[str, ...]] = ("psycopg",)
    has_one_snapshot: ClassVar[bool] = True
    has_infinite_times: ClassVar[bool] = True
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

    def _begin(self) -> None:
        self._run(f"SET LOCAL statement_timeout = {max(1, round(self._timeout_seconds * 1000))}")
        self._run("SET LOCAL TIME ZONE 'UTC'")
        # Other styles psycopg does not read.
        self._run("SET LOCAL DateStyle = 'ISO'")
        self._run("SET LOCAL IntervalStyle = 'postgres'")


def _connector(own_options: str) -> Callable[..., Any]:
    """What connects in SQLAlchemy's stead: read-only from the first statement, of SQLAlchemy's own too."""

    def connect(dialect: sa.Dialect, _record: Any, arguments: Any, keywords: dict[str, Any]) -> Any:
        # Here, not above: psycopg is an extra.
        from psycopg import IsolationLevel, OperationalError

        from cxflow.connect.sql.postgresql_values import register

        try:
            driver: Any = dialect.connect(*arguments, **keywords)
        except OperationalError as problem:
            if not any(mark in str(problem) for mark in _NO_OPTIONS):
                raise
            # A pooler, which would not take them. Nor may its sessions be changed, which others get after us: the
            # transaction alone is read-only then, and there is one.
            keywords["options"] = own_options
            driver = dialect.connect(*arguments, **keywords)
        # psycopg's BEGIN says both.
        driver.read_only = True
        driver.isolation_level = IsolationLevel.REPEATABLE_READ
        register(driver)
        return driver

    return connect
