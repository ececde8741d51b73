"""Explains why a record was refused: the meaning of the rule, and the expression that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxflow import sources
from cxflow.errors import CxflowError
from cxflow.model.stream import Stream
from cxflow.settings import Settings
from cxflow.validate import suites
from cxflow.warehouse import tables

_MEANINGS = {
    "malformed": "the line or document could not be read as a record; only a new delivery fixes it",
    "cast": "the value does not fit the column's type",
    "zone_missing": "a time without a zone, and neither stream nor connection has a timezone",
    "required": "a required value is missing",
    "expression": "the mapping's expression fails on this record",
    "duplicate_key": "several different records have the same key, and nothing tells which is right",
    "repeated_key": "several rows of the record have the same key",
    "new_column": "the record has a raw column not seen before, and the policy refuses it",
    "missing_column": "a raw column seen before is missing from the record, and the policy refuses it",
    "retyped_column": "a raw column changed its type, and the policy refuses it",
}
"""The meanings of the rules that are not expectations."""


def meaning(settings: Settings, entry: Mapping[str, Any]) -> str | None:
    """The meaning of a quarantine entry's rule; None if it has no description."""
    rule = str(entry["rule"])
    if rule in _MEANINGS:
        return _MEANINGS[rule]
    stream = _stream(settings, entry)
    if stream is not None:
        named = suites.of_stream(settings.quality, stream)
    else:  # those of the table are the same for every stream
        table = tables.CANONICAL.get(_table(entry))
        named = {} if table is None else {table.name: suites.of_table(settings.quality, table)}
    expectations = (each for suite in named.values() for each in suite)
    return next((each.says for each in expectations if each.rule == rule), None) or None


def expression(settings: Settings, entry: Mapping[str, Any]) -> str | None:
    """The current expression of the mapping for the canonical column at fault; for several, each with its column."""
    stream = _stream(settings, entry)
    if stream is None:
        return None
    places = [place.partition(".")[::2] for place in (entry["column_name"] or "").split(", ")]
    found = {
        column: " or ".join(
            part.columns[column] for part in stream.to.get(table, ()) if column in part.columns
        )
        for table, column in places
    }
    if len(found) == 1:
        return next(iter(found.values())) or None
    return "; ".join(f"{column} = {sql}" for column, sql in found.items() if sql) or None


def _table(entry: Mapping[str, Any]) -> str:
    """The canonical table of an entry's column; empty if it is about none."""
    return str(entry["column_name"] or "").partition(".")[0]


def _stream(settings: Settings, entry: Mapping[str, Any]) -> Stream | None:
    """The entry's stream; None if it is no longer configured, or cannot be opened."""
    try:
        connector = sources.open_connection(settings, entry["source_system"], offline=True)
        found: Stream = connector.stream(entry["source_object"])
    except CxflowError:
        return None
    return found
