"""Reads a time in whichever of the usual forms a service writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_UNTIL = 100_000_000_000
"""A number below this counts seconds since 1970, one above it milliseconds."""


def instant(value: object) -> datetime | None:
    """The instant of a text in ISO 8601 or RFC 2822, or of a number of seconds or milliseconds since 1970; None for
    anything else. A time without a zone is UTC."""
    text = "" if value is None or isinstance(value, bool) else str(value).strip()
    for read in (_number, datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text)
        except (ValueError, TypeError, OverflowError):
            continue
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return None


def _number(text: str) -> datetime:
    number = float(text)
    return _1970 + timedelta(seconds=number / (1 if abs(number) < _SECONDS_UNTIL else 1000))
