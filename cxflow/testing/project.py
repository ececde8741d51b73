"""A project for tests, run by the same functions as the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cxflow import flow
from cxflow.load.batch import LoadReport
from cxflow.model.batch import Mode
from cxflow.model.window import Window
from cxflow.settings import FILE_NAME, Settings, load
from cxflow.warehouse import revisions, tables, transactions

VOLATILE = ("run_id", "loaded_at", "received_at")
"""Columns that differ between two loads of the same data: when, and by which load."""


class TestProject:
    """A project with a migrated warehouse: DuckDB, unless `warehouse` (its `[warehouse]`) is given."""

    __test__ = False  # not a test, despite its name
    _warehouse = ""

    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Any] | str,
        *,
        warehouse: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.settings: Settings
        self.reconfigure(configuration, warehouse=warehouse)
        revisions.ensure(self.settings)

    def reconfigure(
        self, configuration: Mapping[str, Any] | str, *, warehouse: Mapping[str, Any] | None = None
    ) -> None:
        """Write a new `cxflow.toml`, with the same landing zone and, unless another is given, the same warehouse."""
        if warehouse is not None:
            self._warehouse = f"\n[warehouse]\n{as_toml(warehouse)}"
        text = configuration if isinstance(configuration, str) else as_toml(configuration)
        (self.folder / FILE_NAME).write_text(text + self._warehouse, encoding="utf-8")
        self.settings = load(self.folder)

    def run(
        self,
        connection: str | None = None,
        stream: str | None = None,
        *,
        mode: Mode = "scheduled",
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> dict[str, LoadReport]:
        """Run streams up to `end` (default: now), a backfill from `start`. Returns reports by `connection.stream`."""
        end = end or datetime.now(UTC)
        reports = {}
        for name in [connection] if connection else list(self.settings.connections):
            for each in [stream] if stream else flow.streams(self.settings, name):
                window = (
                    Window(start, end)
                    if mode == "backfill"
                    else flow.scheduled_window(self.settings, name, each, end)
                )
                reports[f"{name}.{each}"] = flow.run_stream(self.settings, name, each, window, mode)
        return reports

    def settle(self) -> None:
        """Resolve identity, score the texts, compute KPIs and publish the views."""
        flow.resolve_identity(self.settings)
        flow.score_texts(self.settings)
        flow.compute_kpis(self.settings)
        flow.publish(self.settings)

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query on the warehouse, with times in UTC and parameters as `:name`."""
        with transactions.transaction(self.settings) as warehouse:
            return _answer(warehouse, sql, parameters)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """A table's rows, sorted. `columns` may be expressions; default: all columns but the volatile ones."""
        with transactions.transaction(self.settings) as warehouse:
            return _sorted_rows(warehouse, table, columns or _lasting(table))

    def digest(self) -> dict[str, str]:
        """A hash of each canonical and identity table's content, the same for equal warehouses."""
        names = [*tables.CANONICAL, "customer", "customer_history", "customer_identity", "record_identity"]
        with transactions.transaction(self.settings) as warehouse:
            return {name: _hash(_sorted_rows(warehouse, name, _lasting(name))) for name in names}

    def books_balance(self) -> bool:
        """Whether every load in the ledger accounts for every record, checked without the table's constraint."""
        found = self.query(
            "SELECT count(*) FROM load_run WHERE status = 'loaded' AND extracted <> "
            "inserted + updated + unchanged + deleted + deduplicated + quarantined"
        )
        return found == [(0,)]


def _answer(warehouse: sa.Connection, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in warehouse.execute(sa.text(sql), parameters)]


def _sorted_rows(warehouse: sa.Connection, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    # Sorted here: databases disagree on the order of texts.
    return sorted(_answer(warehouse, f"SELECT {', '.join(columns)} FROM {table}", {}), key=repr)


def _lasting(table: str) -> tuple[str, ...]:
    names = (column.name for column in tables.metadata.tables[table].columns)
    return tuple(name for name in names if name not in VOLATILE)


def _hash(rows: list[tuple[Any, ...]]) -> str:
    return hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()


def as_toml(tree: Mapping[str, Any]) -> str:
    """A configuration as TOML, with inline tables only."""
    return "".join(f"{_key(name)} = {_value(item)}\n" for name, item in tree.items())


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _value(item: Any) -> str:
    if isinstance(item, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in item.items()) + " }"
    if isinstance(item, list | tuple):
        return "[" + ", ".join(_value(inner) for inner in item) + "]"
    if isinstance(item, datetime):
        return item.isoformat()
    return json.dumps(item, ensure_ascii=False)
