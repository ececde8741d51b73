"""Finds the raw columns that some origins of a batch have and others lack. Called by `conform`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from cxflow.duck import literal, workbench
from cxflow.landing import files
from cxflow.model.reading import Header


def lacking(folder: Path, known: Iterable[str], headers: Mapping[str, Header]) -> dict[str, tuple[str, ...]]:
    """Where the origins of a batch differ: raw column to the origins that lack it.

    They are looked at in the order of their delivery. A column is lacked by those that follow one which had it,
    a `known` one by any: before it first appeared it was not missing. `headers` are the columns of origins without
    a record; what only they have is not missing elsewhere.
    """
    # DuckDB unites columns whose names differ in case only.
    had = {
        path: {name.lower(): name for name in pq.read_schema(path).names} for path in files.parts_in(folder)
    }
    if len({frozenset(columns) for columns in had.values()}) < 2 and not headers:
        return {}
    with workbench() as database:
        # Of a file that was read twice, the later reading counts.
        origins: dict[tuple[int, str], tuple[dict[str, str], bool]] = {
            (received_at, origin): (had[path], True)
            for path in had
            for origin, received_at in database.execute(
                "SELECT _origin, epoch_us(min(_received_at)) "
                f"FROM read_parquet({literal(str(path))}, hive_partitioning = false) GROUP BY _origin"
            ).fetchall()
        }
    for origin, header in headers.items():
        names = {name.lower(): name for name in (*header.columns, "_origin", "_received_at")}
        origins[_microseconds(header.received_at), origin] = (names, False)
    seen = {name.lower(): name for name in known}
    found: dict[str, list[str]] = {}
    for (_, origin), (names, has_records) in sorted(origins.items(), key=lambda each: each[0]):
        for key in seen.keys() - names.keys():
            found.setdefault(seen[key], []).append(origin)
        if has_records:
            seen = names | seen
    return {name: tuple(lack) for name, lack in sorted(found.items())}


def _microseconds(instant: datetime) -> int:
    """Since 1970, as DuckDB's `epoch_us` gives them."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
