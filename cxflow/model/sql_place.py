"""Shows a place in an expression of the configuration: its line and column, and the line with a caret below it.

Used by the messages of everything that checks SQL. It quotes the expression alone, never a value of a record.
"""

from __future__ import annotations

import re
import unicodedata

_SHOWN = 60
"""Characters shown on each side of the place."""
_MARKED = re.compile(r"^LINE \d+: (?P<excerpt>.*)\n(?P<caret> *)\^", re.MULTILINE)
"""DuckDB's own excerpt. Of a long line, it shows a part between dots."""
_DOTS = "..."


def named(text: str) -> str:
    """An expression within a sentence: of several lines, the first one."""
    first, *rest = text.strip().splitlines() or [""]
    return repr(f"{first.rstrip()} …") if rest else repr(text)


def shown(text: str, at: int | None) -> str:
    """The lines to add to a message about the place `at`, in characters; empty if it is not known. The end of the text
    stands for every place after it."""
    if at is None or at < 0:
        return ""
    at = min(at, len(text.rstrip()))
    before = text[:at].split("\n")
    line, column = len(before), len(before[-1])
    content = text.split("\n")[line - 1].rstrip()
    begin, end = max(column - _SHOWN, 0), column + _SHOWN
    head, tail = "…" * (begin > 0), "…" * (end < len(content))
    padding = "".join(
        "\t" if letter == "\t" else " " * _width(letter) for letter in head + content[begin:column]
    )
    return f"\nline {line}, column {column + 1}:\n  {head}{content[begin:end]}{tail}\n  {padding}^"


def marked(text: str, message: str) -> int | None:
    """The place in an expression, in characters, that a message of DuckDB marks with a caret. The expression's lines
    must be lines of their own in the statement. None if it marks none, or a place outside of the expression."""
    found = _MARKED.search(message)
    if found is None:
        return None
    excerpt, caret = found["excerpt"], len(found["caret"]) - len(found[0].split(": ")[0]) - len(": ")
    if excerpt.startswith(_DOTS):
        excerpt, caret = excerpt[len(_DOTS) :], caret - len(_DOTS)
    offset, width = 0, 0
    while width < caret and offset < len(excerpt):
        width += _width(excerpt[offset])
        offset += 1
    begin = 0
    for line in text.split("\n"):
        at = line.find(excerpt.removesuffix(_DOTS))
        if at >= 0:
            return begin + at + offset
        begin += len(line) + 1
    return None


def _width(letter: str) -> int:
    """The columns that a character takes in a terminal."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1
