"""The raw schema of a stream: its columns, nested as in the source, and how two schemas differ.

It is JSON: `"VARCHAR"` for a plain JSON value, `"NULL"` where only nulls were seen, a database type for a typed column,
an object for an object and a one-element list for a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RawSchema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """How a schema differs from the known one: dotted column names."""

    new: tuple[str, ...] = ()
    """Columns that were not known."""
    missing: tuple[str, ...] = ()
    """Known columns that are gone."""
    retyped: tuple[str, ...] = ()
    """Columns that were plain values and are now objects or lists, or the reverse."""

    def as_json(self) -> dict[str, list[str]]:
        """For the ledger and `--json`, without empty entries."""
        changes = {"new": self.new, "missing": self.missing, "retyped": self.retyped}
        return {name: list(columns) for name, columns in changes.items() if columns}


def differences(known: RawSchema, seen: RawSchema, prefix: str = "") -> Drift:
    """The columns that `seen` adds, lacks or has in another type. None for a stream's first batch."""
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
                # An absent inner key is a JSON null: only whole columns count as missing.
            elif _form(before) != _form(after):
                retyped.append(path)
    return Drift(tuple(new), tuple(missing), tuple(retyped))


def merge(known: RawSchema, seen: RawSchema) -> RawSchema:
    """A schema with the columns of both; if types differ, that of `seen` wins."""
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
    """object, list or plain: all plain types of a database count as one, and so do JSON's texts and numbers."""
    if isinstance(value, list) or str(value).endswith("]"):
        return "list"
    return "object" if isinstance(value, dict) or str(value).startswith(("STRUCT(", "MAP(")) else "plain"


def names(schema: RawSchema, prefix: str = "") -> list[str]:
    """All dotted names in a schema."""
    found = []
    for name, value in schema.items():
        found.append(f"{prefix}{name}")
        if isinstance(value, dict):
            found += names(value, f"{prefix}{name}.")
    return found


def json_step(name: str) -> str | None:
    """A key as a step of a JSON path (`."name"`); None for one that no path of DuckDB's leads to."""
    return None if set('"\\\0') & set(name) else f'."{name}"'


def with_absent(schema: RawSchema, absent: tuple[str, ...]) -> RawSchema:
    """The schema, with the dotted names in `absent` added as plain values if it does not have them. A name in the items
    of a list is written like one in an object."""
    result: RawSchema = json.loads(json.dumps(schema))
    for path in absent:
        at = result
        *parents, last = path.split(".")
        for parent in parents:
            parent = _spelled(parent, at)
            if at.get(parent) == "NULL":  # seen, but never with a value
                at[parent] = {}
            inner = at.setdefault(parent, {})
            while isinstance(inner, list):
                if inner[0] == "NULL":
                    inner[0] = {}
                inner = inner[0]
            at = inner if isinstance(inner, dict) else {}
        at.setdefault(_spelled(last, at), "VARCHAR")
    return result


def _spelled(name: str, schema: RawSchema) -> str:
    """A name as a schema spells it, which may have it in another case; the name itself if it does not have it."""
    return next((each for each in schema if each.lower() == name.lower()), name)


def respelled(schema: RawSchema, known: RawSchema) -> RawSchema:
    """The schema of a table, with its columns spelled as in `known`: to SQL, `Score` and `score` are one column."""
    spelling: dict[str, str] = {}
    for name in known:
        spelling.setdefault(name.lower(), name)
    return {spelling.setdefault(name.lower(), name): kind for name, kind in schema.items()}


def spelled_as(schema: RawSchema, seen: RawSchema) -> RawSchema:
    """The schema, without the keys that JSON records of the schema `seen` spell in another case: SQL would read the
    first spelling alone."""
    spelling = {name.lower() for name in seen}
    return {
        name: _spelled_as(value, seen.get(name))
        for name, value in schema.items()
        if name in seen or name.lower() not in spelling
    }


def _spelled_as(value: Any, seen: Any) -> Any:
    if isinstance(value, dict) and isinstance(seen, dict):
        return spelled_as(value, seen)
    if isinstance(value, list) and isinstance(seen, list):
        return [_spelled_as(value[0], seen[0])]
    return value


@dataclass(frozen=True, slots=True)
class Clash:
    """Two keys of one JSON object that differ in case alone."""

    path: tuple[str, ...]
    """The names above them."""
    names: tuple[str, str]
    """The two keys, in the order in which they were seen."""
    in_list: bool
    """Whether there is a list above them."""


def clashes(schema: RawSchema, path: tuple[str, ...] = (), *, in_list: bool = False) -> Iterator[Clash]:
    """The keys at any level that differ in case alone from another one."""
    first: dict[str, str] = {}
    for name, value in schema.items():
        if (other := first.setdefault(name.lower(), name)) != name:
            yield Clash(path, (other, name), in_list)
        inner, is_list = value, in_list
        while isinstance(inner, list):
            inner, is_list = inner[0], True
        if isinstance(inner, dict):
            yield from clashes(inner, (*path, name), in_list=is_list)


def as_structure(schema: RawSchema) -> str:
    """The schema as the structure argument of `from_json`. Of names that differ only in case, which SQL cannot tell
    apart, only the first is kept."""
    return json.dumps(_structure(schema))


def _structure(value: Any) -> Any:
    if isinstance(value, dict):
        first = {key.lower(): key for key in reversed(value) if key}  # SQL has no name for an empty key
        distinct = {key: value[key] for key in reversed(first.values())}
        # An object that was always empty has no known keys: keep its text.
        return {key: _structure(item) for key, item in distinct.items()} if distinct else "VARCHAR"
    if isinstance(value, list):
        return [_structure(value[0])]
    return "VARCHAR"
