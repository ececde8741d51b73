"""Masks the personal values of raw records and canonical rows that are shown to people. Called by `dry_run` and
`examples`.

A value keeps its shape (`xxx@xxxxxxx.xxx`, `+99 999 999 999`), which tells whether it is an address or a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from cxflow import record_sql
from cxflow.model.stream import Stream
from cxflow.warehouse import tables

_LONGEST = 40
"""Characters of a shape."""


def columns(stream: Stream) -> set[str]:
    """The raw columns, dotted and in lower case, that a stream calls personal, and those that name its customers; `*`
    if that may be any."""
    named = {
        column.dotted
        for sql in stream.identifiers.values()
        for column in record_sql.parse("identifiers", sql).columns()
    }
    return {name.lower() for name in stream.pii} | named


def touches(sql: str, tagged: Set[str]) -> bool:
    """Whether an expression reads one of these raw columns."""
    return any(column.touches(tagged) for column in record_sql.parse("to", sql).columns())


def places(stream: Stream, tagged: Set[str]) -> set[str]:
    """The canonical columns, as `table.column`, that the views mask, or that a mapping makes of one of the raw columns
    `tagged`."""
    found = set()
    for name, projection in ((name, each) for name, many in stream.to.items() for each in many):
        known = tables.mappable(tables.CANONICAL[name])
        items = {"item"} if projection.for_each and touches(projection.for_each, tagged) else set()
        for column, sql in projection.columns.items():
            if known[column].info.get("pii") or touches(sql, tagged | items):
                found.add(f"{name}.{column}")
    return found


def masked_record(record: Mapping[str, Any], tagged: Set[str]) -> dict[str, Any]:
    """A raw record without its personal values: those of the columns `tagged`, and everything in these."""
    return {name: _masked(value, name.lower(), tagged) for name, value in record.items()}


def _masked(value: Any, path: str, tagged: Set[str]) -> Any:
    if path in tagged or "*" in tagged:
        return masked(value)
    if isinstance(value, Mapping):
        return {name: _masked(inner, f"{path}.{name.lower()}", tagged) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, path, tagged) for inner in value]
    return value


def masked(value: Any) -> Any:
    """The shape of a value, or of each within it; nothing remains nothing."""
    if value is None or value == "":
        return value
    if isinstance(value, Mapping):
        return {name: masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    text = str(value)
    shape = "".join("9" if each.isdigit() else "x" if each.isalpha() else each for each in text[:_LONGEST])
    return f"{shape}…" if len(text) > _LONGEST else shape
