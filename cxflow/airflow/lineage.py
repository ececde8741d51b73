"""What each task reads and writes, by OpenLineage's naming rules. `openlineage_events` puts it into events.

Nothing here opens a warehouse or a source: names come from settings and declarations, numbers from what the task has
returned and from the manifest of its batch. Nothing here holds a value of a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import sqlalchemy as sa

from cxflow import record_sql, sources
from cxflow.connect.sql.query import tables as tables_of
from cxflow.kpis import catalogue
from cxflow.landing import prepared, zone
from cxflow.model.batch import BatchRef, Counts
from cxflow.model.dataset import Dataset, of_files, of_table
from cxflow.model.stream import Stream
from cxflow.publish import snapshot, views
from cxflow.settings import Settings
from cxflow.warehouse import tables, transactions
from cxflow.warehouse.tables import CANONICAL, metadata

_tables_of = cache(tables_of)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or a view."""

    name: str
    kind: str | None
    """Its SQL type; None if it is not known."""
    description: str


@dataclass(frozen=True, slots=True)
class Io:
    """A dataset that a task reads or writes, and what is known of it."""

    dataset: Dataset
    kind: str = "TABLE"
    """TABLE, VIEW or FILE."""
    columns: tuple[Column, ...] = ()
    rows: int | None = None
    """Rows or records that were read or written; None: not known, or nothing was."""
    files: int | None = None
    version: str | None = None
    """Of a landing folder: the batch."""
    refused: Mapping[str, int] | None = None
    """Rule to the number of records that it sent to quarantine; None: nothing was checked."""
    made_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column to the columns of the task's first input that its expressions name."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a task reads and writes."""

    inputs: tuple[Io, ...] = ()
    outputs: tuple[Io, ...] = ()


def extract(settings: Settings, connection: str, stream: str, batch: BatchRef | None) -> Lineage:
    """From the source to the landing zone. `batch`: what was landed; None: nothing was."""
    connector = sources.open_connection(settings, connection)
    landed = Io(_landed(settings, connection, stream), "FILE")
    read = [
        Io(each, "TABLE" if each.is_table else "FILE")
        for each in connector.datasets(connector.stream(stream))
    ]
    if batch is not None:
        manifest = zone.read_manifest(settings, batch)
        landed = replace(landed, rows=manifest.records, files=len(manifest.parts), version=manifest.batch_id)
        if len(read) == 1:
            read = [replace(read[0], rows=manifest.records)]
    return Lineage(tuple(read), (landed,))


def prepare(settings: Settings, batch: BatchRef, *, is_done: bool) -> Lineage:
    """The landed batch, and which rules refuse records of it. What is prepared of it is gone after its load."""
    landed = Io(_landed(settings, batch.connection, batch.stream), "FILE", version=batch.batch_id)
    if is_done:
        verdict = prepared.verdict_of(settings, batch)
        landed = replace(landed, rows=verdict.extracted, refused=verdict.rules)
    return Lineage((landed,))


def load(
    settings: Settings, batch: BatchRef, counts: Counts | None, rules: Mapping[str, int] | None
) -> Lineage:
    """From the landed batch to the canonical tables and the quarantine. `counts`, `rules`: of a load that was done."""
    stream = sources.open_connection(settings, batch.connection, offline=True).stream(batch.stream)
    landed = Io(_landed(settings, batch.connection, batch.stream), "FILE", version=batch.batch_id)
    if counts is not None:
        landed = replace(landed, rows=counts.extracted, refused=dict(rules or {}))
    filled = [_filled(settings, stream, name, counts) for name in stream.to]
    others = [tables.quarantine, *([tables.record_identity] if stream.identifiers else [])]
    return Lineage((landed,), (*filled, *_tables(settings, others)))


