"""Keeps the digits of JSON numbers that no double holds. Called by `batch`.

DuckDB reads a JSON number with a point or an exponent as a double: of `12345678901234567.123456789` it keeps sixteen
digits. Such a number is put in quotes before DuckDB reads the record: what a mapping casts it to is then made from the
digits as they are written. Python sees only the records with a number that a double would change.
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

_FUNCTION = "cxflow_quote_long_numbers"
_LONG = "[0-9][0-9.]{16,}"
"""What a record with a number of more than fifteen digits holds somewhere."""
_NUMBER = "[0-9]+[.][0-9]+(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|-?\d++(?:\.\d++)?+(?:[eE][+-]?\d++)?+', re.DOTALL)
_EXACT_DIGITS = 15
"""That every double keeps."""


def exact(database: duckdb.DuckDBPyConnection, payload: str) -> str:
    """The SQL of a payload of which DuckDB reads every number to its last digit."""
    database.create_function(_FUNCTION, _quoted, ["varchar"], "varchar", type=PythonUDFType.ARROW)
    # What a program wrote out of a double comes back as it was: most long numbers are such.
    changes = "length(number) > 16 AND TRY_CAST(number AS DOUBLE)::VARCHAR IS DISTINCT FROM number"
    numbers = f"regexp_extract_all({payload}, '{_NUMBER}')"
    return (
        f"CASE WHEN regexp_matches({payload}, '{_LONG}') "
        f"AND len(list_filter({numbers}, lambda number: {changes})) > 0 "
        f"THEN {_FUNCTION}({payload}) ELSE {payload} END"
    )


def _quoted(payloads: Any) -> Any:  # Arrow arrays of text
    return pa.array([text and _TOKEN.sub(_quote, text) for text in payloads.to_pylist()], pa.string())


def _quote(match: re.Match[str]) -> str:
    token = match[0]
    is_short = token[0] == '"' or token.lstrip("-").isdigit()
    if is_short or sum(map(str.isdigit, re.split("[eE]", token)[0])) <= _EXACT_DIGITS:
        return token
    return f'"{token}"'
