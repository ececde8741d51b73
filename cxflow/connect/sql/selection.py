"""Builds the SELECT of a database stream: all rows, a window on a time column, or the rows after a key.

Called by `connector`. The window's edges are written in the form of the column's values: a query does not tell the
declared types of its columns, and in SQLite they mean nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import ConfigError
from cxflow.model.window import Window

COMPARABLE = re.compile(
    r"9999-99-99((?P<separator>[^9+-])99:99(?P<second>:99(\.9+)?)?(?P<zone>[Zz]|[+-]99(:?99)?)?)?"
)
"""Texts that sort by time: ISO 8601, with each digit replaced by 9."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {"epoch": 1_000_000, "epoch_ms": 1_000}
_TURN = timedelta(hours=3)
"""More than clocks are ever put back."""
_BIGINT = 1 << 63


def nothing(stream: SqlStream) -> sa.Select[Any]:
    """The stream's columns, without rows."""
    return _all(stream).where(sa.text("1 = 0"))


def sample(stream: SqlStream) -> sa.Select[Any]:
    """One value of the first cursor column."""
    cursor = cursor_column(stream)
    return sa.select(cursor).select_from(relation(stream)).where(cursor.is_not(None)).limit(1)


def least(stream: SqlStream) -> sa.Select[Any]:
    """The first value of the first cursor column in its order."""
    return sa.select(sa.func.min(cursor_column(stream))).select_from(relation(stream))


def greatest(stream: SqlStream) -> sa.Select[Any]:
    """The last value of the first cursor column in its order."""
    return sa.select(sa.func.max(cursor_column(stream))).select_from(relation(stream))


def extremes(
    stream: SqlStream, value: Any, *, infinite: bool = False
) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """The least and the greatest value of the first cursor column; `infinite`: infinite ones do not count. Times, such
    as `value`, come as text: Python cannot represent them all."""
    cursor = cursor_column(stream)
    condition = sa.not_(_is_infinite(stream)) if infinite else cursor.is_not(None)
    edges = (sa.func.min(cursor), sa.func.max(cursor))
    least, greatest = (
        sa.select(sa.cast(edge, sa.String()) if isinstance(value, date) else edge)
        .select_from(relation(stream))
        .where(condition)
        for edge in edges
    )
    return least, greatest


def shown(stream: SqlStream, value: Any) -> str:
    """A value of the first cursor column, as a message shows it: an epoch also as a time."""
    if stream.cursor_type in _MICROSECONDS:
        instant = _EPOCH + timedelta(microseconds=int(value * _MICROSECONDS[str(stream.cursor_type)]))
        return f"{value} ({instant:%Y-%m-%dT%H:%M:%SZ})"
    return str(value)


def one_without_cursor(stream: SqlStream) -> sa.Select[Any]:
    """1 if some row has no cursor."""
    return _one(stream, cursor_column(stream).is_(None))


def one_infinite(stream: SqlStream) -> sa.Select[Any]:
    """1 if some row has an infinite cursor."""
    return _one(stream, _is_infinite(stream))


def with_cursor(stream: SqlStream) -> sa.Select[Any]:
    """The rows that have a cursor."""
    return _all(stream).where(cursor_column(stream).is_not(None))


def whole(stream: SqlStream) -> sa.Select[Any]:
    """Every row."""
    return _all(stream)


def within(stream: SqlStream, edges: Edges, *, infinite: bool = False) -> sa.Select[Any]:
    """The rows of a window, by the keyset. `infinite` adds those whose cursor is infinite, which no window holds."""
    cursor = cursor_column(stream)
    condition = cursor < edges.end
    if edges.start is not None:
        condition = sa.and_(cursor >= edges.start, condition)
    return _ordered(stream, sa.or_(condition, _is_infinite(stream)) if infinite else condition)


def after(stream: SqlStream, last: int | str | None) -> sa.Select[Any]:
    """The rows after a key (minus the look-back, if it is a number), or all rows with a key if `last` is None."""
    cursor = cursor_column(stream)
    if last is None:
        return _ordered(stream, cursor.is_not(None))
    if isinstance(last, int):
        return _ordered(stream, cursor > _number(last - stream.look_back_keys))
    return _ordered(stream, cursor > sa.literal(last, sa.String()))


def is_key(stream: SqlStream, value: Any) -> bool:
    """Whether the first cursor column is a key, by its declaration or by `value`, one of its values."""
    if stream.cursor_type:
        return stream.cursor_type == "key"
    return not isinstance(value, date) and not (isinstance(value, str) and _iso(value) is not None)


@dataclass(frozen=True, slots=True)
class Edges:
    """A window's edges in the form of the cursor column."""

    start: sa.ColumnElement[Any] | None
    end: sa.ColumnElement[Any]


