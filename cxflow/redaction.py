"""The secrets that this process has read, kept out of whatever it says: errors of cxflow and every log line.

Libraries quote URLs with their tokens, also where nobody expects it (a warning that a request is tried again).
`settings.Secret.reveal` tells of a secret here, `errors` and the command line ask before they speak.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Characters of the shortest secret that is masked: a shorter one would be found in innocent words."""

_spellings: set[str] = set()
_told: set[Callable[[str], None]] = set()


def remember(secret: str) -> None:
    """From now on no error and no log record of this process holds it, as it is or as in a URL."""
    if len(secret) < SHORTEST:
        return
    if not _spellings:
        _watch_logs()
    new = {secret, quote(secret, safe=""), quote_plus(secret)} - _spellings
    _spellings.update(new)
    for whom in _told:
        for spelling in new:
            whom(spelling)


def tell(whom: Callable[[str], None]) -> None:
    """Call somebody with every spelling of a secret, those known and those to come: who writes logs that do not pass
    through here."""
    if whom not in _told:
        _told.add(whom)
        for spelling in _spellings:
            whom(spelling)


def masked(text: str) -> str:
    """A text without the secrets."""
    for spelling in sorted(_spellings, key=len, reverse=True):
        text = text.replace(spelling, MASK)
    return text


def _watch_logs() -> None:
    """Mask what the standard library's loggers record, whichever handlers then write it."""
    before = logging.getLogRecordFactory()

    def record(*arguments: Any, **options: Any) -> logging.LogRecord:
        made = before(*arguments, **options)
        said = made.getMessage()
        if (kept := masked(said)) != said:
            made.msg, made.args = kept, ()
        return made

    logging.setLogRecordFactory(record)
