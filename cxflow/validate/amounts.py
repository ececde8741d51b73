"""Finds amounts with more decimals than their currency has: 5.55 JPY is no amount. Called by `suites` and `gate`."""

from __future__ import annotations

import duckdb
from sqlalchemy import Table

from cxflow.model.currencies import MINOR_UNITS
from cxflow.model.stream import Stream
from cxflow.warehouse import tables


def fit(table: Table) -> dict[str, str]:
    """Column of money to the condition, over a row `t`, that it fits the smallest unit of the row's currency. Prices of
    one unit are left out: petrol costs tenths of a cent."""
    columns = tables.mappable(table)
    money = [name for name, column in columns.items() if column.type is tables.MONEY and name != "unit_price"]
    if "currency_code" not in columns:
        return {}
    codes: dict[int, list[str]] = {}
    for code, digits in sorted(MINOR_UNITS.items()):
        codes.setdefault(digits, []).append(code)
    whens = " ".join(
        f"WHEN t.currency_code IN ({', '.join(map(repr, codes[digits]))}) THEN {_unit(digits)}"
        for digits in sorted(codes.keys() - {2})
    )
    unit = f"CASE {whens} ELSE {_unit(2)} END"
    return {name: f"coalesce(t.{name} % {unit} = 0, true)" for name in money}


def _unit(digits: int) -> str:
    """SQL: the smallest unit of a currency, of the type of money."""
    return f"{10**-digits:.4f}::DECIMAL(18, 4)"


def misfits(database: duckdb.DuckDBPyConnection, stream: Stream) -> dict[str, int]:
    """Column of money, as `table.column`, to the number of rows of a conformed batch whose amount does not fit."""
    found: dict[str, int] = {}
    for name in stream.to:
        if conditions := fit(tables.CANONICAL[name]):
            counts = ", ".join(f"count(*) FILTER (NOT {condition})" for condition in conditions.values())
            row = database.execute(f"SELECT {counts} FROM {name} t").fetchone() or ()
            found |= {f"{name}.{column}": rows for column, rows in zip(conditions, row, strict=True) if rows}
    return found
