"""A PostgreSQL server that tests start themselves."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import Any

import sqlalchemy as sa

from cxflow.settings import Settings
from cxflow.testing.postgresql import server
from cxflow.warehouse import revisions

__all__ = ["Postgresql", "server"]


class Postgresql:
    """Makes databases on a server. Called, an empty one; gives its URL."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._names = (f"cx{number}" for number in count(1))
        # A crash of the machine may cost these databases.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def __call__(self, template: str = "template1") -> str:
        name = next(self._names)
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return str(self._server.get_uri(database=name))

    def copy(self, url: str) -> str:
        """A database like the one at a URL; in a twentieth of the time that migrations take."""
        return self(str(sa.make_url(url).database))

    @cached_property
    def migrated(self) -> str:
        """A database with the warehouse's tables, to be copied."""
        url = self()
        revisions.migrate(Settings.model_validate({"warehouse": {"url": url}}))
        return url
