"""Whether a caller id is a telephone number that can name a customer. Used by both logs."""

from __future__ import annotations

import re

_AT_THE_END = re.compile(r"(?:^|[<:\s])([+(]{0,2}[0-9][0-9 ().-]{5,22}[0-9])\s*>?\s*$")
_PUNCTUATION = re.compile(r"[ ().-]+")


def number(caller_id: str | None) -> str | None:
    """The telephone number in a caller id such as `"Jane Roe" <+442079460123>`, its punctuation taken out.

    None for `anonymous`, `unknown`, an empty text, an internal extension (under 7 digits), one digit over
    and over (what trunks send for a withheld number), and more than E.164's 15 digits.
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
