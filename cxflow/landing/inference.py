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
import pyarrow as pa
import pyarrow.parquet as pq

from cxflow.duck import literal, literals, workbench
from cxflow.errors import SourceError
from cxflow.landing import files, forms
from cxflow.landing.shape import MIXED, NULL, SCALAR, InexpressibleError, Shape
from cxflow.model.raw_schema import RawSchema, json_step

_FIRST_RECORDS = 2_000
"""How many records make the first guess at a schema."""
_MOST_ADDITIONS = 8
"""How often records of another shape are added to the first: all are described anew."""
_MOST_FORMS = 2_000
"""Forms of records that are told apart; of more, the parser is quicker."""

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
        return _by_example(database, folder, parts) or _by_all(database, parts)


class _Examples:
    """Records that stand for all, at first the first ones, and the shape that they have between them."""

    def __init__(self, database: duckdb.DuckDBPyConnection, parts: str) -> None:
        self._database, self._parts = database, parts
        database.execute("CREATE TEMP TABLE example (record VARCHAR)")
        self.shape = self._described()

    def add(self, records: str) -> None:
        """Add the records (`record`) of a query, and describe all anew."""
        self._database.execute(f"INSERT INTO example {records}")
        self.shape = self._described()

    def _described(self) -> dict[str, Any]:
        first = f"SELECT _payload AS record FROM {self._parts} LIMIT {_FIRST_RECORDS}"
        examples = f"({first}) UNION ALL SELECT record FROM example"
        return _keys_of(self._database, self._parts, examples, examples)


def _by_example(database: duckdb.DuckDBPyConnection, folder: Path, parts: str) -> Inferred | None:
    """The schema of the first records, once the others are found to be built alike. Where some are not, theirs is
    added; None if that is so again and again, or cannot be told."""
    examples = _Examples(database, parts)
    return _by_form(database, parts, examples) or _by_shape(database, folder, examples)


def _by_form(database: duckdb.DuckDBPyConnection, parts: str, examples: _Examples) -> Inferred | None:
    """The schema of records without lists and repeated keys: DuckDB tells, with all threads, the keys of their objects.
    Records that have the same are of one form, and forms are few."""
    for _ in range(_MOST_ADDITIONS):
        try:
            shapes = dict(forms.places_of(examples.shape))
            objects = tuple(place for place, shape in shapes.items() if isinstance(shape, dict))
            places = forms.Places(objects, tuple(place for place in shapes if place != "$"))
            found = places.forms(database, parts, _MOST_FORMS + 1)
        except (InexpressibleError, duckdb.OutOfMemoryException):
            return None
        # Of a key that is there twice, DuckDB tells only what stands there first.
        if len(found) > _MOST_FORMS or any(form.repeated for form in found):
            return None
        if not (others := [form for form in found if not form.is_of(shapes)]):
            return Inferred(_columns(examples.shape))
        examples.add(places.one_of_each(others, parts))
    return None


def _by_shape(database: duckdb.DuckDBPyConnection, folder: Path, examples: _Examples) -> Inferred | None:
    """The schema of any records: a parser reads one row group after the other."""
    known = Shape(examples.shape)
    repeated: set[str] = set()
    additions = 0
    try:
        for payloads, group in _groups(folder):
            seen = known.look(payloads)
            if not seen.alike and additions < _MOST_ADDITIONS:
                additions += 1
                examples.add(_one_of_each(group))
                known = Shape(examples.shape)
                seen = known.look(payloads)
            if not seen.alike:
                return None
            if seen.repeats:
                repeated |= _repeated(database, group, _columns(known.keys))
    except InexpressibleError:
        return None
    return Inferred(_columns(known.keys), sorted(repeated))


def _by_all(database: duckdb.DuckDBPyConnection, parts: str) -> Inferred:
    """The schema of all records, described one by one."""
    all_records = f"SELECT _payload AS record FROM {parts}"
    found = _columns(_keys_of(database, parts, _one_of_each(parts), all_records))
    return Inferred(found, sorted(_repeated(database, parts, found)))


