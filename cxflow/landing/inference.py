"""Infers the raw schema of a batch from its files. Called by `extract`."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from cxflow.duck import literal, literals, workbench
from cxflow.errors import SourceError
from cxflow.model.raw_schema import RawSchema, json_step

_FIRST_RECORDS = 2_000
"""How many records make the first guess at a schema."""
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)*")
"""Paths that need no quoting."""

MOST_LEVELS = 100
"""How deep a record may be nested."""
OWN = ("_payload", "_row", "_origin", "_received_at", "_landed_batch", "_landed_row")
"""The columns that landing adds."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the records of a batch have between them."""

    raw_columns: RawSchema = field(default_factory=dict)
    repeated_keys: list[str] = field(default_factory=list)
    """JSON paths of objects that have a key twice in some record, as far as they are not in lists."""


def infer(folder: Path, layout: str | None) -> Inferred:
    """The schema of the parts in a batch's folder. Every JSON record is looked at: no rare key is missed."""
    if layout is None:
        return Inferred()
    if not any(folder.glob("part-*.parquet")):  # a connector was asked for records and had none
        return Inferred()
    # The folder's own name may hold what a glob would take for a pattern; its parts' names do not.
    pattern = literal(f"{glob.escape(str(folder))}/part-*.parquet")
    parts = f"read_parquet({pattern}, union_by_name = true, hive_partitioning = false)"
    with workbench() as database:
        if layout == "columns":
            rows = database.execute(f"DESCRIBE SELECT * FROM {parts}").fetchall()
            return Inferred({row[0]: row[1] for row in rows if row[0] not in OWN})
        first = f"SELECT _payload AS record FROM {parts} LIMIT {_FIRST_RECORDS}"
        found = _structure_of(database, parts, first)
        holds, repeated = _holds_for_all(database, parts, found)
        if not holds:
            # Of the records that are built alike, one stands for all: folding structures takes DuckDB longer
            # than telling them apart.
            alike = f"SELECT any_value(_payload) AS record FROM {parts} GROUP BY json_structure(_payload)"
            found = _structure_of(database, parts, alike)
            repeated = _repeated(database, parts, found)
        return Inferred(found, sorted(repeated))


def _structure_of(database: duckdb.DuckDBPyConnection, parts: str, records: str) -> RawSchema:
    """The schema that some records (`record`) have between them."""
    row = database.execute(f"SELECT json_group_structure(record::JSON) FROM ({records})").fetchone()
    text = row[0] if row and row[0] else "{}"
    if (depth := _depth(text)) > MOST_LEVELS:
        origin = _deep_origin(database, parts)
        raise SourceError(
            f"{origin} has a record that is nested {depth:,} levels deep, more than {MOST_LEVELS}",
            value=origin,
            fix="have the source write what is nested as text, or take the record out",
        )
    structure = json.loads(text)

    def plain(value: Any, path: str, in_list: bool = False) -> Any:
        """All scalars alike: numbers, texts and booleans of JSON are kept as they are written."""
        if isinstance(value, dict):
            # An empty key has no name in SQL.
            return {key: plain(item, f'{path}."{key}"', in_list) for key, item in value.items() if key}
        if isinstance(value, list):
            return [plain(value[0], f"{path}[*]", True) if value else "NULL"]
        if value == "JSON" and _only_objects(database, parts, path, in_list):
            return {}
        return "NULL" if value == "NULL" else "VARCHAR"

    found = plain(structure, "$")
    return found if isinstance(found, dict) else {}


def _deep_origin(database: duckdb.DuckDBPyConnection, parts: str) -> str:
    """Where the first record is from that is nested too deep."""
    structure = "json_structure(_payload)::VARCHAR"
    brackets = f"length({structure}) - length(translate({structure}, '{{[', ''))"
    rows = database.execute(
        f"SELECT _origin, {structure} FROM {parts} WHERE {brackets} > {MOST_LEVELS}"
    ).fetchall()
    return next(str(origin) for origin, found in rows if _depth(found) > MOST_LEVELS)


