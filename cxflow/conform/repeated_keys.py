"""Of a key that a JSON object has twice, the last value counts, as nearly all parsers have it. Called by `batch`.

DuckDB takes the first. `landing` tells at which paths a batch has such objects: only then are its records looked at
here, and only those with a repeated key pass through Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from cxflow.duck import literal

_FUNCTION = "cxflow_last_of_repeated_keys"
_MARK = "\ue000"
"""Around a number, which Python must not change: a character for private use."""
_NUMBER = re.compile(f'"{_MARK}([^"{_MARK}]*){_MARK}"')


def last(database: duckdb.DuckDBPyConnection, payload: str, paths: Sequence[str]) -> str:
    """SQL for the payload with each key once, where an object at one of the JSON paths repeats one."""
    database.create_function(_FUNCTION, _rewritten, ["varchar"], "varchar", type=PythonUDFType.ARROW)
    keys = [f"json_keys({payload}, {literal(path)})" for path in paths]
    repeats = " OR ".join(f"len({each}) <> len(list_distinct({each}))" for each in keys)
    return f"CASE WHEN {repeats} THEN {_FUNCTION}({payload}) ELSE {payload} END"


def _rewritten(payloads: Any) -> Any:  # Arrow arrays of text
    return pa.array([text and _once(text) for text in payloads.to_pylist()], pa.string())


def _once(text: str) -> str:
    def number(digits: str) -> str:
        return f"{_MARK}{digits}{_MARK}"

    record = json.loads(text, parse_int=number, parse_float=number)  # the last of equal keys stays
    return _NUMBER.sub(r"\1", json.dumps(record, ensure_ascii=False))
