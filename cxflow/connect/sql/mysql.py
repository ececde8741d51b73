"""MySQL and MariaDB as a source, untested: a read-only session, and drivers that send one statement at a time."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa

from cxflow.connect.sql.database import SourceDatabase


class Mysql(SourceDatabase):
    """Read in one snapshot, as far as the tables are InnoDB's."""

    drivers: ClassVar[tuple[str, ...]] = ("pymysql", "mysqldb")
    has_one_snapshot: ClassVar[bool] = True

    @classmethod
    def _engine(cls, url: sa.URL, **arguments: Any) -> sa.Engine:
        if url.get_driver_name() == "mysqldb":
            arguments["multi_statements"] = False  # by default it takes several
        return super()._engine(url, **arguments)

    def as_time(self, column: str, *, zoned: bool) -> str:  # noqa: ARG002  it has no type with a zone
        """As in `SourceDatabase`."""
        return f"CAST({column} AS datetime(6))"

    def _begin(self) -> None:
        self._run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._connection.rollback()  # the setting applies from the next transaction on
