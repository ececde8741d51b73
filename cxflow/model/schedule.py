"""Cron expressions, checked without a library: settings are read where Airflow is not installed."""

from __future__ import annotations

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_NAMED = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")


def known_schedule(cron: str | None) -> str | None:
    """The expression, if it is one of cron's. Raises ValueError that names the field at fault."""
    if cron is None or cron in _NAMED:
        return cron
    parts = cron.split()
    if len(parts) != len(_FIELDS) or not all(re.fullmatch(r"[\w*/,#?-]+", part) for part in parts):
        wanted = " ".join(name for name, _, _ in _FIELDS)
        raise ValueError(f"{cron!r} is no cron expression; it has five fields: {wanted}")
    for part, (name, lowest, highest) in zip(parts, _FIELDS, strict=True):
        for number in re.findall(r"(?<![/#\w])\d+", part):
            if not lowest <= int(number) <= highest:
                raise ValueError(f"{cron!r}: the {name} runs from {lowest} to {highest}, not {number}")
    return cron