def _depth(structure: str) -> int:
    """How deep objects and lists lie within each other, in JSON of which the only texts are names."""
    deepest = depth = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', structure):
        depth += (bracket in "{[") - (bracket in "}]")
        deepest = max(deepest, depth)
    return deepest


def _holds_for_all(
    database: duckdb.DuckDBPyConnection, parts: str, found: RawSchema
) -> tuple[bool, set[str]]:
    """Whether no record has a key, or a kind of value, that the schema does not know; and if so, the paths of objects
    with a repeated key. Every record is looked at, in half the time that it takes to describe them. Where there are
    lists it cannot be told."""
    places = dict(_places(found, "$"))
    if any(isinstance(value, list) or not _PATH.fullmatch(path) for path, value in places.items()):
        return False, set()
    repeated: set[str] = set()
    objects = {path: value for path, value in places.items() if isinstance(value, dict)}
    looks = [f"json_keys(_payload, {literal(path)})" for path in objects]
    looks.append(f"json_type(_payload, {literals(list(places))})")
    named = [f"look_{number}" for number in range(len(looks))]
    seen = ", ".join(f"{look} AS {name}" for look, name in zip(looks, named, strict=True))
    # By their hash: to tell lists apart takes longer than to make them.
    forms = f"SELECT {', '.join(f'first({name})' for name in named)} FROM (SELECT {seen} FROM {parts})"
    for *names, types in database.execute(f"{forms} GROUP BY hash({', '.join(named)})").fetchall():
        known_keys = all(
            set(met or ()) <= set(schema) for met, schema in zip(names, objects.values(), strict=True)
        )
        if not known_keys or not all(map(_is_of, types, places.values())):
            return False, set()
        repeated |= {
            path for met, path in zip(names, objects, strict=True) if met and len(met) != len(set(met))
        }
    return True, repeated


def _repeated(database: duckdb.DuckDBPyConnection, parts: str, found: RawSchema) -> set[str]:
    """The paths of objects with a repeated key, without those in lists."""
    paths = list(_object_paths(found, "$"))
    keys = f"json_keys(_payload, {literals(paths)})"
    # By their hash: to tell lists apart takes longer than to make them.
    forms = f"SELECT first(keys) FROM (SELECT {keys} AS keys FROM {parts}) GROUP BY hash(keys)"
    return {
        path
        for (found_keys,) in database.execute(forms).fetchall()
        for path, met in zip(paths, found_keys, strict=True)
        if met and len(met) != len(set(met))
    }


def _object_paths(value: Any, path: str) -> Iterator[str]:
    """The paths of the objects in a schema that are in no list, its own included."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if step := json_step(name):
                yield from _object_paths(inner, f"{path}{step}")


def _places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every path in a schema, itself included, with the schema there."""
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, f"{path}.{name}")


def _is_of(kind: str | None, value: Any) -> bool:
    """Whether a kind of JSON value is one that a schema says."""
    if kind in (None, "NULL"):
        return True
    if isinstance(value, dict):
        return kind == "OBJECT"
    return value == "VARCHAR" and kind not in ("OBJECT", "ARRAY")


def _only_objects(database: duckdb.DuckDBPyConnection, parts: str, path: str, in_list: bool) -> bool:
    """Whether what stands at a path are empty objects. DuckDB says of them what it says of a mixture."""
    if path.count('"') % 2 or "\\" in path or '""' in path:  # no path of DuckDB's leads there
        return False
    kinds = f"json_type(_payload, {literal(path)})"
    rows = database.execute(
        f"SELECT DISTINCT {f'unnest({kinds})' if in_list else kinds} AS kind FROM {parts}"
    ).fetchall()
    return {row[0] for row in rows} <= {"OBJECT", "NULL", None}