def identity(settings: Settings) -> Lineage:
    """From the identifiers in records to customers, and to the rows that name one."""
    named = [table for table in CANONICAL.values() if any(c.info.get("identity") for c in table.columns)]
    found = [tables.customer, tables.customer_identity, *named]
    return Lineage(_bare(settings, [tables.record_identity]), tuple(_tables(settings, found)))


def words(settings: Settings, signals: int | None) -> Lineage:
    """From texts to signals; `signals`: how many were written."""
    texts = [table for table in CANONICAL.values() if any(c.info.get("text") for c in table.columns)]
    (made,) = _tables(settings, [tables.signal])
    return Lineage(_bare(settings, texts), (replace(made, rows=signals),))


def kpis(settings: Settings, published: int | None) -> Lineage:
    """From the tables whose changes change a KPI to its values; `published`: how many were new or different."""
    read = {name for kpi in catalogue.of_project(settings).values() for name in kpi.estimator(settings).reach}
    read |= {tables.customer.name, tables.customer_history.name}  # for segments
    found = [table for table in metadata.sorted_tables if table.name in read]
    values, catalogued = _tables(settings, [tables.kpi_value, tables.kpi_definition])
    return Lineage(_bare(settings, found), (replace(values, rows=published), catalogued))


def publish(settings: Settings) -> Lineage:
    """From the tables that views show to the views, and to the snapshot."""
    url = transactions.warehouse_url(settings)
    queries = views.definitions(url.get_dialect()(), settings)
    named = {name for query in queries.values() for _, name in _tables_of(query, url.get_backend_name())}
    read = [table for table in metadata.sorted_tables if table.name in named]
    shown = [
        Io(
            of_table(url, name),
            "VIEW",
            tuple(Column(column, None, text) for column, text in described.columns.items()),
        )
        for name, described in views.descriptions().items()
    ]
    place = snapshot.path(settings)
    copies = [Io(of_files(str(place)), "FILE")] if place else []
    return Lineage(_bare(settings, read), (*shown, *copies))


def _landed(settings: Settings, connection: str, stream: str) -> Dataset:
    url = settings.landing.url
    root = url if "://" in url else str(settings.path(url))
    return of_files(f"{root.rstrip('/')}/{connection}/{stream}", settings.landing.storage_options)


def _tables(settings: Settings, found: Iterable[sa.Table]) -> list[Io]:
    url = transactions.warehouse_url(settings)
    dialect = url.get_dialect()()
    return [
        Io(
            of_table(url, table.name),
            columns=tuple(
                Column(each.name, each.type.compile(dialect), str(each.comment)) for each in table.columns
            ),
        )
        for table in found
    ]


def _bare(settings: Settings, found: Iterable[sa.Table]) -> tuple[Io, ...]:
    """Tables that a task reads, without their columns: those are told of where it writes them."""
    url = transactions.warehouse_url(settings)
    return tuple(Io(of_table(url, table.name)) for table in found)


def _filled(settings: Settings, stream: Stream, name: str, counts: Counts | None) -> Io:
    """A canonical table that a stream fills. The rows are known where each record makes exactly one."""
    (table,) = _tables(settings, [CANONICAL[name]])
    projections = stream.to[name]
    made_of: dict[str, tuple[str, ...]] = {}
    for projection in projections:
        for column, expression in projection.columns.items():
            named = [*made_of.get(column, ()), *_columns_of(expression)]
            made_of[column] = tuple(dict.fromkeys(named))
    made_of = {column: raw for column, raw in made_of.items() if raw}
    only = projections[0] if len(projections) == 1 else None
    rows = None
    if counts is not None and only is not None and only.where is None and only.for_each is None:
        rows = counts.inserted + counts.updated + counts.deleted
    return replace(table, rows=rows, made_of=made_of)


@cache
def _columns_of(expression: str) -> list[str]:
    """The raw columns that an expression of a mapping names, dotted if nested. `item` is part of a list, no column."""
    paths = {each.path for each in record_sql.parse("", expression).columns()}
    return sorted(".".join(path) for path in paths if path[0] not in ("item", "item_no"))
