"""Reads the numbers of JSON as they are written. Called by `batch`.

DuckDB reads a JSON number with a point or an exponent as a double: of `12345678901234567.123456789` it keeps sixteen
digits. Such a number is quoted before DuckDB reads the record, so that a mapping casts the digits as they are written.

In a stream whose texts have a decimal comma, all numbers with a point are quoted with a comma: 12.345 was never a text,
in which its point would separate thousands. Only records that need either pass through Python.
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

_FUNCTION = "cxflow_quote_numbers"
_LONG = "[0-9][0-9.]{16,}"
"""Found in every record that has a number with more than fifteen digits."""
_WHOLE = re.compile(r"\.0+$")
_WITH_POINT = "[0-9][.eE]"
_NUMBER = "[0-9]+[.][0-9]+(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"|-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?', re.DOTALL)
_EXACT_DIGITS = 15
"""Significant digits that every double keeps."""


def exact(database: duckdb.DuckDBPyConnection, payload: str, decimal: str = ".") -> str:
    """SQL for the payload, with quotes around the numbers that DuckDB would not read as they are written."""
    quote = _quote if decimal == "." else _quote_with_comma

    def quoted(payloads: Any) -> Any:  # Arrow arrays of text
        return pa.array([text and _TOKEN.sub(quote, text) for text in payloads.to_pylist()], pa.string())

    database.create_function(_FUNCTION, quoted, ["varchar"], "varchar", type=PythonUDFType.ARROW)
    if decimal != ".":
        return f"CASE WHEN regexp_matches({payload}, '{_WITH_POINT}') THEN {_FUNCTION}({payload}) ELSE {payload} END"
    # Most long numbers were written from a double and survive unchanged.
    changes = "length(number) > 16 AND TRY_CAST(number AS DOUBLE)::VARCHAR IS DISTINCT FROM number"
    numbers = f"regexp_extract_all({payload}, '{_NUMBER}')"
    return (
        f"CASE WHEN regexp_matches({payload}, '{_LONG}') "
        f"AND len(list_filter({numbers}, lambda number: {changes})) > 0 "
        f"THEN {_FUNCTION}({payload}) ELSE {payload} END"
    )


def _quote_with_comma(match: re.Match[str]) -> str:
    token = match[0]
    is_other = token[0] == '"' or token.lstrip("-").isdigit()
    if is_other:
        return token
    # 1001.0 is the id 1001.
    return f'"{_WHOLE.sub("", token).replace(".", ",")}"'


def _quote(match: re.Match[str]) -> str:
    token = match[0]
    is_short = token[0] == '"' or token.lstrip("-").isdigit()
    if is_short or sum(map(str.isdigit, re.split("[eE]", token)[0])) <= _EXACT_DIGITS:
        return token
    return f'"{token}"'
