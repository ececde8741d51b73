"""Checks a mapping against the names of the raw columns, before a record is read. Called by `flow`.

It knows names only, not types: what it refuses, `projection` would refuse, too, once the records are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cxflow import record_sql
from cxflow.conform import own_columns
from cxflow.conform.projection import expressions, unknown_column
from cxflow.errors import ConfigError
from cxflow.model.names import alike
from cxflow.model.sql_place import named, shown
from cxflow.model.stream import Stream

_ITEM = frozenset({"item", "item_no"})
_WHOLE_RECORD = "raw"
"""DuckDB's name of the relation, which as a column is the record with all its columns."""


def check(
    stream: Stream,
    names: Sequence[str],
    further: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Check that the raw columns that a stream uses are among `names`, and that no two of these differ in case alone.

    `further` gives more names, and is asked only if some are missing: what an earlier load knew. Raises ConfigError
    with the nearest name.
    """
    try:
        _check(stream, names)
    except ConfigError:
        lower = {name.lower() for name in names}
        _check(stream, [*names, *(name for name in further() if name.lower() not in lower)])


def _check(stream: Stream, names: Sequence[str]) -> None:
    if pair := alike(names):
        raise ConfigError(
            f"the raw columns {pair[0]!r} and {pair[1]!r} differ in case alone, and SQL cannot tell them apart",
            value=pair[1],
            fix="give one of them another name at the source",
        )
    renamed = own_columns.renamed(names, stream)
    names = [renamed.get(name, name) for name in names]
    may_lack = (name.split(".")[0].lower() for name in stream.may_lack)
    known = {*map(str.lower, names), *own_columns.names(stream), "*", *may_lack}
    for place, expression, has_items in expressions(stream):
        for column in record_sql.parse(place, expression).columns():
            first, *inner = (part.lower() for part in column.path)
            if first == _WHOLE_RECORD and first not in known:
                first = inner[0] if inner else "*"
            if first not in known and not (has_items and first in _ITEM):
                raise unknown_column(
                    f"{place}: {named(expression)}",
                    column.path[0],
                    list(names),
                    shown(expression, column.at),
                )
    for name in stream.pii:
        if known.isdisjoint((name.lower(), name.split(".")[0].lower())):
            raise unknown_column("pii", name, list(names))
