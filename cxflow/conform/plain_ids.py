"""Ids that are numbers, as plain text. Called wherever an id is made: keys of records, ids in rows, identifiers.

A tool that meets an empty cell makes a column of whole numbers one of floating ones, and writes 1001.0 for 1001: it is
the same id. A spreadsheet that shows a long number as 1.23457E+15 has lost digits: such an id is kept, and counted.
"""

from __future__ import annotations

import duckdb

_LARGEST = "1e15"
"""Larger floating numbers may not be whole ones: a double has sixteen digits."""
_WHOLE = r"'-?[0-9]+(?:\.0+|,0)'"
"""`1001,0` is how the same tool writes it with a decimal comma; `1,000` is no such number."""
_MANGLED = r"'[-+]?[0-9](?:\.[0-9]+)?[eE][+][0-9]+'"


def plain(sql: str, kind: str) -> str:
    """SQL: an id of a DuckDB type as text, trimmed, without the decimals of a whole number."""
    if kind in ("DOUBLE", "FLOAT"):
        whole = f"{sql} = trunc({sql}) AND abs({sql}) < {_LARGEST}"
        return f"CASE WHEN {whole} THEN {sql}::BIGINT::VARCHAR ELSE {sql}::VARCHAR END"
    text = f"trim({sql})" if kind == "VARCHAR" else f"{sql}::VARCHAR"
    if kind == "VARCHAR" or kind.startswith("DECIMAL"):
        # Most ids do not end in 0, and need no expression.
        is_whole = f"suffix({text}, '0') AND regexp_full_match({text}, {_WHOLE})"
        return f"CASE WHEN {is_whole} THEN regexp_extract({text}, '^[^.,]+') ELSE {text} END"
    return text


def mangled(database: duckdb.DuckDBPyConnection, places: dict[str, str]) -> dict[str, int]:
    """Name of a place to the number of its ids that a spreadsheet cut short; only places with any. `places` maps each
    name to SQL over the table `wide`."""
    if not places:
        return {}
    counts = []
    for text in places.values():
        bare = f"regexp_extract({text}, '[^:|]+$')"  # without the system, or the other parts of a key
        counts.append(
            f"count(*) FILTER (contains(upper({text}), 'E+') AND regexp_full_match({bare}, {_MANGLED}))"
        )
    row = database.execute(f"SELECT {', '.join(counts)} FROM wide").fetchone() or ()
    return {name: found for name, found in zip(places, row, strict=True) if found}
