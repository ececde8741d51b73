"""The raw shape of a batch: its columns, nested as they are. Seen at extraction, compared at conforming.

A shape is JSON: `"VARCHAR"` for a plain JSON value, `"NULL"` where only nulls were met, a database type for a
typed column, an object for an object and a one-element list for a list.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cxflow.errors import SourceError
from cxflow.model.sql import literal, literals
from cxflow.model.workbench import workbench

Shape = dict[str, Any]

_FIRST_RECORDS = 2_000
"""How many records make the first guess at a shape."""
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)*")
"""Paths that need no quoting."""

MOST_LEVELS = 100
"""How deep a record may be nested."""
OWN = ("_payload", "_row", "_origin", "_received_at")
"""The columns that landing adds."""


def describe(folder: Path, layout: str | None) -> Shape:
    """The shape of the parts in a batch's folder. Every JSON record is looked at: no rare key is missed."""
    if layout is None:
        return {}
    if not any(folder.glob("part-*.parquet")):  # a connector was asked for records and had none
        return {}
    # The folder's own name may hold what a glob would take for a pattern; its parts' names do not.
    pattern = literal(f"{glob.escape(str(folder))}/part-*.parquet")
    parts = f"read_parquet({pattern}, union_by_name = true, hive_partitioning = false)"
    with workbench() as database:
        if layout == "columns":
            rows = database.execute(f"DESCRIBE SELECT * FROM {parts}").fetchall()
            return {row[0]: row[1] for row in rows if row[0] not in OWN}
        first = f"SELECT _payload AS record FROM {parts} LIMIT {_FIRST_RECORDS}"
        found = _structure_of(database, parts, first)
        if not _holds_for_all(database, parts, found):
            # Of the records that are built alike, one stands for all: folding structures takes DuckDB longer
            # than telling them apart.
            alike = f"SELECT any_value(_payload) AS record FROM {parts} GROUP BY json_structure(_payload)"
            found = _structure_of(database, parts, alike)
        return found


def _structure_of(database: duckdb.DuckDBPyConnection, parts: str, records: str) -> Shape:
    """The shape that some records (`record`) have between them."""
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
            return {key: plain(item, f'{path}."{key}"', in_list) for key, item in value.items()}
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


def _holds_for_all(database: duckdb.DuckDBPyConnection, parts: str, found: Shape) -> bool:
    """Whether no record has a key, or a kind of value, that the shape does not know. Every record is looked at, in
    half the time that it takes to describe them. Where there are lists it cannot be told."""
    places = dict(_places(found, "$"))
    if any(isinstance(value, list) or not _PATH.fullmatch(path) for path, value in places.items()):
        return False
    objects = {path: value for path, value in places.items() if isinstance(value, dict)}
    looks = [f"json_keys(_payload, {literal(path)})" for path in objects]
    looks.append(f"json_type(_payload, {literals(list(places))})")
    named = [f"look_{number}" for number in range(len(looks))]
    seen = ", ".join(f"{look} AS {name}" for look, name in zip(looks, named, strict=True))
    # By their hash: to tell lists apart takes longer than to make them.
    forms = f"SELECT {', '.join(f'first({name})' for name in named)} FROM (SELECT {seen} FROM {parts})"
    for *names, types in database.execute(f"{forms} GROUP BY hash({', '.join(named)})").fetchall():
        known_keys = all(
            set(met or ()) <= set(shape) for met, shape in zip(names, objects.values(), strict=True)
        )
        if not known_keys or not all(map(_is_of, types, places.values())):
            return False
    return True


def _places(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every path in a shape, itself included, with the shape there."""
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, f"{path}.{name}")


def _is_of(kind: str | None, value: Any) -> bool:
    """Whether a kind of JSON value is one that a shape says."""
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


@dataclass(frozen=True, slots=True)
class Drift:
    """How a shape differs from the one known: dotted column names."""

    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        """Only what there is."""
        parts = {"new": self.new, "missing": self.missing, "retyped": self.retyped}
        return {name: list(columns) for name, columns in parts.items() if columns}


def differences(known: Shape, seen: Shape, prefix: str = "") -> Drift:
    """What `seen` adds, lacks and shows in another form. Nothing is known of a stream's first batch."""
    if not known and not prefix:
        return Drift()
    new: list[str] = []
    missing: list[str] = []
    retyped: list[str] = []
    for name in {**known, **seen}:
        path = f"{prefix}{name}"
        if name not in known:
            new.append(path)
        elif name not in seen:
            missing.append(path)
        else:
            before, after = known[name], seen[name]
            while isinstance(before, list) and isinstance(after, list):
                before, after = before[0], after[0]
            if "NULL" in (before, after):
                continue
            if isinstance(before, dict) and isinstance(after, dict):
                inner = differences(before, after, f"{path}.")
                new += inner.new
                retyped += inner.retyped
                # Absent inner keys are how JSON says null: only whole columns count as missing.
            elif _form(before) != _form(after):
                retyped.append(path)
    return Drift(tuple(new), tuple(missing), tuple(retyped))


def merge(known: Shape, seen: Shape) -> Shape:
    """A shape that holds both; where they disagree the newer form is kept."""
    merged = dict(known)
    for name, value in seen.items():
        merged[name] = _merge(merged[name], value) if name in merged else value
    return merged


def _merge(known: Any, seen: Any) -> Any:
    if known == "NULL":
        return seen
    if seen == "NULL":
        return known
    if isinstance(known, dict) and isinstance(seen, dict):
        return merge(known, seen)
    if isinstance(known, list) and isinstance(seen, list):
        return [_merge(known[0], seen[0])]
    return seen


def _form(value: Any) -> str:
    """Object, list or plain; a database's plain types are alike, as are the texts and numbers of JSON."""
    if isinstance(value, list) or str(value).endswith("]"):
        return "list"
    return "object" if isinstance(value, dict) or str(value).startswith(("STRUCT(", "MAP(")) else "plain"


def names(shape: Shape, prefix: str = "") -> list[str]:
    """All dotted names in a shape."""
    found = []
    for name, value in shape.items():
        found.append(f"{prefix}{name}")
        if isinstance(value, dict):
            found += names(value, f"{prefix}{name}.")
    return found


def with_absent(shape: Shape, absent: tuple[str, ...]) -> Shape:
    """The shape with further dotted names, as plain values, where it lacks them."""
    result: Shape = json.loads(json.dumps(shape))
    for path in absent:
        at = result
        *parents, last = path.split(".")
        for parent in parents:
            if at.get(parent) == "NULL":  # met, but never with a value
                at[parent] = {}
            inner = at.setdefault(parent, {})
            at = inner if isinstance(inner, dict) else {}
        at.setdefault(last, "VARCHAR")
    return result


def as_structure(shape: Shape) -> str:
    """The shape as the structure that `from_json` takes. Of names that differ only in case, which SQL cannot
    tell apart, the one met first."""
    return json.dumps(_structure(shape))


def _structure(value: Any) -> Any:
    if isinstance(value, dict):
        # An object met only empty has no keys that could be read: keep its text.
        first = {key.lower(): key for key in reversed(value)}
        told_apart = {key: value[key] for key in reversed(first.values())}
        return {key: _structure(item) for key, item in told_apart.items()} if value else "VARCHAR"
    if isinstance(value, list):
        return [_structure(value[0])]
    return "VARCHAR"
