"""Refuses JSON records whose keys differ in case alone, where the mapping reads them. Called by `batch`.

DuckDB compares names without case: of `score` and `Score` it would read one and give null for the other. Keys that the
mapping does not read do no harm.
"""

from __future__ import annotations

import json

import duckdb

from cxflow import record_sql
from cxflow.conform.projection import expressions
from cxflow.duck import literal
from cxflow.errors import SourceError
from cxflow.model import raw_schema
from cxflow.model.raw_schema import Clash, RawSchema
from cxflow.model.stream import Stream

_WHOLE = (("*",), ("raw",))
"""References to all columns at once."""


def check(database: duckdb.DuckDBPyConnection, stream: Stream, seen: RawSchema, records: str) -> None:
    """Check the raw schema of a batch, `seen`; `records` is the relation of its records.

    Raises SourceError with both keys and a file that has the second.
    """
    found = list(raw_schema.clashes(seen))
    if not found:
        return
    mapping = [sql for _, sql, _ in expressions(stream)]
    text = "\n".join(mapping).lower()
    references = {
        tuple(part.lower() for part in column.path)
        for sql in mapping
        for column in record_sql.parse("mapping", sql).columns()
    }
    for clash in found:
        if not any(_reads(reference, clash, text) for reference in references):
            continue
        first, second = clash.names
        key = json.dumps(second, ensure_ascii=False)
        row = database.execute(
            f"SELECT min(_origin) FROM {records} WHERE contains(_payload, {literal(key)})"
        ).fetchone()
        where = f" of {'.'.join(clash.path)!r}" if clash.path else ""
        origin = f" (see {row[0]})" if row and row[0] else ""
        raise SourceError(
            f"the records have the keys {first!r} and {second!r}{where}, which differ in case alone{origin}",
            value=second,
            fix="SQL cannot tell them apart: have the source write one of them, or take them out of the mapping",
        )


def _reads(reference: tuple[str, ...], clash: Clash, text: str) -> bool:
    """Whether a column reference of the mapping, whose text is `text`, may read one of the keys; all in lower case."""
    place = tuple(part.lower() for part in (*clash.path, clash.names[0]))
    if reference in _WHOLE:
        return True
    if len(reference) >= len(place):
        return reference[: len(place)] == place
    if reference != place[: len(reference)]:
        return False
    # An object above the keys is read as a whole. Of a list's items, only the keys that are named somewhere are.
    return not clash.in_list or place[-1] in text
