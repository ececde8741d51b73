"""Records straight into the landing zone, and from there through the stages: no files, no source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cxflow import flow
from cxflow.conform import batch as conforming
from cxflow.landing import files, inference, zone
from cxflow.landing.prepared import Conformed
from cxflow.load.batch import LoadReport
from cxflow.model import raw_schema
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.reading import Page, Query, Reject, Snapshot
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Settings
from cxflow.testing import TestProject
from cxflow.warehouse import tables, transactions

Record = Mapping[str, Any]
NewWarehouse = Callable[[], dict[str, Any]]
"""The fixture `new_warehouse`: makes one, and gives a project's `[warehouse]`."""

TODAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def land(
    settings: Settings,
    records: Iterable[Record],
    *,
    connection: str = "shop",
    stream: str = "things",
    delivered: datetime = TODAY,
    malformed: Iterable[str] = (),
    as_columns: bool = False,
    arrow: pa.Table | None = None,
    mode: Mode = "scheduled",
    end: datetime | None = None,
    cursor: dict[str, Any] | None = None,
    earlier: Iterable[tuple[datetime, Iterable[Record]]] = (),
    deliveries: Iterable[tuple[str, datetime, Iterable[Record]]] = (),
    snapshots: Iterable[Snapshot] = (),
) -> BatchRef:
    """One raw batch, as `extract` would land it: JSON, or text columns (or an Arrow table's own) `as_columns`.

    `earlier` are deliveries before this one in the same batch, `deliveries` further ones by their origin. `snapshots`
    are those that hold everything.
    """
    records = list(records)
    with zone.writing() as writer, duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        received = f"'sample' AS _origin, TIMESTAMPTZ '{delivered.isoformat()}' AS _received_at"
        if as_columns or arrow is not None:
            names = list(dict.fromkeys(name for record in records for name in record))
            source = arrow or pa.table(
                {name: pa.array([record.get(name) for record in records], pa.string()) for name in names}
            )
            database.register("source", source)
            writer.land(Query(database, f"SELECT *, {received} FROM source"))
        for then, some in earlier:
            writer.land(Page("sample", then, list(some)))
        for origin, then, some in deliveries:
            writer.land(Page(origin, then, list(some)))
        if records and not as_columns:
            writer.land(Page("sample", delivered, records))
        rejects = [Reject("not a JSON object", line) for line in malformed]
        writer.land(Page("sample", delivered, rejects=rejects))
        for snapshot in snapshots:
            writer.land(snapshot)
        writer.close()
        window = Window(None, end or datetime(2026, 3, 3, tzinfo=UTC))
        now = datetime.now(UTC)
        manifest = zone.Manifest(
            connection=connection,
            stream=stream,
            batch_id=zone.new_batch_id(window, now),
            mode=mode,
            connector="files",
            plugin_version="1",
            window=window.as_json(),
            extracted_at=now.isoformat(),
            layout=writer.layout or "columns",
            records=writer.rows,
            malformed=writer.malformed_rows,
            parts=files.checksums(writer.folder),
            cursor=(cursor or {"seen": 1}) if mode == "scheduled" else {},
            raw_columns=inference.infer(writer.folder, writer.layout).raw_columns,
            snapshots=[files.snapshot_as_json(snapshot) for snapshot in writer.snapshots],
        )
        return zone.commit(settings, writer, manifest)


@dataclass(frozen=True, slots=True)
class Scratch:
    """A conformed batch, open for questions."""

    conformed: Conformed
    database: duckdb.DuckDBPyConnection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.execute(sql).fetchall()

    def column(self, sql: str) -> list[Any]:
        return [row[0] for row in self.rows(sql)]

    @property
    def refused(self) -> list[tuple[Any, ...]]:
        """Row, rule, column, raw value: in order."""
        return self.rows("SELECT _row, rule, column_name, raw_value FROM refused ORDER BY ALL")


@contextmanager
def conformed(
    settings: Settings,
    folder: Path,
    declaration: Mapping[str, Any],
    records: Iterable[Record],
    *,
    connection: Mapping[str, Any] | None = None,
    known: raw_schema.RawSchema | None = None,
    **landed: Any,
) -> Iterator[Scratch]:
    """The outcome of conforming some records by a declaration."""
    stream = Stream.model_validate({"name": "things", **declaration})
    of = Connection.model_validate({"name": "shop", "connector": "files", **(connection or {})})
    batch = land(settings, records, **landed)
    scratch = folder / batch.batch_id
    scratch.mkdir()
    with zone.local_copy(settings, batch.path) as folder:
        made = conforming.conform(settings, of, stream, batch, known or {}, folder, scratch)
    with duckdb.connect(str(made.database)) as database:
        database.execute("SET TimeZone = 'UTC'")
        yield Scratch(made, database)


class Bench(TestProject):
    """A project whose batches are landed by hand."""

    __test__ = False

    def __init__(
        self,
        folder: Path,
        streams: Mapping[str, Mapping[str, Any]],
        *,
        others: Mapping[str, Mapping[str, Any]] | None = None,
        warehouse: Mapping[str, Any] | None = None,
        **settings: Mapping[str, Any],
    ) -> None:
        """`streams` are those of the connection `shop`, `others` further connections' by name."""
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, self.tree(streams, others, settings), warehouse=warehouse)

    @staticmethod
    def tree(
        streams: Mapping[str, Mapping[str, Any]],
        others: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        def connection(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
            return {
                "connector": "files",
                "streams": {name: {"path": f"{name}.jsonl", **stream} for name, stream in declared.items()},
            }

        found = {"shop": connection(streams)}
        found |= {name: connection(declared) for name, declared in (others or {}).items()}
        return {**(settings or {}), "connections": found}

    def land(self, records: Iterable[Record], stream: str = "things", **options: Any) -> BatchRef:
        return land(self.settings, records, stream=stream, **options)

    def load(self, records: Iterable[Record], stream: str = "things", **options: Any) -> LoadReport:
        """Land, prepare and load."""
        batch = self.land(records, stream, **options)
        flow.prepare(self.settings, batch)
        return flow.load(self.settings, batch)

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table's rows, the books among them."""
        with transactions.transaction(self.settings) as warehouse:
            return {
                name: sorted((tuple(row) for row in warehouse.execute(table.select())), key=repr)
                for name, table in tables.metadata.tables.items()
            }

    def execute(self, *statements: str) -> None:
        """Write to the warehouse past cxflow, in one transaction."""
        with transactions.transaction(self.settings) as warehouse:
            for statement in statements:
                warehouse.exec_driver_sql(statement)

    def clear(self) -> None:
        """Empty every table."""
        self.execute(*(f"DELETE FROM {name}" for name in tables.metadata.tables))

    def quarantine(self, *columns: str) -> list[tuple[Any, ...]]:
        return self.rows(
            "quarantine", *(columns or ("source_record_id", "rule", "column_name", "raw_value", "status"))
        )
