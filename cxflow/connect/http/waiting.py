"""How long a service asks to wait, in all the forms in which services say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_EPOCH = 1_000_000_000
"""A number above this is an instant, not a duration."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

RESETS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "inin-ratelimit-reset")
REMAINING = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds, with decimals, or an HTTP date), else from a reset header; None if
    there is neither. Never negative."""
    if (asked := _seconds(headers.get("retry-after"), _clock(headers, now))) is not None:
        return asked
    return reset(headers, now)


def reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the rate limit's window ends: given as a duration, or as an instant since 1970."""
    clock = _clock(headers, now)
    found = (_seconds(headers.get(name), clock) for name in RESETS)
    return next((each for each in found if each is not None), None)


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether the service says that no request is left in this window."""
    return any(headers.get(name, "").strip() == "0" for name in REMAINING)


def _clock(headers: Mapping[str, str], now: datetime) -> datetime:
    """The time by the service's own clock, which its instants go by; `now` if it does not say."""
    return _date(headers.get("date", "")) or now


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _seconds(text: str | None, now: datetime) -> float | None:
    text = (text or "").strip()
    if match := _DURATION.fullmatch(text):
        number = float(match[1]) * _UNITS[match[2]]
        while number > _EPOCH * 100:  # milliseconds since 1970, or less
            number /= 1000
        return max(number - now.timestamp(), 0.0) if number > _EPOCH else number
    at = _date(text)
    return None if at is None else max((at - now).total_seconds(), 0.0)
