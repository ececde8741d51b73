"""Checks cron expressions without a library: settings are also read where Airflow is not installed."""

from __future__ import annotations

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_NAMED = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")


def known_schedule(cron: str | None) -> str | None:
    """The expression, if it is a cron expression. Raises ValueError with the invalid field."""
    if cron is None or cron in _NAMED:
        return cron
    fields = cron.split()
    if len(fields) != len(_FIELDS) or not all(re.fullmatch(r"[\w*/,#?-]+", field) for field in fields):
        wanted = " ".join(name for name, _, _ in _FIELDS)
        raise ValueError(f"{cron!r} is not a cron expression; one has five fields: {wanted}")
    for field, (name, lowest, highest) in zip(fields, _FIELDS, strict=True):
        for number in re.findall(r"(?<![/#\w])\d+", field):
            if not lowest <= int(number) <= highest:
                raise ValueError(f"{cron!r}: the {name} runs from {lowest} to {highest}, not {number}")
    return cron
