"""Checks the columns of files without a readable record: a login page or a cover sheet is no empty export.

Called by `batch`. Where the stream's columns are known, `drift` judges these files like any other. Where nothing is
known yet, the mapping itself tells which columns there must be.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from cxflow.conform import own_columns
from cxflow.conform.projection import bind, check_tags, record_expressions, types
from cxflow.duck import identifier
from cxflow.errors import ConfigError, SourceError
from cxflow.model import raw_schema
from cxflow.model.reading import Header
from cxflow.model.stream import Stream
from cxflow.warehouse import tables


def check(
    database: duckdb.DuckDBPyConnection, stream: Stream, headers: Mapping[str, Header], *, key_alone: bool
) -> None:
    """Check that the mapping, or with `key_alone` the primary key, could be computed over the columns of each header.

    `headers` is by origin. Raises SourceError with the origin of the first whose columns do not do.
    """
    by_columns: dict[tuple[tuple[str, str], ...], str] = {}
    for origin, header in headers.items():
        by_columns.setdefault(tuple(header.columns.items()), origin)
    for columns, origin in by_columns.items():
        renamed = own_columns.renamed(dict(columns), stream)
        raw = {renamed.get(name, name): kind for name, kind in columns}
        raw = raw_schema.with_absent(raw, stream.may_lack)
        try:
            _bind(database, stream, raw, key_alone)
        except ConfigError as problem:
            fix = "deliver the file again if it is not what it should be, or correct the mapping"
            raise SourceError(
                f"{origin} has no readable record, and not the columns that the mapping names: {problem.message}",
                value=origin,
                fix=f"{fix}; {problem.fix}" if problem.fix else fix,
            ) from None


def _bind(
    database: duckdb.DuckDBPyConnection, stream: Stream, raw: raw_schema.RawSchema, key_alone: bool
) -> None:
    """Bind the expressions to a relation `raw` without rows. Raises ConfigError."""
    kinds = {name: kind if isinstance(kind, str) else "VARCHAR" for name, kind in raw.items()}
    columns = "".join(f"NULL::{kind} AS {identifier(name)}, " for name, kind in kinds.items())
    own = "NULL::VARCHAR AS _origin, NULL::TIMESTAMPTZ AS _received_at, NULL::BIGINT AS _row"
    if stream.has_places:
        own += ", NULL::VARCHAR AS _file, NULL::BIGINT AS _file_row"
    database.execute(f"CREATE TEMP VIEW raw AS SELECT {columns}{own} WHERE false")
    try:
        expressions = record_expressions(stream)
        if key_alone:
            keys = {name: sql for name, sql in expressions.items() if name.startswith("primary_key_")}
            types(database, "", keys, raw)
            return
        check_tags(stream, raw)
        types(database, "", expressions, raw)
        for name, projections in stream.to.items():
            for projection in projections:
                bind(database, tables.CANONICAL[name], projection, raw)
    finally:
        database.execute("DROP VIEW raw")
