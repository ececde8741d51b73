"""Loads PostgreSQL values into Python. Imported by `postgresql` when it connects, because psycopg is an extra."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg import abc
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format
from psycopg.types.datetime import IntervalLoader
from psycopg.types.string import TextLoader

from cxflow.connect.sql.row_tables import Unreadable

_TIMES: dict[str, Any] = {
    "date": date(1970, 1, 1),
    "timestamp": datetime(1970, 1, 1),  # noqa: DTZ001  the type has no zone
    "timestamptz": datetime(1970, 1, 1, tzinfo=UTC),
    "time": None,
    "timetz": None,
    "interval": None,
}
"""Types with values that Python cannot represent, to one that it can (for types that a cursor may have)."""
_LIKE = {psycopg.postgres.types[name].oid: like for name, like in _TIMES.items()}
_AS_WRITTEN = ("json", "jsonb", "uuid")
"""Loaded as text: parsing would round a JSON number and strip a JSON text of its quotes."""
_TEXTS = (0, "text", "varchar", "bpchar", "name", "xml", *_AS_WRITTEN)
"""Types whose values arrive as text; 0 is any that psycopg does not know."""


def register(driver: psycopg.Connection[Any]) -> None:
    """Make a connection load every value, so that none stops reading."""
    for oid in _LIKE:
        driver.adapters.register_loader(oid, _TimeLoader)
    driver.adapters.register_loader("interval", _IntervalLoader)
    # psycopg calls SQL_ASCII ascii: such a database stores bytes in any encoding.
    is_encoded = driver.info.encoding != "ascii"
    for each in _AS_WRITTEN if is_encoded else _TEXTS:
        driver.adapters.register_loader(each, TextLoader if is_encoded else _BytesLoader)


class _TimeLoader(Loader):
    """Loads times as psycopg does, and those that Python cannot represent as `Unreadable`."""

    usual: type[abc.Loader] | None = None
    """The loader to try first; unset: psycopg's own for the type."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        usual = self.usual or psycopg.adapters.get_loader(oid, Format.TEXT)
        assert usual is not None
        self._load = usual(oid, context).load
        self._like = _LIKE[oid]

    def load(self, data: Buffer) -> Any:
        try:
            return self._load(data)
        except (psycopg.DataError, ValueError, OverflowError):
            text = bytes(data).decode()
            return Unreadable(text, _why(text), self._like)


class _IntervalLoader(_TimeLoader):
    """Loads intervals with psycopg's loader in Python: its compiled one overflows at large numbers of years. Both load
    an infinite interval as zero."""

    usual = IntervalLoader

    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        return Unreadable(text, _why(text)) if text.endswith("infinity") else super().load(data)


class _BytesLoader(Loader):
    """Decodes bytes as UTF-8; `row_tables` finds those that are not."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


def _why(text: str) -> str:
    """Why Python cannot represent a time."""
    if text.endswith("infinity"):
        return "is infinite"
    if text.endswith(" BC"):
        return "is before the year 1"
    if re.match(r"\d{5,}-", text):
        return "is after the year 9999"
    return "is 24:00, no time of a day" if text.startswith("24:") else "is too long a time"