def edges(stream: SqlStream, window: Window, value: Any, zone: str | None) -> Edges:
    """The edges of a window, in the form of `value`, one of the column's values.

    Raises ConfigError for times without a zone if none is declared, and for values that are not times.
    """
    start, end = window.start, window.end
    if stream.cursor_type in _MICROSECONDS:
        unit = _MICROSECONDS[str(stream.cursor_type)]
        return Edges(_number(_since_1970(start, unit)) if start else None, _number(_since_1970(end, unit)))
    written = _iso(value) if isinstance(value, str) else value
    if not isinstance(written, date):
        raise ConfigError(
            f"the values of the cursor {stream.cursor[0]!r} are not times",
            value=stream.cursor[0],
            fix='set cursor_type to "key", "epoch" or "epoch_ms"',
        )
    is_day = not isinstance(written, datetime)
    if isinstance(written, datetime) and written.tzinfo is not None:
        first, last = start, end
    else:
        first, last = _on_the_clock(stream, start, end, zone)
    return Edges(
        None if first is None else _like(value, first, is_day=is_day), _like(value, last, is_day=is_day)
    )


def _on_the_clock(
    stream: SqlStream, start: datetime | None, end: datetime, zone: str | None
) -> tuple[datetime | None, datetime]:
    """The edges in local time. If clocks are put back, an hour occurs twice: the window includes both, since reading a
    record twice is harmless."""
    if zone is None:
        raise ConfigError(
            f"the cursor {stream.cursor[0]!r} holds times without a zone, and no zone is declared",
            value=stream.cursor[0],
            fix='set timezone, such as "Europe/Madrid"',
        )
    clock = ZoneInfo(zone)

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(clock).utcoffset() or timedelta(0)

    if start is not None:
        start = start.astimezone(UTC)
        start = (start + min(offset(start), offset(start + _TURN))).replace(tzinfo=None)
    end = end.astimezone(UTC)
    return start, (end + max(offset(end), offset(end - _TURN))).replace(tzinfo=None)


def _like(value: Any, edge: datetime, *, is_day: bool) -> sa.ColumnElement[Any]:
    if isinstance(value, str):
        if is_day:
            return sa.literal(edge.date().isoformat(), sa.String())
        # In the shortest form, so that every spelling of the same instant sorts at or after it.
        zoneless = edge.astimezone(UTC).replace(tzinfo=None) if edge.tzinfo else edge
        shown = zoneless.isoformat(sep=value[10])
        return sa.literal(shown.rstrip("0") if "." in shown else shown.removesuffix(":00"), sa.String())
    if is_day:
        # A day belongs to the window that contains its start.
        return sa.literal(edge.date(), sa.Date())
    return sa.literal(edge, sa.DateTime(timezone=edge.tzinfo is not None))


def _iso(value: str) -> date | None:
    """A text as a day or a time; None if it has not the form of one that sorts by time."""
    if not COMPARABLE.fullmatch(re.sub("[0-9]", "9", value)):
        return None
    try:
        return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    except ValueError:
        return None


def _since_1970(instant: datetime, unit: int) -> int:
    """Units since 1970, rounded up: integers at or after the edge are exactly those at or after this."""
    return -((_EPOCH - instant) // timedelta(microseconds=unit))


def key_value(value: Any, column: str) -> int | str:
    """A key as stored in the cursor. Raises ConfigError for one without an exact form in JSON."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise ConfigError(
        f"the cursor {column!r} is neither a time, nor a whole number, nor text",
        value=column,
        fix="choose another column, or none to read the whole stream",
    )


def _number(value: int) -> sa.ColumnElement[Any]:
    kind = sa.BigInteger() if -_BIGINT <= value < _BIGINT else sa.Numeric()
    return sa.literal(value, kind)


def _all(stream: SqlStream) -> sa.Select[Any]:
    return sa.select(sa.text("*")).select_from(relation(stream))


def _ordered(stream: SqlStream, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    if stream.without_cursor == "read":
        condition = sa.or_(condition, cursor_column(stream).is_(None))
    return _all(stream).where(condition).order_by(*(_column(name) for name in stream.cursor))


def _one(stream: SqlStream, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.text("1")).select_from(relation(stream)).where(condition).limit(1)


def _is_infinite(stream: SqlStream) -> sa.ColumnElement[bool]:
    cursor = cursor_column(stream)
    return sa.or_(cursor == sa.text("'infinity'"), cursor == sa.text("'-infinity'"))


def cursor_column(stream: SqlStream) -> sa.ColumnElement[Any]:
    """The first cursor column."""
    return _column(stream.cursor[0])


def _column(name: str) -> sa.ColumnElement[Any]:
    # Quoted, to keep the case of the source's name.
    return sa.column(sa.quoted_name(name, quote=True))


def relation(stream: SqlStream) -> sa.FromClause:
    """The stream's table or query, to select from."""
    if stream.table:
        schema, name = stream.place
        return sa.table(name, schema=schema)
    query = stream.query or ""
    # A colon in a query is SQL (a cast, a literal), not a parameter; a comment may end its last line.
    return sa.text("(" + query.replace(":", "\\:") + "\n) source_query")  # type: ignore[return-value]
