"""Checks names and time zones in settings, and suggests the nearest valid name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST_NAME_BYTES = 100
"""The longest name of a connection, a stream or the project, in UTF-8. Names become parts of folder names and Airflow
ids: a file system allows 255 bytes (some encrypted ones 143), Airflow 250 characters."""


def plain_name(name: str) -> str:
    """The name, if it is valid in ids and as a folder on every file system. Raises ValueError."""
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(
            f"{name!r} is not a valid name: use letters, digits, _ and - (no blank, dot, colon, slash)"
        )
    if not unicodedata.is_normalized("NFC", name):
        raise ValueError(f"{name!r} is not a valid name: some file systems would change it (use Unicode NFC)")
    if (size := len(name.encode())) > LONGEST_NAME_BYTES:
        raise ValueError(f"{name[:20]!r}… has {size} bytes: a name may have at most {LONGEST_NAME_BYTES}")
    return name


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: `; did you mean 'x'?`, or nothing."""
    by_lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def alike(names: Iterable[str], key: Callable[[str], str] = str.lower) -> tuple[str, str] | None:
    """The first two different names with one key: by default two that differ in case alone, which SQL cannot tell
    apart. None if there are none."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(key(name), name)
        if first != name:
            return first, name
    return None


def numbered(names: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """Each name that is reserved, in any case, to a free name in its place: with a numeric suffix."""
    names, own = list(names), {name.lower() for name in reserved}
    taken = {name.lower() for name in names} | own
    found = {}
    for name in names:
        if name.lower() in own:
            number = 2
            while f"{name}_{number}".lower() in taken:
                number += 1
            found[name] = f"{name}_{number}"
            taken.add(found[name].lower())
    return found


def known_zone(name: str | None) -> str | None:
    """The name, if it is an IANA time zone. Raises ValueError with the nearest one."""
    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones  # slow (reads the whole database): only for the message

            raise ValueError(f"unknown time zone {name!r}{nearest(name, available_timezones())}") from None
    return name


def is_text(value: str) -> bool:
    """Whether databases and file systems accept a text: it has neither NUL nor surrogates."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