def _one_of_each(records: str) -> str:
    """Of the records that are built alike, one stands for all: folding structures takes DuckDB longer than telling them
    apart."""
    return f"SELECT any_value(_payload) AS record FROM {records} GROUP BY json_structure(_payload)"


def _groups(folder: Path) -> Iterator[tuple[pa.StringArray, str]]:
    """The records of each row group, as JSON and as a DuckDB relation."""
    for part in files.parts_in(folder):
        relation = f"read_parquet({literals([str(part)])}, file_row_number = true)"
        first = 0
        with pq.ParquetFile(part) as file:
            for number in range(file.num_row_groups):
                payloads = file.read_row_group(number, columns=["_payload"]).column(0).combine_chunks()
                texts = payloads.storage if isinstance(payloads, pa.ExtensionArray) else payloads
                last = first + len(texts) - 1
                yield texts, f"(SELECT * FROM {relation} WHERE file_row_number BETWEEN {first} AND {last})"
                first = last + 1


def _keys_of(database: duckdb.DuckDBPyConnection, parts: str, records: str, among: str) -> dict[str, Any]:
    """The keys that some records (`record`) have between them, each with the shape of what stands there.

    `among`: the records of which some are looked at again, because DuckDB says the same of empty objects and of a
    mixture."""
    row = database.execute(f"SELECT json_group_structure(record::JSON) FROM ({records})").fetchone()
    text = row[0] if row and row[0] else "{}"
    if (depth := _depth(text)) > MOST_LEVELS:
        origin = _deep_origin(database, parts)
        raise SourceError(
            f"{origin} has a record that is nested {depth:,} levels deep, more than {MOST_LEVELS}",
            value=origin,
            fix="have the source write what is nested as text, or take the record out",
        )

    def shape(value: Any, path: str, in_list: bool = False) -> Any:
        """All scalars alike: numbers, texts and booleans of JSON are kept as they are written."""
        if isinstance(value, dict):
            return {key: shape(item, f'{path}."{key}"', in_list) for key, item in value.items()}
        if isinstance(value, list):
            return [shape(value[0], f"{path}[*]", True) if value else NULL]
        if value == MIXED:
            return {} if _only_objects(database, among, path, in_list) else MIXED
        return NULL if value == NULL else SCALAR

    found = shape(json.loads(text), "$")
    return found if isinstance(found, dict) else {}


def _columns(shape: Any) -> Any:
    """What a raw schema says of a shape: an empty key has no name in SQL, and a mixture is read as text."""
    if isinstance(shape, dict):
        return {key: _columns(item) for key, item in shape.items() if key}
    if isinstance(shape, list):
        return [_columns(shape[0])]
    return SCALAR if shape == MIXED else shape


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
    for bracket in re.findall(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"|[{}\[\]]', structure):
        depth += (bracket in "{[") - (bracket in "}]")
        deepest = max(deepest, depth)
    return deepest


def _repeated(database: duckdb.DuckDBPyConnection, parts: str, found: RawSchema) -> set[str]:
    """The paths of objects with a repeated key, without those in lists."""
    places = forms.Places(tuple(_object_paths(found, "$")))
    return set().union(*(form.repeated for form in places.forms(database, parts)))


def _object_paths(value: Any, path: str) -> Iterator[str]:
    """The paths of the objects in a schema that are in no list, its own included."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if step := json_step(name):
                yield from _object_paths(inner, f"{path}{step}")


def _only_objects(database: duckdb.DuckDBPyConnection, records: str, path: str, in_list: bool) -> bool:
    """Whether what stands at a path are empty objects. DuckDB says of them what it says of a mixture."""
    if path.count('"') % 2 or "\\" in path or '""' in path:  # no path of DuckDB's leads there
        return False
    kinds = f"json_type(record, {literal(path)})"
    rows = database.execute(
        f"SELECT DISTINCT {f'unnest({kinds})' if in_list else kinds} AS kind FROM ({records})"
    ).fetchall()
    return {row[0] for row in rows} <= {"OBJECT", "NULL", None}
