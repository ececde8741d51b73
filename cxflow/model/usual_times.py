"""The time formats that systems and people usually write, for suggestions."""

from __future__ import annotations

_DATES = (
    "%d.%m.%Y",
    "%d.%m.%y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (*(date + clock for date in _DATES for clock in _CLOCKS), "%Y%m%d", "%d %b %Y", "%b %d, %Y")
"""strptime formats. A number such as 1767225600 may be any number: it is not among them."""
EPOCHS = {"epoch": 10, "epoch_ms": 13}
"""The named formats of seconds and milliseconds since 1970, and how many digits the times of these decades have."""
ISO = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?"
"""What a time in ISO 8601 looks like, as a regular expression."""
