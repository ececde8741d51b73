"""A small database of an invented shop, on PostgreSQL, SQLite or DuckDB, read by the built-in connector `sql`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from file_source import Landed, landed
from sqlalchemy.pool import NullPool

from cxflow.connect import registry
from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.extract import extract
from cxflow.model.reading import Cursor
from cxflow.model.window import Window
from cxflow.settings import load
from cxflow.testing.project import as_toml

KINDS = ("postgresql", "sqlite", "duckdb")
PLUGINS = ["cxflow.connect.sql"]
"""Named, so that the tests do not depend on what was installed when; naming an installed one changes nothing."""

TO = {"touchpoint": {"activity": "'placed_order'", "channel": "'web'", "occurred_at": "updated_at"}}
ZONED = {"postgresql": "timestamptz", "sqlite": "text", "duckdb": "timestamptz"}
NAIVE = {"postgresql": "timestamp", "sqlite": "text", "duckdb": "timestamp"}


class Shop:
    """The database, and a project that reads it."""

    def __init__(self, kind: str, folder: Path, make_postgresql: Callable[[], str] | None) -> None:
        self.kind = kind
        self.folder = folder
        if make_postgresql is not None and kind == "postgresql":
            self.url = make_postgresql()
        else:
            self.url = f"{kind}:///shop.{kind}"
        self.write_url(self.url)

    def write_url(self, url: str) -> None:
        """What the secret file says."""
        (self.folder / "shop.url").write_text(url, encoding="utf-8")

    @property
    def writer_url(self) -> str:
        """Where tests write: a file's URL, absolute."""
        return self.url if self.kind == "postgresql" else f"{self.kind}:///{self.folder}/shop.{self.kind}"

    def execute(self, *statements: str) -> None:
        """Write to the source."""
        engine = sa.create_engine(self.writer_url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the source past the connector."""
        engine = sa.create_engine(self.writer_url, poolclass=NullPool)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.exec_driver_sql(statement)]
        engine.dispose()
        return rows

    def orders(self, *rows: tuple[int, str | None], of: dict[str, str] = ZONED) -> None:
        """The table `orders`: id and the time of the last change, as written."""
        self.execute(f"CREATE TABLE orders (id bigint, updated_at {of[self.kind]})")
        self.add(*rows)

    def add(self, *rows: tuple[int, str | None]) -> None:
        values = ", ".join(f"({key}, {'NULL' if at is None else repr(at)})" for key, at in rows)
        if values:
            self.execute(f"INSERT INTO orders VALUES {values}")

    def configure(self, connection: dict[str, Any] | None = None, **stream: Any) -> None:
        declared = {"primary_key": ["id"], "to": TO, **stream}
        if "query" not in declared:
            declared.setdefault("table", "orders")
        table = {
            "connector": "sql",
            "url": {"file": "shop.url"},
            **(connection or {}),
            "streams": {"orders": declared},
        }
        text = as_toml({"plugins": PLUGINS, "connections": {"shop": table}})
        (self.folder / "cxflow.toml").write_text(text, encoding="utf-8")

    def connector(self, connection: dict[str, Any] | None = None, **stream: Any) -> Connector:
        self.configure(connection, **stream)
        return registry.open_connection(load(self.folder), "shop")

    def land(
        self,
        *,
        last: Cursor | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
        connection: dict[str, Any] | None = None,
        **stream: Any,
    ) -> Landed:
        """Extract: a scheduled run from the cursor `last`, or a backfill of the window where it is None."""
        connector = self.connector(connection, **stream)
        window = Window(start, end or datetime.now(UTC))
        mode = "backfill" if last is None else "scheduled"
        asked = Extraction(connector, connector.stream("orders"), window, last, mode)
        batch = extract(connector.settings, asked, limit)
        return landed(connector.settings, batch)
