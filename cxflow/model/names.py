"""Names that people write: the nearest valid one for a message, and time zones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing: the end of an error message."""
    by_lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def known_zone(name: str | None) -> str | None:
    """The name, if it is one of an IANA time zone. Raises ValueError with the nearest one."""
    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones  # reads the whole database: only for the message

            raise ValueError(f"unknown time zone {name!r}{nearest(name, available_timezones())}") from None
    return name
