"""Masks the secrets that this process has read in cxflow's errors and in every log line.

Libraries quote URLs with their tokens, also in unexpected places (a warning that a request is retried).
`settings.Secret.reveal` registers secrets here; `errors` and the command line mask their texts with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Characters of the shortest secret that is masked: a shorter one would match ordinary words."""

_spellings: set[str] = set()
_subscribers: set[Callable[[str], None]] = set()


def remember(secret: str) -> None:
    """Mask a secret in all errors and log records of this process from now on, also in its URL-encoded form."""
    if len(secret) < SHORTEST:
        return
    if not _spellings:
        _watch_logs()
    new = {secret, quote(secret, safe=""), quote_plus(secret)} - _spellings
    _spellings.update(new)
    for callback in _subscribers:
        for spelling in new:
            callback(spelling)


def subscribe(callback: Callable[[str], None]) -> None:
    """Call `callback` with every spelling of a secret, known or future: for log writers that bypass this module."""
    if callback not in _subscribers:
        _subscribers.add(callback)
        for spelling in _spellings:
            callback(spelling)


def masked(text: str) -> str:
    """A text with the secrets masked."""
    for spelling in sorted(_spellings, key=len, reverse=True):
        text = text.replace(spelling, MASK)
    return text


def _watch_logs() -> None:
    """Mask the records of the standard library's loggers, whatever handlers write them."""
    before = logging.getLogRecordFactory()

    def record(*arguments: Any, **options: Any) -> logging.LogRecord:
        made = before(*arguments, **options)
        message = made.getMessage()
        if (clean := masked(message)) != message:
            made.msg, made.args = clean, ()
        return made

    logging.setLogRecordFactory(record)
