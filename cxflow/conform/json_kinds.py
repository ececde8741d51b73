"""Says where JSON records have a value of another kind (an object, a list, a plain value) at the same key.

Called by `batch` for the messages about changed or mixed keys.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from cxflow.duck import literal
from cxflow.errors import ConfigError, SourceError
from cxflow.model.raw_schema import RawSchema, json_step

_WORDS = {"OBJECT": "an object", "ARRAY": "a list"}


def described(
    database: duckdb.DuckDBPyConnection, records: str, columns: tuple[str, ...], *schemas: RawSchema
) -> str:
    """The kinds of value that records have at dotted columns, each with a file: "tags: a list (a.jsonl), …".

    `schemas` are where the columns are looked up. Empty if they are not found.
    """
    found = []
    for column in columns:
        path = next(filter(None, (_path(schema, column) for schema in schemas)), None)
        if path and (kinds := _kinds(database, records, path)):
            found.append(f"{column}: {', '.join(f'{kind} ({origin})' for kind, origin in kinds.items())}")
    return "; ".join(found)


def explained(
    problem: ConfigError, database: duckdb.DuckDBPyConnection, records: str, raw: RawSchema
) -> ConfigError | SourceError:
    """The error of a mapping, or if a key that it names has values of several kinds, one that says so.

    The raw column of such a key is the text of its JSON, from which no field can be read.
    """
    for path, dotted in _plain_keys(raw, "$", ""):
        if dotted.lower() not in problem.message.lower():
            continue
        kinds = _kinds(database, records, path)
        if len(kinds) > 1:
            shown = ", ".join(f"{kind} (in {origin})" for kind, origin in kinds.items())
            return SourceError(
                f"the key {dotted!r} has values of several kinds, {shown}: its raw column is the text of its JSON. "
                f"{problem.message}",
                value=dotted,
                fix="have the source write one kind; or read the text in the mapping, as with json_extract_string()",
            )
    return problem


def _kinds(database: duckdb.DuckDBPyConnection, records: str, path: str) -> dict[str, str]:
    """Kind of value at a JSON path to the first file that has it, without nulls."""
    kind = f"json_type(_payload, {literal(path)})"
    kind = f"unnest({kind})" if "[*]" in path else kind
    rows = database.execute(
        f"SELECT kind, min(_origin) FROM (SELECT {kind} AS kind, _origin FROM {records}) "
        "WHERE kind <> 'NULL' GROUP BY kind"
    ).fetchall()
    found: dict[str, str] = {}
    for name, origin in sorted(rows):
        found.setdefault(_WORDS.get(name, "a plain value"), str(origin))
    return found


def _path(schema: RawSchema, column: str) -> str | None:
    """The JSON path of a dotted column, or None."""
    at: object = schema
    path, rest = "$", column
    while rest:
        while isinstance(at, list):
            at, path = at[0], f"{path}[*]"
        if not isinstance(at, dict):
            return None
        names = [name for name in at if rest == name or rest.startswith(f"{name}.")]
        name = max(names, key=len, default=None)  # a name of its own may hold dots
        step = json_step(name) if name is not None else None
        if name is None or step is None:
            return None
        path, at, rest = f"{path}{step}", at[name], rest[len(name) + 1 :]
    return path


def _plain_keys(schema: RawSchema, path: str, dotted: str) -> Iterator[tuple[str, str]]:
    """JSON path and dotted name of each key with plain values, outside of lists."""
    for name, value in schema.items():
        if (step := json_step(name)) is None:
            continue
        if isinstance(value, dict):
            yield from _plain_keys(value, f"{path}{step}", f"{dotted}{name}.")
        elif value == "VARCHAR":
            yield f"{path}{step}", f"{dotted}{name}"
