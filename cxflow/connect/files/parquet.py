"""Reads Parquet files with their own types. The independent count comes from their metadata."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.connect.column_names import RESERVED
from cxflow.connect.files.header_names import refuse_other_case
from cxflow.connect.files.items import Items, with_origin
from cxflow.connect.files.stream import FileStream
from cxflow.connect.files.text import LocalFile, plainly_named, reading
from cxflow.duck import identifier, literals
from cxflow.errors import SourceError
from cxflow.model.reading import Count, Header, Query


def read(
    stream: FileStream, files: list[LocalFile], database: duckdb.DuckDBPyConnection, folder: Path
) -> Items:
    """Read Parquet files, grouped by their sets of columns. Folder names (Hive partitions) do not become columns."""
    zoned: dict[str, bool] = {}
    by_names: dict[frozenset[str], list[LocalFile]] = {}
    for file in (plainly_named(file, folder) for file in files):
        metadata = _metadata(file)
        schema = metadata.schema.to_arrow_schema()
        if len(schema.names) > stream.max_columns:
            raise SourceError(
                f"{file.origin} has {len(schema.names):,} columns, more than {stream.max_columns:,}",
                value=file.origin,
                fix="raise max_columns",
            )
        refuse_other_case(file, schema.names, "have the source rename one of them")
        header = None if metadata.num_rows else _header(database, file)
        yield Count(metadata.num_rows, file.origin, remark_none=True, header=header)
        by_names.setdefault(frozenset(schema.names), []).append(file)
        for field in schema:
            has_zone = pa.types.is_timestamp(field.type) and field.type.tz is not None
            if pa.types.is_timestamp(field.type) and zoned.setdefault(field.name, has_zone) != has_zone:
                # One relation holds them all, and would read naive times as UTC.
                raise SourceError(
                    f"{file.origin}: times in {field.name!r} have a zone in some files but not in others",
                    value=field.name,
                    fix="declare a stream for each kind",
                )
    for names, group in by_names.items():
        clashing = sorted(name for name in names if name.lower() in RESERVED)
        renamed = ", ".join(f"{identifier(name)} AS {identifier(f'{name}_2')}" for name in clashing)
        relation = (
            f"(SELECT *{f' RENAME ({renamed})' if renamed else ''}, file_index AS _cxflow_file "
            f"FROM {_relation(group)})"
        )
        yield Query(database, with_origin(database, relation, group, "_cxflow_file"))


def _header(database: duckdb.DuckDBPyConnection, file: LocalFile) -> Header:
    rows = database.execute(f"DESCRIBE SELECT * FROM {_relation([file])}").fetchall()
    names = (f"{row[0]}_2" if row[0].lower() in RESERVED else row[0] for row in rows)
    return Header({name: row[1] for name, row in zip(names, rows, strict=True)}, file.received_at)


def _relation(files: list[LocalFile]) -> str:
    paths = literals([str(file.path) for file in files])
    return f"read_parquet({paths}, union_by_name = true, hive_partitioning = false)"


def _metadata(file: LocalFile) -> pq.FileMetaData:
    with reading(file):
        try:
            return pq.read_metadata(file.path)
        except pa.ArrowInvalid:
            raise SourceError(
                f"{file.origin} is not a readable Parquet file; is it cut off?", value=file.origin
            ) from None
