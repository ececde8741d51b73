"""Turns rows of a database driver into Arrow tables, each column typed by its values. Called by `database`.

Nothing is rounded: integers and decimals that are too large for DuckDB land as text, and so does any value that is not
text, number, time or boolean. A row with a value that cannot land at all is refused.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cxflow.connect.column_names import unique_names
from cxflow.duck import identifier

_EXACT_IN_FLOAT = 1 << 53
_MOST_DIGITS = 38
"""Digits of a decimal in DuckDB."""


class Unreadable(str):
    """A value that Python cannot represent (an infinite time), as text. Inside a list or a range it lands as that
    text; as a column's value it gets its row refused."""

    why: str
    """The reason, as the predicate of a sentence whose subject is the column."""
    like: Any
    """A value of the same type that Python can represent, or None."""

    def __new__(cls, text: str, why: str, like: Any = None) -> Unreadable:
        made = super().__new__(cls, text)
        made.why, made.like = why, like
        return made


@dataclass(frozen=True, slots=True)
class Partition:
    """Consecutive rows of a result."""

    records: pa.Table
    """The rows that can land."""
    refused: pa.Table | None = None
    """The rows that cannot, if any: `reason` and `payload` (JSON)."""
    last: Any = None
    """The last readable value of the cursor column that is not null."""

    @property
    def rows(self) -> int:
        """The number of rows, refused ones included."""
        return int(self.records.num_rows + (self.refused.num_rows if self.refused is not None else 0))


class RowTables:
    """Makes the tables of one result, and remembers the types of its columns."""

    def __init__(self, names: Sequence[str], *, key: Sequence[str] = (), cursor: int | None = None) -> None:
        self.names = unique_names(names)
        self._key = [name for name in key if name in self.names]
        """The columns that identify a refused row in its reason."""
        self._cursor = cursor
        """The position of the column whose last value is reported."""
        self._types: dict[str, pa.DataType] = {}

    def partition(self, rows: Sequence[Sequence[Any]]) -> Partition:
        """The partition of at least one row. A column without values is text, unless it was typed before."""
        try:
            return Partition(self._table(rows), last=self._last(rows))
        except (_UnreadableError, UnicodeEncodeError):
            pass
        read, reasons, payloads = [], [], []
        for row in rows:
            faults = {
                name: why for name, value in zip(self.names, row, strict=True) if (why := _fault(value))
            }
            if faults:
                reasons.append(self._reason(row, faults))
                payloads.append(_payload(self.names, row))
            else:
                read.append(row)
        refused = pa.table({"reason": reasons, "payload": payloads})
        return Partition(self._table(read), refused, self._last(rows))

    def _table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        arrays = []
        columns = zip(*rows, strict=True) if rows else [()] * len(self.names)
        for name, values in zip(self.names, columns, strict=True):
            array = column(values)
            if array.null_count == len(array):
                array = pa.nulls(len(array), self._types.get(name, pa.string()))
            else:
                self._types[name] = array.type
            arrays.append(array)
        return pa.table(dict(zip(self.names, arrays, strict=True)))

    def _last(self, rows: Sequence[Sequence[Any]]) -> Any:
        if self._cursor is None:
            return None
        values = (row[self._cursor] for row in reversed(rows))
        return next((value for value in values if value is not None and not _fault(value)), None)

    def _reason(self, row: Sequence[Any], faults: Mapping[str, str]) -> str:
        values = dict(zip(self.names, row, strict=True))
        key = ", ".join(f"{name} {text(values[name])}" for name in self._key if name not in faults)
        why = " and ".join(f"{name} {why}" for name, why in faults.items())
        return f"{why} (record: {key})" if key else why


class _UnreadableError(ValueError):
    """A column holds an `Unreadable`."""


def _fault(value: Any) -> str | None:
    """Why a value cannot land, or None."""
    if isinstance(value, Unreadable):
        return value.why
    if isinstance(value, str | list | tuple | dict):
        try:
            text(value).encode()
        except UnicodeEncodeError:
            return "is not UTF-8"
    return None


def _payload(names: Sequence[str], row: Sequence[Any]) -> str:
    """A row as JSON; text that is not UTF-8 as its bytes in hex."""
    return json.dumps(dict(zip(names, map(_in_json, row), strict=True)), ensure_ascii=False)


def _in_json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    shown = text(value)
    try:
        shown.encode()
    except UnicodeEncodeError:
        return f"\\x{shown.encode('utf-8', 'surrogateescape').hex()}"
    return shown


def column(values: Sequence[Any]) -> pa.Array:
    """A column's values in the one type that holds them all exactly, or else as text.

    Raises ValueError if one of them cannot land.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if Unreadable in kinds:
        raise _UnreadableError
    # SQLite lets a column hold both kinds of number.
    make = _numbers if kinds == {int, float} else _MAKERS.get(kinds.pop()) if len(kinds) == 1 else None
    array = make(values) if make else None
    if array is None:
        array = pa.array([None if value is None else text(value) for value in values], pa.string())
    return array


def text(value: Any) -> str:
    """A value as text: containers as JSON, times in ISO 8601, bytes in base64."""
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
    """SQL for the columns of a registered Arrow table, with types that the landing zone keeps as text cast to text."""
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
    """None if a value is not finite, or has more digits than DuckDB keeps."""
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
    """None if only some have a zone."""
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
