"""Extracts the phone number that can identify a customer from a caller id. Used by both logs."""

from __future__ import annotations

import re

_AT_THE_END = re.compile(r"(?:^|[<:\s])([+(]{0,2}[0-9][0-9 ().-]{5,22}[0-9])\s*>?\s*$")
_PUNCTUATION = re.compile(r"[ ().-]+")


def number(caller_id: str | None) -> str | None:
    """The phone number in a caller id such as `"Jane Roe" <+442079460123>`, without punctuation.

    None for `anonymous`, `unknown`, an empty text, an internal extension (under 7 digits), a repeated digit
    (which trunks send for a withheld number), and more than E.164's 15 digits.
    """
    if not caller_id:
        return None
    found = caller_id
    if not caller_id.isdigit():
        match = _AT_THE_END.search(caller_id)
        if match is None:
            return None
        found = _PUNCTUATION.sub("", match[1])
    digits = found.removeprefix("+")
    return found if digits.isascii() and 7 <= len(digits) <= 15 and len(set(digits)) > 1 else None
