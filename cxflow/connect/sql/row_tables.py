"""Rows of a database driver as Arrow tables, each column typed by its values. Called by `database`.

Nothing is rounded: whole numbers and decimals that no Arrow type of DuckDB's holds land as text, and so does
whatever is neither text, number, time nor boolean.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cxflow.connect.column_names import unique_names
from cxflow.model.sql import identifier

_EXACT_IN_FLOAT = 1 << 53
_MOST_DIGITS = 38
"""Of a decimal in DuckDB."""


class RowTables:
    """Makes the tables of one result, and remembers how its columns were typed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = unique_names(names)
        self._types: dict[str, pa.DataType] = {}

    def table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """One partition, of at least one row. A column without a value is text, unless it was typed before."""
        arrays = []
        for name, values in zip(self.names, zip(*rows, strict=True), strict=True):
            array = column(values)
            if array.null_count == len(array):
                array = pa.nulls(len(array), self._types.get(name, pa.string()))
            else:
                self._types[name] = array.type
            arrays.append(array)
        return pa.table(dict(zip(self.names, arrays, strict=True)))


def column(values: Sequence[Any]) -> pa.Array:
    """A column's values under the one type that holds them all as they are, else as text."""
    kinds = {type(value) for value in values} - {type(None)}
    # SQLite lets a column hold both kinds of number.
    make = _numbers if kinds == {int, float} else _MAKERS.get(kinds.pop()) if len(kinds) == 1 else None
    array = make(values) if make else None
    if array is None:
        array = pa.array([None if value is None else text(value) for value in values], pa.string())
    return array


def text(value: Any) -> str:
    """A value without a type of its own: containers as JSON, times in ISO 8601, bytes in base64."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=text)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def landing_select(schema: pa.Schema) -> str:
    """The columns of a registered Arrow table as SQL: what the landing zone keeps as text is text there."""
    names = unique_names(schema.names)
    return ", ".join(
        f"{_landed(identifier(field.name), field.type)} AS {identifier(name)}"
        for field, name in zip(schema, names, strict=True)
    )


def _landed(name: str, kind: pa.DataType) -> str:
    if pa.types.is_nested(kind):
        return f"to_json({name})::VARCHAR"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"to_base64({name})"
    if pa.types.is_interval(kind):
        return f"epoch({name})"
    return f"{name}::VARCHAR" if pa.types.is_dictionary(kind) or pa.types.is_null(kind) else name


def _integers(values: Sequence[Any]) -> pa.Array | None:
    try:
        return pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        return _decimals([None if value is None else Decimal(value) for value in values])


def _numbers(values: Sequence[Any]) -> pa.Array | None:
    if any(isinstance(value, int) and abs(value) > _EXACT_IN_FLOAT for value in values):
        return None
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _decimals(values: Sequence[Any]) -> pa.Array | None:
    """None where a value is no number, or has more digits than DuckDB keeps."""
    whole = scale = 0
    for value in values:
        if value is None:
            continue
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):  # NaN, infinity
            return None
        scale = max(scale, -exponent)
        whole = max(whole, len(digits) + exponent)
    if whole + scale > _MOST_DIGITS:
        return None
    return pa.array(values, pa.decimal128(max(whole + scale, 1), scale))


def _times(values: Sequence[Any]) -> pa.Array | None:
    """None where some have a zone and others none."""
    zoned = {value.tzinfo is not None for value in values if value is not None}
    if len(zoned) > 1:
        return None
    return pa.array(values, pa.timestamp("us", "UTC" if zoned.pop() else None))


def _seconds(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else value.total_seconds() for value in values], pa.float64())


_MAKERS: dict[type, Callable[[Sequence[Any]], pa.Array | None]] = {
    bool: lambda values: pa.array(values, pa.bool_()),
    int: _integers,
    float: lambda values: pa.array(values, pa.float64()),
    Decimal: _decimals,
    str: lambda values: pa.array(values, pa.string()),
    datetime: _times,
    date: lambda values: pa.array(values, pa.date32()),
    time: lambda values: None if any(value and value.tzinfo for value in values) else pa.array(values),
    timedelta: _seconds,
}
